"""The kernels, for commands that search, with all that a kernel may come to: it imports nothing itself."""

from __future__ import annotations

from .. import _backend
from .._backend import chosen, run
from ..parallel import workers

__all__ = ["chosen", "run", "workers"]

if _backend.NATIVE:
    from .. import faults, sheltered  # noqa: F401
