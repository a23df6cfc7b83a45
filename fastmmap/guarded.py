"""In a build with extensions: guarded access to memory that may lose its file, for the rest of the package.

The reference reads and stores by way of the guard then, so that kernel "python" is guarded as the others are. What
numpy reads for us is copied by it first. And where a system call was given memory of a caller's that has lost its file,
the error says so.
"""

from __future__ import annotations

from . import errors
from ._guarded import Export, check_readable, safe_numbers  # type: ignore[import-not-found]
from .reference import arguments

errors.check_readable = check_readable
arguments.safe_numbers = safe_numbers
arguments.unsafe_memory = Export
