"""Edits in place that haven't come to their end: the head of their journals, and whose journal is found.

A journal is beside its file, by a name that its inode makes, or where an attribute of the file says. Whoever is about
to take a file for whole asks here first: an edit, a plan, an appender.
"""

from __future__ import annotations

import errno
import os
import stat
import struct
import zlib
from typing import TYPE_CHECKING, NamedTuple

from . import system
from .beside import PREFIX, Untrusted, adopt, check_trust, may_write
from .blame import ours
from .descriptors import Open
from .errors import naming, warn
from .paths import is_taken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .descriptors import Held

# What the names of journals end with, and the attribute of a file that names its journal.
SUFFIX = ".journal"
MARK = "fastmmap.journal"

# How many bytes old and new of all pairs may have together.
LONGEST_PAIRS = 1 << 22

# What an error about a journal has for a number: Linux alone says "Structure needs cleaning".
DAMAGED = getattr(errno, "EUCLEAN", errno.EBADMSG)

# No text begins so.
MAGIC = b"\xfdfmedit\0"

# The version says whether ASCII letters match in both cases; nothing else differs. Who reads version 1 alone refuses 2.
_AS_WRITTEN, _IGNORECASE = 1, 2

# Magic, checksum and length of what follows: of the head, and of each slot.
HEAD = struct.Struct("<8sII")
# Version, device, inode, birth, old size, growth, start, most, durable, holes, room, lengths of path and pairs.
_FIELDS = struct.Struct("<IQQqQQQq??III")
_PAIR = struct.Struct("<II")

# A head is no longer than this.
_LONGEST = _FIELDS.size + LONGEST_PAIRS + (1 << 16)


class Plan(NamedTuple):
    """What is edited and how: the head of a journal.

    growth: by how many bytes the rest of the file is moved up. start: the offset of the first match. holes: whether
    blocks of zeros become holes. room: how many bytes a slot may have for what is redone.
    """

    device: int
    inode: int
    birth: int
    old_size: int
    growth: int
    start: int
    most: int
    durable: bool
    holes: bool
    room: int
    path: str
    pairs: tuple[tuple[bytes, bytes], ...]
    ignorecase: bool

    @property
    def full_size(self) -> int:
        """How many bytes the file has on the way."""
        return self.old_size + self.growth

    def is_of(self, status: os.stat_result, birth: int) -> bool:
        """Whether it is that file's; not that of one that had its inode before."""
        if self.inode != status.st_ino:
            return False
        return self.birth == birth if self.birth and birth else self.device == status.st_dev

    def is_found(self) -> bool:
        """Whether the file is where it was."""
        try:
            return self.is_of(os.lstat(self.path), system.birth(self.path))
        except ours(OSError):
            return False

    def head(self) -> bytes:
        """The head of its journal."""
        path = os.fsencode(self.path)
        pairs = b"".join(_PAIR.pack(len(old), len(new)) + old + new for old, new in self.pairs)
        version = _IGNORECASE if self.ignorecase else _AS_WRITTEN
        body = _FIELDS.pack(version, *self[:10], len(path), len(pairs)) + path + pairs
        return HEAD.pack(MAGIC, zlib.crc32(body), len(body)) + body


def read_plan(file: Held) -> Plan:
    """What a journal's head says. OSError where it isn't whole."""
    path = file.path
    with naming(path):
        head = system.read_at(file.fd, HEAD.size, 0)
        magic, checksum, length = HEAD.unpack(head) if len(head) == HEAD.size else (b"", 0, 0)
        body = system.read_at(file.fd, length, HEAD.size) if magic == MAGIC and length <= _LONGEST else b""
    if len(body) != length or length < _FIELDS.size or zlib.crc32(body) != checksum:
        raise damaged(path, "its head isn't whole")
    version, *fields, path_length, pairs_length = _FIELDS.unpack_from(body)
    if version not in (_AS_WRITTEN, _IGNORECASE):
        text = f"The journal {path!r} is of version {version}, which this fastmmap can't read"
        raise OSError(errno.EPROTONOSUPPORT, text, path)
    at = _FIELDS.size + path_length
    if at + pairs_length != length or not pairs_length or b"\0" in body[_FIELDS.size : at]:
        raise damaged(path, "its lengths don't fit")
    target, pairs = os.fsdecode(body[_FIELDS.size : at]), []
    while at < length:
        lengths = body[at : at + _PAIR.size]
        old, new = _PAIR.unpack(lengths) if len(lengths) == _PAIR.size else (0, 0)
        at += _PAIR.size
        pairs.append((body[at : at + old], body[at + old : at + old + new]))
        at += old + new
        if not old or at > length:
            raise damaged(path, "its pairs aren't whole")
    device, inode, birth, old_size, growth, start, most, durable, holes, room = fields
    if not 0 <= start <= old_size <= old_size + growth < 1 << 62:
        raise damaged(path, "its sizes don't fit")
    return Plan(
        device, inode, birth, old_size, growth, start, most, durable, holes, room, target, tuple(pairs),
        version == _IGNORECASE,
    )  # fmt: skip


