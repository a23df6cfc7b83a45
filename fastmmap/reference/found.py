"""Match: the definition."""

from __future__ import annotations

from .. import _imports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Match:
    r"""A line in which grep has found what it looks for.

    Attributes
    ----------
    offset : int
        Where the first match begins, in bytes from the start of the source; with `invert`, where the line does.
    start, end : int
        Where the line begins and ends in the source, in bytes, without its newline.
    line : bytes
        The line without its newline. A carriage return stays.
    before, after : list of bytes
        Lines around it, as many as were asked for. A line that stands between two matches is with one of them
        alone: none comes twice.
    number : int
        The number of the line, from 0. It is counted when it is asked for, in the source.

    Examples
    --------
    >>> import fastmmap
    >>> [(match.number, match.line) for match in fastmmap.grep(b"one\ntwo\nthree\n", b"t")]
    [(1, b'two'), (2, b'three')]
    """

    __slots__ = ("_around", "_counter", "_facts")

    def __init__(self, offset: int, start: int, line: bytes, counter: Any) -> None:
        self._facts, self._counter = (offset, start, line), counter
        self._around: tuple[list[bytes], list[bytes]] = [], []

    @property
    def offset(self) -> int:
        """Where the first match begins, in bytes."""
        return self._facts[0]

    @property
    def start(self) -> int:
        """Where the line begins, in bytes."""
        return self._facts[1]

    @property
    def end(self) -> int:
        """Where the line ends, in bytes, without its newline."""
        return self._facts[1] + len(self._facts[2])

    @property
    def line(self) -> bytes:
        """The line, as bytes."""
        return self._facts[2]

    @property
    def before(self) -> list[bytes]:
        """Lines before it, as a list of bytes."""
        return self._around[0]

    @property
    def after(self) -> list[bytes]:
        """Lines behind it, as a list of bytes."""
        return self._around[1]

    @property
    def number(self) -> int:
        """The number of the line, an int from 0."""
        if not isinstance(self._counter, int):
            self._counter = self._counter.of(self.start)
        number: int = self._counter
        return number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Match):
            return NotImplemented
        return self._facts == other._facts and self._around == other._around

    def __hash__(self) -> int:
        return hash(self._facts)

    def __reduce__(self) -> Any:
        return _imports.load("fastmmap._backend").match_again, (*self._facts, self.number, self.before, self.after)

    def __repr__(self) -> str:
        return f"<fastmmap.Match at {self.offset}: {self.line!r}>"
