"""Writes what a file is with its matches replaced to another file, on another disk for instance."""

from __future__ import annotations

import errno
import os
import time

from .. import system
from ..blame import ours
from ..errors import MappedFileError, naming
from ..logs.recovering import refuse_open_log
from ..paths import is_taken, resolved
from ..unfinished import refuse_unfinished_edit
from .edit import Replacement
from .journal import make_folder_durable
from .model import Edit, Options, Original, Part
from .new_file import NewFile, explained, is_same
from .preparing import opened
from .refusing import refuse_output
from .rewrite import check_same, write_new
from .survey import all_parts, first_match


def write_elsewhere(target: str, output: str, edit: Edit, options: Options) -> Replacement:
    """Writes a new file, complete before it has its name. One that is there already is replaced with force alone."""
    began = time.perf_counter()
    output = resolved(output)
    with naming(output, always=True):
        if is_same(target, output):
            raise OSError(errno.EINVAL, "The output is the file itself: without --output it is replaced")
        refuse_output(output, options.force)
        if is_taken(output):
            status = os.stat(output)
            if status.st_nlink > 1:
                raise OSError(errno.EMLINK, f"The output has {status.st_nlink} hard links: choose another name")
            refuse_open_log(output)
            refuse_unfinished_edit(output, status)
    with NewFile(os.path.dirname(output)) as new:
        with opened(target) as original:
            refuse_unfinished_edit(target, original.status)
            first = first_match(original.data, edit, options.threads)
            parts = all_parts(original.data, edit, first, options.threads)
            failure = _write(new, output, original, parts, (edit, options))
            if failure is None:
                check_same(os.fstat(original.fd), original.status, "The file changed while it was read: try again")
        with naming(output, always=True):
            if failure is not None:  # it is about the output: `opened` would give it the name of the file
                raise failure
            if options.force:
                new.replace(output)
            else:
                new.call(output)
            if options.durable:
                make_folder_durable(os.path.dirname(output))
    count, size = sum(part.number for part in parts), sum(part.new_length for part in parts)
    return Replacement(output, count, original.status.st_size, size, "rewrite", time.perf_counter() - began)


def _write(
    new: NewFile, output: str, original: Original, parts: list[Part], job: tuple[Edit, Options]
) -> OSError | None:
    """Writes the new file, but for its name. Returns an error of the system's."""
    edit, options = job
    folder, size = os.path.dirname(output), sum(part.new_length for part in parts)
    try:
        with explained(f"the output must be made in {folder!r}"):
            new.create()
        with explained(f"the output needs {size} bytes in {folder!r}", errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            write_new(new.fd, original, parts, edit, options)
        system.set_mode(new.fd, original.status.st_mode & 0o777)
        if options.durable:
            system.make_durable(new.fd)
    except ours(MappedFileError):
        raise
    except ours(OSError) as error:
        if error.errno == errno.EBUSY:  # the file has changed
            raise
        return error
    return None
