"""Writes what a file is with its matches replaced to another file, on another disk for instance."""

from __future__ import annotations

import errno
import os
import time

from .. import parallel, system
from ..beside import refuse_unfinished_edit
from ..descriptors import Open
from ..errors import naming
from ..paths import is_taken, resolved
from .edit import Replacement
from .model import Edit, Options, Part
from .new_file import NewFile, explained, is_same
from .preparing import opened
from .rewrite import check_same, write_new
from .survey import first_match, survey


def write_elsewhere(target: str, output: str, edit: Edit, options: Options) -> Replacement:
    """Writes a new file, complete before it has its name. One that is there already is replaced with force alone."""
    began = time.perf_counter()
    output = resolved(output)
    folder = os.path.dirname(output)
    with naming(output, always=True):
        if is_same(target, output):
            raise OSError(errno.EINVAL, "The output is the file itself: without --output it is replaced")
        if is_taken(output) and not options.force:
            raise FileExistsError(errno.EEXIST, "The output is there already: --force replaces it")
    with opened(target) as original:
        before, source = original.status, original.data
        refuse_unfinished_edit(target, before)
        first = first_match(source, edit, options.threads)
        start = len(source) if first < 0 else first
        parts = [Part(low, high, 0, 0) for low, high in parallel.blocks(0, start)]
        parts += survey(source, edit, start, options.threads)
        size = sum(part.new_length for part in parts)
        with Open() as directory, NewFile(folder) as new:
            with explained(f"the output must be made in {folder!r}"):
                new.create()
                if options.durable:
                    system.open_directory_into(directory, folder)
            text = f"the output needs {size} bytes in {folder!r}"
            with explained(text, errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                write_new(new.fd, original, parts, edit, options)
            system.set_mode(new.fd, before.st_mode & 0o777)
            if options.durable:
                system.make_durable(new.fd)
            check_same(os.fstat(original.fd), before, "The file changed while it was read: try again")
            with naming(output, always=True):
                if options.force:
                    new.replace(output)
                else:
                    new.call(output)
            if options.durable:
                system.make_names_durable(directory.fd)
    count = sum(part.number for part in parts)
    return Replacement(output, count, before.st_size, size, "rewrite", time.perf_counter() - began)
