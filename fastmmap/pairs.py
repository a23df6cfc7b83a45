"""Pairs: {old: new, ...} made ready, and what is replaced by them in memory."""

from __future__ import annotations

from .needles import Needles, prepare
from .parallel import BLOCK, Once
from .reference.arguments import check_old, check_same_length, data_bytes, storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from .parts import Search


class Pairs:
    """Several replacements made ready. They don't change, and pickles of them are small."""

    __slots__ = ("_ready", "needles", "news")

    def __init__(self, pairs: Mapping[Any, Any], ignorecase: bool = False) -> None:
        olds, news = [], []
        for old, new in pairs.items():
            olds.append(data_bytes(old, "old"))
            check_old(olds[-1])
            news.append(data_bytes(new, "new"))
        self._set(Needles(olds, ignorecase), tuple(news))

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes, bytes]], ignorecase: bool) -> Pairs:
        """Pairs as a journal has them. Of equal ones the first counts, where a dict of them would have the last."""
        olds, news = zip(*pairs, strict=True)
        return _pairs(Needles(olds, ignorecase), news)

    def _set(self, needles: Needles, news: tuple[bytes, ...]) -> None:
        self.needles, self.news = needles, news
        self._ready: dict[type, Any] = {}

    def __len__(self) -> int:
        return len(self.news)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Pairs):
            return NotImplemented
        return (self.needles, self.news) == (other.needles, other.news)

    def __hash__(self) -> int:
        return hash((self.needles, self.news))

    def __repr__(self) -> str:
        return f"<{len(self)} pairs of {self.needles!r}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _pairs, (self.needles, self.news)

    def searched(self, kernel: Any) -> Any:
        """What a kernel's searches for them read, made once."""
        return prepare(self.needles, kernel.Prepared, False)

    def prepared(self, kernel: Any) -> Any:
        """What a kernel's replacements read, made once."""
        ready = self._ready.get(kernel.Replacements)
        if ready is None:
            ready = self._ready[kernel.Replacements] = kernel.Replacements(self.searched(kernel), self.news)
        return ready

    def check_lengths(self) -> None:
        """ValueError unless each new is as long as its old."""
        for old, new in zip(self.needles, self.news, strict=True):
            check_same_length(old, new)


def _pairs(needles: Needles, news: tuple[bytes, ...]) -> Pairs:
    pairs = Pairs.__new__(Pairs)
    pairs._set(needles, news)
    return pairs


def replace_in(search: Search, pairs: Pairs, most: int) -> int:
    """Replaces in a writable buffer, in place. Returns how many, `most` of them, or all if that is below 0."""
    kernel, replacements = search.kernel, pairs.prepared(search.kernel)
    longest = max(map(len, pairs.needles), default=0)
    search.whole = longest > BLOCK // 4  # else a bound could be looked for in what another part has stored
    if most >= 0:
        replaced = 0
        for span in search.in_turn():
            replaced += kernel.replace(search.buffer, replacements, span, most - replaced)
            if replaced == most:
                break
        return replaced
    once = Once()

    def work(buffer: Any, _: Any, span: tuple[int, int, int], overlapping: bool) -> int:
        if span[0] < span[1]:  # others are those whose bound was given up
            once.begin(span[0])
        number: int = kernel.replace(buffer, replacements, span, -1)
        return number

    return sum(search.run(work))


def check_writable(buffer: Any) -> None:
    """Raises what a buffer that can't be replaced in is refused with."""
    storage(buffer, "replace").release()
