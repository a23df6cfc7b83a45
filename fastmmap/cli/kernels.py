"""The kernels, for commands that search memory of their own, or mappings: mapped.py has what those may come to."""

from __future__ import annotations

from .._backend import chosen, run
from ..parallel import workers

__all__ = ["chosen", "run", "workers"]
