"""What a process may have no more of, where the system says so."""

from __future__ import annotations

import sys

if sys.platform != "win32":
    try:
        import resource
    except ImportError:  # as in a browser
        resource = None  # type: ignore[assignment]


def allows(limit: str, number: int) -> bool:
    """Whether a number is within a limit of getrlimit(2), as "RLIMIT_FSIZE"; where there are none, all are."""
    if sys.platform == "win32" or resource is None:
        return True
    most, _ = resource.getrlimit(getattr(resource, limit))
    return most == resource.RLIM_INFINITY or number <= most
