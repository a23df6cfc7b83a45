"""The index of a mapping's lines in a file: `m.lines.save(path)`, and `open(…, index=path)`."""

from __future__ import annotations

import os
import zipfile

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
        try:
            with numpy.load(file, allow_pickle=False) as arrays:
                layout, sampled, totalled, offset, size, sample, inode, file_size, changed = arrays["facts"].tolist()
                before, inside = arrays["before"], arrays["inside"]
        except (ValueError, KeyError, TypeError, EOFError, AttributeError, zipfile.BadZipFile):
            raise ValueError(f"{name!r} is no index of lines, or isn't whole") from None
    if (layout, sampled, totalled) != (LAYOUT, SAMPLED, TOTALLED):
        raise ValueError(f"{name!r} is an index of another version of fastmmap")
    if before.shape != (-(-size // TOTALLED) + 1,) or inside.shape != (-(-size // SAMPLED),):
        raise ValueError(f"{name!r} is no index of {size} bytes")
    arrays = before.astype(numpy.int64), inside.astype(numpy.uint16)
    changed -= 2**64 * (changed >= 2**63)
    return Counted(arrays, size, sample, offset, (inode, file_size, changed))
