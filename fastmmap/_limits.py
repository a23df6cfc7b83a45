"""What a process may have no more of, where the system says so."""

from __future__ import annotations

import sys

from .blame import ours

if sys.platform != "win32":
    try:
        import resource
    except ImportError:  # as in a browser
        resource = None  # type: ignore[assignment]


def allows(limit: str, number: int) -> bool:
    """Whether a number is within a limit of getrlimit(2), as "RLIMIT_FSIZE"; where none is known, all are."""
    if sys.platform == "win32" or resource is None:
        return True
    try:
        most, _ = resource.getrlimit(getattr(resource, limit))
    except ours(OSError):  # in a sandbox
        return True
    return most == resource.RLIM_INFINITY or number <= most