def damaged(path: str, why: str) -> OSError:
    """The error for a journal that can't be used: nothing is touched."""
    text = f"The journal {path!r} is damaged: {why}. The file may be half edited: bring back a copy of it, and remove"
    return OSError(DAMAGED, f"{text} the journal", path)


def is_journal(path: str) -> bool:
    """Whether a file begins as journals do."""
    try:
        with Open() as file:
            system.open_into(file, path, os.O_RDONLY | system.CAREFULLY)
            return system.read_at(file.fd, len(MAGIC), 0) == MAGIC
    except ours(OSError):
        return False


# --- whose journal it is ---


def journal_of(path: str, status: os.stat_result) -> str:
    """Where the journal of a file is, if it is beside the file."""
    return os.path.join(os.path.dirname(path), f"{PREFIX}{status.st_ino:x}{SUFFIX}")


def free_journal(path: str, status: os.stat_result) -> str:
    """Where a new journal can be beside a file: under another name where somebody has put something under its own."""
    name = journal_of(path, status)
    return f"{name.removesuffix(SUFFIX)}-{os.urandom(8).hex()}{SUFFIX}" if is_taken(name) else name


def unfinished_edit(path: str, status: os.stat_result, say: Callable[[str], None] = warn) -> Held | None:
    """The journal, open, of an edit in place of a file that hasn't come to its end: the file is neither old nor new.

    What can't be trusted isn't one, and is warned of; nor is one of another file.
    """
    for name, is_beside in _candidates(path, status):
        try:
            file = _trusted(name, path, status, is_beside)
        except ours(Untrusted) as error:
            if error.errno == errno.EACCES and is_beside:
                _refuse_another_s(name, path, status)
            say(str(error.strerror))
            continue
        except ours(OSError) as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                continue
            if is_beside or error.errno == errno.ESTALE:
                raise
            say(f"the journal {name!r} that an attribute of {path!r} names is ignored: {error.strerror}")
            continue
        if file is not None:
            return file
    return None


def refuse_unfinished_edit(path: str, status: os.stat_result, say: Callable[[str], None] = warn) -> None:
    """Raises OSError (EBUSY) for a file that is being edited in place, or that was left half edited."""
    journal = unfinished_edit(path, status, say)
    if journal is not None:
        journal.close()
        text = f"An edit in place of the file isn't finished (journal {os.path.basename(journal.path)})"
        raise OSError(errno.EBUSY, f"{text}. If it was killed, fastmmap.recover (fastmmap recover) finishes it", path)


def stale_journal(path: str, status: os.stat_result) -> str | None:
    """The journal beside a file of another one that is gone, and whose inode the file has got."""
    name = journal_of(path, status)
    if not is_journal(name):
        return None
    file = adopt(name)
    try:
        plan = read_plan(file)
        return name if plan.inode == status.st_ino and not plan.is_of(status, system.birth(path)) else None
    finally:
        file.close()


def _candidates(path: str, status: os.stat_result) -> Iterator[tuple[str, bool]]:
    """Where a journal may be, and whether that is beside the file. Who may write to the file may set its attribute."""
    beside_it = journal_of(path, status)
    yield beside_it, True
    mark = system.mark_of(path, MARK)
    if mark is not None and mark.startswith(b"/") and b"\0" not in mark and os.fsdecode(mark) != beside_it:
        yield os.fsdecode(mark), False


def _trusted(name: str, path: str, status: os.stat_result, is_beside: bool) -> Held | None:
    """A file's journal, open; None for that of another file."""
    file = adopt(name)
    try:
        check_trust(file.fd, name, status, shared=True)
        if not is_beside and os.fstat(file.fd).st_uid != system.user():
            raise Untrusted(name, "an attribute names it, and it is another user's. recover takes its path")
        plan = read_plan(file)
        if plan.is_of(status, system.birth(path)):
            return file
        if not is_beside and not plan.is_found():
            text = f"The file is a copy of one that was half edited and is gone (journal {name!r}): it is a mix"
            raise OSError(errno.ESTALE, f"{text}. To use it nevertheless, remove the journal", path)
    except BaseException:
        file.close()
        raise
    file.close()
    return None


def _refuse_another_s(name: str, path: str, status: os.stat_result) -> None:
    """Raises OSError for a journal that we may not read, but that is the file's owner's."""
    journal = os.lstat(name)
    is_one = stat.S_ISREG(journal.st_mode) and journal.st_nlink == 1
    if is_one and (journal.st_uid == 0 or may_write(journal.st_uid, status)):
        text = f"User {journal.st_uid}'s edit in place of the file isn't finished: that user, or root, can recover it"
        raise PermissionError(errno.EACCES, text, path)
