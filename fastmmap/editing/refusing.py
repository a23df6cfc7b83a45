"""Finds out, before the work, why a file can't be replaced by a new one."""

from __future__ import annotations

import errno
import os
import stat

from .. import system
from ..beside import is_ours
from ..blame import ours
from ..descriptors import Open
from ..system import attributes
from ..unfinished import is_journal

# What `system.attributes` may say.
IMMUTABLE, APPEND_ONLY, MOUNT_POINT = "immutable", "append-only", "a mount point"

# The way out where a rewrite is refused.
IN_PLACE = "To edit it in place, whatever the lengths, use in_place=True (--in-place)"

# What takes an attribute away.
_WAY_OUT = {IMMUTABLE: "chattr -i removes that attribute", APPEND_ONLY: "chattr -a removes that attribute"}


def refuse(path: str, status: os.stat_result, links: int, force: bool) -> None:
    """Raises OSError where a file must not be replaced, or can't be."""
    found = _refuse_both(path)
    if MOUNT_POINT in found:
        text = f"The file is a mount point, which can't be replaced. {IN_PLACE}"
        raise OSError(errno.EBUSY, text, path)
    folder = os.path.dirname(path)
    _refuse_attributes(f"The folder {folder!r}", attributes(folder), path)
    if links > 1:
        text = f"The file has {links} hard links, and a rewrite would change only one of them. {IN_PLACE}"
        raise OSError(errno.EMLINK, text, path)
    if not force:
        _refuse_read_only(path, status)


def refuse_in_place(path: str, status: os.stat_result, force: bool) -> None:
    """Raises OSError where a file must not be written to, or can't be."""
    _refuse_both(path)
    if not force:
        _refuse_read_only(path, status)


def _refuse_both(path: str) -> set[str]:
    """Raises what both kinds of edit are refused with. Returns what `system.attributes` says of the file."""
    if is_ours(path) or is_journal(path):
        text = "The file is fastmmap's own, of a log or of an edit that isn't finished: recover takes care of it"
        raise PermissionError(errno.EPERM, text, path)
    if system.is_read_only(path):
        text = "The filesystem is read-only: mount -o remount,rw makes it writable"
        raise OSError(errno.EROFS, text, path)
    found = attributes(path)
    _refuse_attributes("The file", found, path)
    return found


def refuse_backup(path: str, force: bool) -> None:
    """Raises OSError where the old file can't be kept under a name, or would replace an older backup unasked."""
    refuse_name(path, "The backup")
    _refuse_to_replace(path, force, "The backup", "An older backup", "The older backup")


def refuse_output(path: str, force: bool) -> None:
    """Raises OSError where a new file can't have a name, or would replace another file unasked."""
    refuse_name(path, "The output")
    _refuse_to_replace(path, force, "The output", "The output", "The output")


def _refuse_to_replace(path: str, force: bool, what: str, an_older: str, the_older: str) -> None:
    try:
        status = os.lstat(path)
    except ours(FileNotFoundError):
        return
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, f"{what} would replace a directory: remove that first", path)
    if stat.S_ISLNK(mode):
        text = f"{what} would replace a symbolic link: remove that first"
        raise FileExistsError(errno.EEXIST, text, path)
    if not stat.S_ISREG(mode):
        text = f"{what} would replace a file that isn't a regular one: remove that first"
        raise FileExistsError(errno.EEXIST, text, path)
    folder = os.stat(os.path.dirname(path))
    if folder.st_mode & stat.S_ISVTX and not _may_replace(status, folder):
        text = f"{the_older} is user {status.st_uid}'s, so it can't be replaced in a sticky folder"
        raise PermissionError(errno.EPERM, f"{text}: choose another name", path)
    if not force:
        text = f"{an_older} is there: choose another name, or replace it by force=True (--force)"
        raise FileExistsError(errno.EEXIST, text, path)
    found = attributes(path)
    if MOUNT_POINT in found:
        raise OSError(errno.EBUSY, f"{the_older} is a mount point: choose another name", path)
    _refuse_attributes(the_older, found, path)


def refuse_name(path: str, what: str) -> None:
    """Raises OSError where no file can have a name: one that is too long, or that the filesystem can't hold."""
    try:
        system.check_name(path)
        os.lstat(path)
    except ours(OSError) as error:
        if error.errno != errno.ENOENT:
            way = ". Choose a shorter name" if error.errno == errno.ENAMETOOLONG else ""
            text = f"{what} can't have this name: {error.strerror}{way}"
            raise OSError(error.errno, text, path) from None


def _refuse_attributes(what: str, found: set[str], path: str) -> None:
    for attribute in (IMMUTABLE, APPEND_ONLY):
        if attribute in found:
            raise PermissionError(errno.EPERM, f"{what} is {attribute}: {_WAY_OUT[attribute]}", path)


def _may_replace(status: os.stat_result, folder: os.stat_result) -> bool:
    """Whether we may replace a file in a sticky folder: its owner may, the folder's, and who has CAP_FOWNER."""
    return system.user() in (status.st_uid, folder.st_uid) or system.acts_as_owner()


def _refuse_read_only(path: str, status: os.stat_result) -> None:
    """Raises PermissionError where we aren't let write to a file, though its folder would let us replace it."""
    reason = _reason_against_writing(path, status)
    if reason is None:
        return
    if system.user() not in (0, status.st_uid):
        mode = stat.S_IMODE(status.st_mode)
        text = f"The file is user {status.st_uid}'s, and its mode {mode:04o} doesn't let user {system.user()} write"
        raise PermissionError(errno.EACCES, f"{text}: edit it as its owner", path)
    if not status.st_mode & 0o200:
        reason = "The file is read-only: chmod u+w allows changes, and"
    raise PermissionError(errno.EACCES, f"{reason} force=True (--force) edits it anyway", path)


def _reason_against_writing(path: str, status: os.stat_result) -> str | None:
    """What keeps us from writing to a file; None where nothing does."""
    if not status.st_mode & 0o222:
        return "Nobody has permission to write to the file:"  # not even root, although the system lets root write
    effective = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    if os.access(path, os.W_OK, **effective) and os.name != "nt":  # where it tells no more than the mode
        return None
    # A sandbox that refuses the question seems to say no. To open the file changes nothing in it.
    try:
        with Open() as file:
            system.open_into(file, path, os.O_WRONLY | system.CAREFULLY)
    except ours(OSError) as error:
        if error.errno != errno.ETXTBSY:  # a program that runs may be replaced
            return f"The file can't be written to ({error.strerror}):"
    return None
