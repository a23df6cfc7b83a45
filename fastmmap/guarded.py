"""In a build with extensions: guarded access to memory that may lose its file, for the rest of the package.

The reference reads and stores by way of the guard then, so that kernel "python" is guarded as the others are. What
numpy reads for us is copied by it first. And where a system call was given memory of a caller's that has lost its file,
the error says so. Descriptors that were forgotten are closed natively: an interrupt that comes into a finalizer of
Python's is lost.
"""

from __future__ import annotations

from . import descriptors, errors
from ._guarded import (  # type: ignore[import-not-found]
    Export,
    check_readable,
    close_list,
    close_one,
    safe_numbers,
)
from .reference import arguments

errors.check_readable = check_readable
descriptors.Open.__del__ = close_list  # type: ignore[method-assign]
descriptors.Descriptor.__del__ = close_one  # type: ignore[method-assign]
arguments.safe_numbers = safe_numbers
arguments.unsafe_memory = Export
