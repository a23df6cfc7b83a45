"""The header of a stage: which log it belongs to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from .. import system
from ..beside import Untrusted
from .layout import (
    BY_PATH,
    HALVES_AT,
    HEADER,
    INTENT,
    INTENT_AT,
    LARGEST_HALF,
    LONGEST_PATH,
    MAGIC,
    PATH_AT,
    SAME,
    VERSION,
    WORD,
    WORD_AT,
)
from .lock import StageError

if TYPE_CHECKING:
    from .log import Log


class Header(NamedTuple):
    """Whose stage it is."""

    id: bytes
    boot: bytes  # of the machine: after a restart the file may hold anything
    device: int
    inode: int
    birth: int  # in nanoseconds, 0 where it isn't known
    same: bool  # whether log and stage are on one filesystem: its device number may be another the next time
    by_path: bool  # whether its records belong to whatever file is at the path, and not to the one that was there
    half: int
    path: str  # of the log, when the stage was made

    def write(self, fd: int) -> None:
        """Makes a file a stage. Until then it is unfinished, and belongs to no log."""
        path = os.fsencode(self.path)
        fields = self.id, self.boot, self.device, self.inode, self.birth, self.half, len(path)
        flags = SAME * self.same | BY_PATH * self.by_path
        system.write_at(fd, path, PATH_AT)
        system.write_at(fd, HEADER.pack(MAGIC, VERSION, flags, *fields), 0)

    @classmethod
    def of(cls, log: Log, folder: os.stat_result, half: int) -> Header:
        """A new stage's, in a folder."""
        return cls(os.urandom(16), system.boot(), 0, 0, 0, False, False, half, "").of_log(log, folder)

    def of_log(self, log: Log, folder: os.stat_result) -> Header:
        """The same stage's, of another log."""
        path = log.place or log.path
        if len(os.fsencode(path)) > LONGEST_PATH:
            path = ""
        device, inode = log.status.st_dev, log.status.st_ino
        same, by_path = folder.st_dev == device, bool(log.place and path)
        return self._replace(device=device, inode=inode, birth=log.birth, same=same, by_path=by_path, path=path)

    @classmethod
    def read(cls, fd: int, path: str) -> Header | None:
        """What a stage says of itself, None where it was never finished. Untrusted for what can't be a stage."""
        block = system.read_at(fd, HALVES_AT, 0)
        if not any(block[: len(MAGIC)]):
            return None
        if len(block) < HALVES_AT or not block.startswith(MAGIC):
            raise Untrusted(path, "it is not a stage")
        _, version, flags, identity, boot, device, inode, birth, half, length = HEADER.unpack_from(block)
        if version != VERSION:
            raise StageError(path, f"Version {version} of the stage isn't supported by this fastmmap")
        name = os.fsdecode(block[PATH_AT : PATH_AT + length])
        if (
            not 0 < half <= LARGEST_HALF
            or length > LONGEST_PATH
            or os.fstat(fd).st_size != HALVES_AT + 2 * half
            or "\0" in name
            or not (os.path.isabs(name) or name == "")
        ):
            raise StageError(path, "The stage is damaged")
        return cls(identity, boot, device, inode, birth, bool(flags & SAME), bool(flags & BY_PATH), half, name)

    @staticmethod
    def known_end(fd: int) -> int:
        """Where in the log the last drain of a stage began: the log has never been shorter since."""
        return int(INTENT.unpack(system.read_at(fd, INTENT.size, INTENT_AT))[0])

    def is_of(self, log: os.stat_result, birth: int, stage: os.stat_result) -> bool:
        """Whether a file is the log: by device and inode, and by its birth, for inodes are used again."""
        if log.st_ino != self.inode or log.st_dev != (stage.st_dev if self.same else self.device):
            return False
        return not birth or not self.birth or birth == self.birth


def words_in(fd: int) -> list[int]:
    """The words of a stage's halves."""
    return [WORD.unpack(system.read_at(fd, WORD.size, at))[0] for at in WORD_AT]
