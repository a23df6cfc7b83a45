"""Writes to the logs what dead writers have left in their stages."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .. import beside, system
from ..beside import Untrusted, check_trust
from ..blame import ignoring, ours
from ..errors import warn
from ..paths import is_taken, leads_to, resolved
from ..unfinished import refuse_unfinished_edit
from .ending import appenders
from .header import Header, words_in
from .layout import DRAINS, HALVES_AT, LOCK, NO_NAME
from .lock import Lock, StageError, is_lock, settle
from .log import Log, Nameless
from .stage import FileStage
from .turn import is_turn, remove_unused, turn_at

if TYPE_CHECKING:
    from ..descriptors import Held

    # Whether a stage is to be recovered, by its header and where its log is, if it was found.
    Wanted = Callable[[Header, str | None], bool]


def recover_log(real: str) -> bool | None:
    """Takes to a log the records that its dead writers have left. None where there is no log, and no stage of it."""
    folder = os.path.dirname(real)
    own = wanted_by(real)
    if not is_taken(real) and not any(_is_wanted(stage, own) for stage in stages_in(folder)):
        return None
    with _saying() as unsaid:
        done = _recover_all(folder, own, unsaid)
        _remove_unused(folder)
        return done


def recover_stages(folder: str) -> bool:
    """Recovers all stages in a folder."""
    with _saying() as unsaid:
        done = _recover_all(folder, lambda header, log: True, unsaid)
        _remove_unused(folder)
        return done


def _remove_unused(folder: str) -> None:
    """Removes the locks and turns that killed writers have left. Whoever needs one makes it anew."""
    names = os.listdir(folder)
    stages = {name.rpartition("-")[0] for name in names if is_stage(name)}
    for name in names:
        path = os.path.join(folder, name)
        if is_lock(name) and name.removesuffix(".lock") not in stages:
            _remove_lock(path, NO_NAME, system.user())
        elif is_turn(name):
            remove_unused(path)


def adopt(log: Log, folder: str) -> None:
    """Recovers the stages of one log that are in a folder, before it is written to. What can't be is left unsaid."""
    own = wanted_by(log.path)

    def wanted(header: Header, found: str | None) -> bool:
        return own(header, found) or (header.by_path and header.path == log.place)

    _recover_all(folder, wanted, log.unsaid, strict=False)


@contextmanager
def _saying() -> Iterator[list[str]]:
    """Warns in the end: where a warning is an error, the others have been recovered."""
    unsaid: list[str] = []
    yield unsaid
    for text in unsaid:
        warn(text)


def refuse_open_log(path: str) -> None:
    """Raises OSError (EBUSY) if a file is the log of an Appender that lives, here or in another process.

    What dead ones have left is taken to it first: their stages would belong to no file once another had its name. An
    appender of another process is seen by its stage, if that stands beside the log.
    """
    path = resolved(path)
    status = os.stat(path)
    for appender in appenders():
        if (name := appender._stage_for(status)) is not None:
            raise _busy(path, name)

    def own(header: Header, log: str | None) -> bool:
        return log is not None and _is_same(log, path)

    with ignoring(PermissionError):  # whose names we may not see
        stages = list(stages_in(os.path.dirname(path)))
        if stages:
            with _saying() as unsaid:
                _recover_all(os.path.dirname(path), own, unsaid)
        for stage in stages:
            if _is_wanted(stage, own) and _is_written_to(stage, status):
                raise _busy(path, os.path.basename(stage))


def _busy(path: str, stage: str) -> OSError:
    text = f"An Appender has the file open (stage {stage}): close it first"
    return OSError(errno.EBUSY, text, path)


def _is_written_to(stage: str, log: os.stat_result) -> bool:
    """Whether somebody has a log's stage open, which the log's owner or we have made. Others could hold up by theirs.

    It may be one that records aren't taken from: the log's mode may have changed since.
    """
    try:
        file = beside.adopt(stage)
        user = os.fstat(file.fd).st_uid
    except ours(OSError):
        return False  # it is gone, or was warned of
    return user in (system.user(), log.st_uid) and not system.lock(file.fd, wait=False)


def wanted_by(path: str) -> Wanted:
    """A log's stages: those whose log is at that path now, and those whose log was there."""

    def wanted(header: Header, log: str | None) -> bool:
        return header.path == path or (log is not None and _is_same(log, path))

    return wanted


def _is_same(path: str, other: str) -> bool:
    """os.path.samefile, of files that may be renamed meanwhile."""
    try:
        return os.path.samefile(path, other)
    except ours(FileNotFoundError):
        return False


def stages_in(folder: str) -> Iterator[str]:
    """The paths of all that are named as stages are."""
    for name in sorted(os.listdir(folder)):
        if is_stage(name):
            yield os.path.join(folder, name)


