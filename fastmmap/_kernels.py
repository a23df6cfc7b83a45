"""The names of the kernels, and the search functions of the best one, for who has no time to import more.

_backend.py chooses for everybody else.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Kernel: Any

# Best first. "scalar" goes byte by byte, "python" is the reference.
NAMES = ("avx512", "avx2", "sse2", "neon", "scalar", "python")


_known: list[Any] = []


def search_alone() -> Any:
    """The search kernel, for few bytes and by the calling thread alone: what it comes to otherwise isn't imported.

    None where somebody demands a kernel, or there are no extensions.
    """
    if not _known:
        _known.append(_search())
    return _known[0]


def _search() -> Any:
    if os.environ.get("FASTMMAP_KERNEL"):
        return None
    try:
        if not TYPE_CHECKING:
            from . import _mapping, _parallel  # noqa: F401  # from which the other takes the guard
            from ._search import Kernel
    except ImportError:  # _backend says what is to be said of that
        return None
    for name in NAMES[:-1]:
        try:
            return Kernel(name)
        except RuntimeError:  # not for this CPU
            continue
    return None
