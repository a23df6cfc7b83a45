"""Needles: several needles made ready to be searched for together."""

from __future__ import annotations

from .reference import arguments
from .reference.arguments import needles_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from .reference.arguments import Needle


class Needles:
    """Several needles made ready: for a search in many buffers, or for more than some dozens of needles.

    Wherever a needle is taken, a list of them is taken too, and is made ready in each call. Needles don't change,
    threads may share them, and pickles of them are small.

    Parameters
    ----------
    needles : iterable of bytes-like, str or int
        What to look for, none of it empty. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Of equal ones
        the first counts.
    ignorecase : bool, default False
        Whether ASCII letters match in both cases, in each search for them.

    Raises
    ------
    TypeError, ValueError
        One of them is no needle, or is empty.

    Examples
    --------
    >>> import fastmmap
    >>> needles = fastmmap.Needles(["cat", "catalog", "dog"])
    >>> fastmmap.count(b"a catalog of dogs", needles)
    2
    """

    __slots__ = ("__weakref__", "_ignorecase", "_needles", "_plain", "_ready")

    def __init__(self, needles: Iterable[Needle], ignorecase: bool = False) -> None:
        self._needles = needles_bytes(needles)
        self._ignorecase = bool(ignorecase)
        self._plain = None if ignorecase else self._needles  # for kernels, which search a few bytes for one by one
        self._ready: dict[tuple[Callable[[tuple[bytes, ...], bool], Any], bool], Any] = {}

    @property
    def ignorecase(self) -> bool:
        """Whether ASCII letters match in both cases, a bool."""
        return self._ignorecase

    def __len__(self) -> int:
        return len(self._needles)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._needles)

    def __getitem__(self, index: Any) -> Any:
        return self._needles[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Needles):
            return NotImplemented
        return (self._needles, self._ignorecase) == (other._needles, other._ignorecase)

    def __hash__(self) -> int:
        return hash((self._needles, self._ignorecase))

    def __repr__(self) -> str:
        few = ", ".join(map(repr, self._needles[:3])) + (", ..." if len(self) > 3 else "")
        return f"<fastmmap.Needles [{few}], {len(self)} of them{', ignorecase' * self._ignorecase}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return Needles, (self._needles, self._ignorecase)

    def _prepared(self, kind: Callable[[tuple[bytes, ...], bool], Any], ignorecase: bool) -> Any:
        """What a kernel's searches read, made once. Two threads may make it both: either will do."""
        fold = self._ignorecase or ignorecase
        ready = self._ready.get((kind, fold))
        if ready is None:
            ready = self._ready[kind, fold] = kind(self._needles, fold)
        return ready


def prepare(needles: Any, kind: Callable[[tuple[bytes, ...], bool], Any], ignorecase: bool) -> Any:
    """What a kernel's searches read, or grep's: of Needles, or of a list or tuple of them."""
    if isinstance(needles, Needles):
        return needles._prepared(kind, ignorecase)
    return kind(needles_bytes(needles), ignorecase)


arguments.several += (Needles,)