def is_stage(name: str) -> bool:
    """Whether a file is named as stages are."""
    return name.startswith(beside.PREFIX) and name.endswith(".stage")


def _recover_all(folder: str, wanted: Wanted, unsaid: list[str], strict: bool = True) -> bool:
    """Recovers each wanted stage. With `strict` the first that can't be is an error, after the others.

    Else it is to be warned of, unless the system has failed: a rotated log may be nobody's to write to any more.
    """
    done = False
    failure: OSError | None = None
    paths, held = list(stages_in(folder)), []
    for waits in (False, True):
        for path in paths:
            try:
                done |= recover_stage(path, wanted, unsaid, waits)
            except Busy:
                held.append(path)  # the records of one stage don't wait for those of another
            except ours(OSError) as error:
                if not strict or isinstance(error, Untrusted):
                    unsaid.append(as_warning(path, error))
                else:
                    failure = failure or error
        paths = held
    if failure is not None:
        raise failure
    return done


def as_warning(path: str, error: OSError) -> str:
    """What is said of a stage that is left alone. Where the system has failed, that is an error."""
    if isinstance(error, Untrusted):
        return str(error.strerror)
    if isinstance(error, StageError) or error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path!r} is left alone: {error.strerror}"
    raise error


def _is_wanted(path: str, wanted: Wanted) -> bool:
    """Whether a stage is one of a log's, as far as it can be read."""
    with ignoring(OSError):
        file = beside.adopt(path)
        header = Header.read(file.fd, path)
        return header is not None and wanted(header, _find_log(header, path, file.fd))
    return False


def recover_stage(path: str, wanted: Wanted, unsaid: list[str], waits: bool = True) -> bool:
    """Recovers a stage whose writer is dead. Whether it was, and was wanted. Busy, if it `waits` for no lock."""
    try:
        file = beside.adopt(path)
    except ours(FileNotFoundError):
        return False
    try:
        return _recover_open(path, file, wanted, unsaid, waits)
    except ours(StageError) as error:
        # What somebody has put there who doesn't own the folder may say anything.
        user = os.fstat(file.fd).st_uid
        if user in (system.user(), os.stat(os.path.dirname(path)).st_uid):
            raise
        raise Untrusted(path, f"it belongs to user {user}. {error.strerror}") from None
    finally:
        file.close()


def _recover_open(path: str, file: Held, wanted: Wanted, unsaid: list[str], waits: bool) -> bool:
    header = Header.read(file.fd, path)
    if header is None:
        return _remove_unfinished(file.fd, path)
    found = _find_log(header, path, file.fd)
    if not wanted(header, found) or not system.lock(file.fd, wait=False) or not system.is_named(file.fd):
        return False  # another log's; or its writer lives; or it was drained and removed just now
    if not leads_to(path, file.fd, follow=False):
        return False  # it was renamed before it was locked, to where it is found the next time
    try:
        if header.by_path:
            return _drain_by_path(path, file, unsaid, waits)
        if found is not None:
            return _drain(path, file, header, found, unsaid, waits)
    except ours(Nameless, FileNotFoundError):
        pass  # the log was removed meanwhile
    return _remove_empty(path, file, header)


class Busy(Exception):
    """A log's lock is held by a writer that drains, or that is stopped in a drain."""


def _drain(path: str, file: Held, header: Header, found: str, unsaid: list[str], waits: bool) -> bool:
    """Takes a dead writer's stage to its log, and removes it."""
    if not system.boot():
        raise StageError(path, "Without /proc it isn't known whether the machine was restarted since: mount /proc")
    log = Log(found)
    lock = Lock(os.path.dirname(path), log)
    try:
        check_trust(file.fd, path, log.status)
        stage = FileStage.of_another(path, file, header, lock, log)
        if header.boot != system.boot():
            unsaid.append(_set_aside(path, found))
            return True
        refuse_unfinished_edit(log.path, log.status, unsaid.append)
        if not waits and not lock.is_free():
            raise Busy
        if lock.file.fd < 0:
            lock.open()
        stage.drain_all(log)
        stage.remove()
    finally:
        lock.close()
        log.file.close()
        unsaid += log.unsaid
    return True


