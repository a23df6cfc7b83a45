"""The default edit of a file: a new one is written beside it, and takes its place in one step.

Whatever happens, the name stands for the old file or for the new one. The order is what makes it so: the new file is
complete and on the disk before it has a name, and the old one is compared with what was read just before it goes.
"""

from __future__ import annotations

import errno
import os

from .. import system
from ..descriptors import Open
from ..logs.recovering import refuse_open_log
from ..progress import Reporter
from ..unfinished import refuse_unfinished_edit
from .model import Edit, Options, Original, Part
from .new_file import NewFile, explained, is_same
from .refusing import IN_PLACE, refuse, refuse_backup
from .sparse import write_data
from .survey import all_parts
from .writing import placed, write_parts


def rewrite(original: Original, edit: Edit, first: int, options: Options) -> tuple[int, int]:
    """Puts the edited file in the place of the original. Returns how many were replaced, and its size.

    What can be refused is before the matches are counted, all but the space.
    """
    target, before = original.path, original.status
    folder = os.path.dirname(target)
    # A killed edit may have left the backup as a second name, and nothing but that.
    links = before.st_nlink - (options.backup is not None and is_same(options.backup, target))
    refuse(target, before, links, options.force)
    if options.backup is not None:
        refuse_backup(options.backup, options.force or is_same(options.backup, target))
    # Opened first: a directory that can't be, and so can't be flushed, is an error before the file is replaced.
    with Open() as directory, NewFile(folder) as new:
        if options.durable:
            system.open_directory_into(directory, folder)
        with explained(f"the new file must be made in {folder!r}. {IN_PLACE}"):
            new.create()
        with explained(f"the new file can't belong to user {before.st_uid}, group {before.st_gid}. {IN_PLACE}"):
            system.keep_owner(new.fd, before)
        parts = all_parts(original.data, edit, first, options.threads)
        count = sum(part.number for part in parts)
        size = len(original.data) + sum(part.grown for part in parts)
        with explained(
            f"the new file needs {size} bytes beside the old one. {IN_PLACE}", errno.ENOSPC, errno.EDQUOT, errno.EFBIG
        ):
            write_new(new.fd, original, parts, edit, options)
        system.keep_attributes(new.fd, original.fd, before)
        if options.durable:
            system.make_durable(new.fd)
        original.close()
        _check_unchanged(target, before)
        if options.backup is None:
            new.replace(target)
        else:
            with explained(f"the backup {options.backup!r} can't be made"):
                new.exchange(target, options.backup)
        if options.durable:
            system.make_names_durable(directory.fd)
    return count, size


def write_new(new: int, original: Original, parts: list[Part], edit: Edit, options: Options) -> None:
    """Writes the new file. `progress` is told the bytes that are written, and those that will be."""
    total = sum(part.new_length for part in parts)
    hole = _reserve(new, original, total)
    reporter = None if options.progress is None else Reporter(options.progress, total)

    def put(data: memoryview, at: int) -> None:
        if hole:
            write_data(new, data, at, hole)
        else:
            system.write_at(new, data, at)
        if reporter is not None:
            reporter.add(len(data))

    write_parts(original.data, edit, placed(parts), options.threads, put)
    if reporter is not None:
        reporter.end()


def _reserve(new: int, original: Original, size: int) -> int:
    """Finds the space for the new file's bytes. Returns the length of a block of zeros that needn't be written.

    It is 0 where the old file has no holes, for all blocks are allocated then.
    """
    before = original.status
    if not system.has_holes(before):
        system.reserve(new, size)
        return 0
    # Which blocks there will be isn't known yet: about those of the old file, and what the file grows by.
    system.reserve(new, size, min(system.allocated(original.fd, before) + max(size - before.st_size, 0), size))
    return system.block_size(before)


def _check_unchanged(target: str, before: os.stat_result) -> None:
    """Raises OSError if another process changed the file meanwhile: its changes would be lost with the rename."""
    refuse_open_log(target)
    refuse_unfinished_edit(target, before)
    check_same(os.stat(target), before, "The file changed while it was being edited: edit it again")


def check_same(now: os.stat_result, before: os.stat_result, text: str) -> None:
    """Raises OSError if a file has changed."""
    for field in system.CHANGES:
        if getattr(now, field) != getattr(before, field):
            raise OSError(errno.EBUSY, f"{text} ({field})")
