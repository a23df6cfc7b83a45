"""The index of a mapping's lines in a file: `m.lines.save(path)`, and `open(…, index=path)`."""

from __future__ import annotations

import io
import os
import zipfile
import zlib

import numpy

from .beside import PREFIX
from .blame import ignoring
from .indexes import Counted
from .reference.sampling import SAMPLED, TOTALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .paths import Path

# What a saved index begins with: another number means another layout.
LAYOUT = 1

# What numpy and zipfile make of bytes that aren't whole. No file is read any more by then.
_BROKEN = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def save(path: Path, counted: Counted) -> None:
    """Keeps an index in a file, which is there whole or not at all."""
    name = os.fsdecode(path)
    assert counted.state is not None
    with ignoring(FileNotFoundError):
        status = os.stat(name)
        if (status.st_ino, status.st_size) == counted.state[:2]:
            raise ValueError(f"{name!r} is the file itself that was indexed")
    facts = [LAYOUT, SAMPLED, TOTALLED, counted.offset, counted.size, counted.sample, *counted.state]
    new = os.path.join(os.path.dirname(name), f"{PREFIX}{os.getpid()}-{os.urandom(4).hex()}.index")
    try:
        with open(new, "xb") as file:
            words = numpy.array([fact % 2**64 for fact in facts], dtype=numpy.uint64)  # a time may be before 1970
            numpy.savez(file, facts=words, before=counted.before, inside=counted.inside)
        os.replace(new, name)
    except BaseException:
        with ignoring(OSError):
            os.unlink(new)
        raise


def load(path: Path) -> Counted:
    """What save has kept. ValueError for a file that isn't that."""
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        with numpy.load(content, allow_pickle=False) as arrays:
            facts, before, inside = (arrays[each] for each in ("facts", "before", "inside"))
        layout, sampled, totalled, offset, size, sample, inode, file_size, changed = facts.tolist()
        is_whole = (
            (facts.dtype.kind, before.dtype.kind, inside.dtype.kind) == ("u", "i", "u")
            and (before.shape, inside.shape) == ((-(-size // totalled) + 1,), (-(-size // sampled),))
            and before[0] == 0
            and bool((before[1:] >= before[:-1]).all())
        )
    except _BROKEN:
        is_whole = False
    if not is_whole:
        raise ValueError(f"{name!r} is no index of lines, or isn't whole")
    if (layout, sampled, totalled) != (LAYOUT, SAMPLED, TOTALLED):
        raise ValueError(f"{name!r} is an index of another version of fastmmap")
    changed -= 2**64 * (changed >= 2**63)
    state = inode, file_size, changed
    return Counted((before.astype(numpy.int64), inside.astype(numpy.uint16)), size, sample, offset, state)