def _drain_by_path(path: str, file: Held, unsaid: list[str], waits: bool) -> bool:
    """_drain, of what belongs to whatever file is at the log's path now. That file is made if there is none."""
    header = Header.read(file.fd, path)  # once more, now that its writer is known to be dead
    assert header is not None
    folder = os.path.dirname(path)
    turn = turn_at(os.path.join(folder, os.path.basename(header.path)))
    if not waits and not turn.is_free():
        raise Busy
    try:
        with turn:
            found = _find_log(header, path, file.fd)
            lock = f"{path.removesuffix('.stage').rpartition('-')[0]}.lock"
            if found not in (None, turn.path) and _names_stage(lock, header):
                return _drain(path, file, header, found, unsaid, waits)  # its writer has died in a drain to that file
            if header.boot != system.boot() and system.boot():
                unsaid.append(_set_aside(path, turn.path))
                return True
            if found != turn.path:
                if not any(word % DRAINS for word in words_in(file.fd)) or _names_stage(lock, header):
                    return _remove_empty(path, file, header)
                header = _moved(path, file, header, turn.path)
                _remove_lock(lock, header.id, os.fstat(file.fd).st_uid)
            return _drain(path, file, header, turn.path, unsaid, waits)
    finally:
        turn.remove()


def _names_stage(lock: str, header: Header) -> bool:
    """Whether a lock says that a stage is being drained."""
    try:
        file = beside.adopt(lock)
    except ours(OSError):
        return False
    try:
        block = system.read_at(file.fd, LOCK.size, 0).ljust(LOCK.size, b"\0")
        return bool(LOCK.unpack(block)[2] == header.id)
    finally:
        file.close()


def _moved(path: str, file: Held, header: Header, place: str) -> Header:
    """The header of a stage whose log has been rotated: it is written anew, for the file that is at its path now."""
    folder = os.path.dirname(path)
    if os.fstat(file.fd).st_uid not in (system.user(), os.stat(folder).st_uid):
        raise StageError(path, f"The log {header.path!r} of this stage was rotated")
    log = Log(place, create=True, place=place)
    try:
        check_trust(file.fd, path, log.status)
        header = header.of_log(log, os.stat(folder))
        header.write(file.fd)
    finally:
        log.file.close()
    return header


def _set_aside(path: str, log: str) -> str:
    aside = path.removesuffix(".stage") + ".aside"
    system.rename(path, aside)
    return (
        f"{aside!r} has records for {log!r} from before the machine was restarted. Some of them may be in the log, "
        f"and some may be lost: they are not recovered"
    )


def _remove_empty(path: str, file: Held, header: Header) -> bool:
    """Removes a stage whose log is gone, with its lock, if it holds nothing. Else it is for its owner to decide."""
    words = words_in(file.fd)
    if any(word % DRAINS for word in words):
        places = " and ".join(
            f"{word % DRAINS} bytes from byte {HALVES_AT + half * header.half} on"
            for half, word in sorted(enumerate(words), key=lambda each: each[1])
            if word % DRAINS
        )
        raise StageError(
            path,
            f"The log {header.path!r} of this stage is gone. The stage still has its records: {places}. "
            f"Copy them to where they belong, then remove the stage",
        )
    user = os.fstat(file.fd).st_uid
    if user not in (system.user(), os.stat(os.path.dirname(path)).st_uid):
        raise StageError(path, f"The log {header.path!r} of this stage is gone")
    system.remove(path)
    _remove_lock(f"{path.removesuffix('.stage').rpartition('-')[0]}.lock", header.id, user)
    return True


def _remove_lock(path: str, drained: bytes, user: int) -> None:
    """Removes the lock of a log that is gone, unless it belongs to another user or names another stage."""
    with ignoring(OSError):
        file = beside.adopt(path)
        if os.fstat(file.fd).st_uid == user:
            settle(file, drained, path)


def _remove_unfinished(fd: int, path: str) -> bool:
    """Removes a stage of ours whose writer died while it made it: it holds nothing."""
    status = os.fstat(fd)
    if status.st_uid != system.user() or status.st_nlink != 1 or not system.lock(fd, wait=False):
        return False
    system.remove(path)
    return True


def _find_log(header: Header, path: str, fd: int) -> str | None:
    """Where a stage's log is now: at its old path, or renamed, as rotation does it, in the same directory."""
    stage = os.fstat(fd)
    name = os.path.basename(header.path)
    folders = [os.path.dirname(path)] if header.same else []  # perhaps mounted elsewhere than where it was made
    if header.path:
        folders.append(os.path.dirname(header.path))
    for folder in folders:
        if name and _has_log(os.path.join(folder, name), header, stage):
            return os.path.join(folder, name)
    end = header.known_end(fd)
    for folder in folders:
        with ignoring(OSError):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                # Another file may have the inode of one that is gone. No log gets shorter.
                if _has_log(path, header, stage, end):
                    return path
    return None


def _has_log(path: str, header: Header, stage: os.stat_result, end: int = 0) -> bool:
    """Whether a path is that of a stage's log."""
    try:
        status = os.stat(path, follow_symlinks=False)
    except ours(OSError):
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_ino != header.inode:
        return False
    birth = system.birth(path)
    # By their births they are told apart; where one isn't known, by their lengths.
    return header.is_of(status, birth, stage) and (bool(birth and header.birth) or status.st_size >= end)
