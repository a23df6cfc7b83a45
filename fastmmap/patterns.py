r"""What literals a regular expression needs: bytes of which every match holds one.

grep looks for those with the kernels, and gives `re` only the lines that hold one. They are read from the tree to which
`re` itself parses a pattern. Nothing is assumed of what isn't understood: a pattern without literals is searched for by
`re` alone.

Each part of a pattern has, as far as is known, the strings that it matches (`exact`), those that whatever it matches
begins and ends with, and the literals that it needs. Parts that follow each other are joined: of `Err(or|no)\d+` the
first part and the second make the literals Error and Errno.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import log2

try:
    from re import _constants as codes  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
except ImportError:  # before Python 3.11
    import sre_constants as codes
    import sre_parse as parser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Strings: TypeAlias = frozenset[bytes]

# How many literals there may be, and how long they get: longer ones say no more.
MOST_LITERALS, LONGEST = 1024, 64

# How many of them are as quick to look for where they are everywhere.
MOST_SPELLED = 64

# Longer patterns than these take tenths of a second to read.
MOST_READ = 1 << 14

# Of so many patterns the literals are kept: a pattern is searched for in many files, one after the other.
KEPT = 64

# How many sets of literals are told, each of which every match holds one of.
MOST_SETS = 4

# A character class of more letters than these isn't spelled out.
MOST_LETTERS = 4

_IGNORECASE, _LOCALE = int(re.IGNORECASE), int(re.LOCALE)

_NOTHING: Strings = frozenset((b"",))

# A character class that could be a set of sets, some day.
_WARNED_OF = re.compile(rb"\[[^\]]*(?:\[|--|&&|~~|\|\|)")

_CLASSES = {
    codes.CATEGORY_DIGIT: b"0123456789",
    codes.CATEGORY_SPACE: b" \t\r\f\v",  # and a newline, which no line has
    codes.CATEGORY_WORD: b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_",
}


class Literals:
    """What every match of a pattern holds: one of `needles`, in either case if `ignorecase`.

    are_all: nothing else is needed, so where one of them stands, a match begins. begin: a match begins with one.
    ready: what is searched for, by whoever makes it ready first, so that the next search needn't.
    """

    __slots__ = ("are_all", "begin", "ignorecase", "needles", "ready")

    def __init__(self, needles: list[bytes], ignorecase: bool, are_all: bool, begin: bool) -> None:
        self.needles, self.ignorecase, self.are_all, self.begin = needles, ignorecase, are_all, begin
        self.ready: Any = None


def literals_of(pattern: re.Pattern[bytes]) -> list[Literals]:
    """Sets of literals that a line needs for a pattern to match in it, what says most first. Often there are none."""
    return _literals(bytes(pattern.pattern), int(pattern.flags))


@lru_cache(maxsize=KEPT)
def _literals(text: bytes, flags: int) -> list[Literals]:
    whole = _read(text, flags, _Reader(MOST_LETTERS))
    if whole is None:
        return []
    exact = whole.exact if whole.is_plain and whole.folds is not None else None
    sets = _useful(exact) or map(_shortest, _useful(whole.begin, whole.end, *whole.needed))
    found = []
    for strings in sorted({*sets}, key=_worth, reverse=True):
        # A line has no newline: what holds one matches in none.
        needles = sorted(string for string in strings if b"\n" not in string)
        if needles:
            begin = all(any(first.startswith(needle) for needle in needles) for first in whole.begin)
            found.append(Literals(needles, whole.folds is not False, strings is exact, begin))
    return found[:MOST_SETS]


def spelled_out(pattern: re.Pattern[bytes]) -> Literals | None:
    r"""Literals at each of which a match begins, and nowhere else, if they are few enough: of `id=\d+` id=0 to id=9."""
    return _spelled(bytes(pattern.pattern), int(pattern.flags))


@lru_cache(maxsize=KEPT)
def _spelled(text: bytes, flags: int) -> Literals | None:
    whole = _read(text, flags, _Reader(MOST_SPELLED, least=True))
    if whole is None or not whole.is_plain or whole.folds is None or not _useful(whole.exact):
        return None
    needles = sorted(string for string in whole.exact or () if b"\n" not in string)
    return Literals(needles, whole.folds, True, True) if 0 < len(needles) <= MOST_SPELLED else None


def _read(text: bytes, flags: int, reader: _Reader) -> _Part | None:
    # What the parser warns of it has warned of already, when the pattern was compiled.
    if flags & _LOCALE or len(text) > MOST_READ or _WARNED_OF.search(text):
        return None
    try:
        return reader.sequence(parser.parse(text, flags & ~int(re.DEBUG)), flags, True)
    except (re.error, ValueError, TypeError, AttributeError, LookupError, RecursionError, Warning):
        return None  # another Python's tree


class _Part:
    """What is known of a part of a pattern.

    exact, begin, end: the strings it matches, begins and ends with; `exact` is None where those are too many to know.
    needed: sets of strings of each of which it holds one. folds: whether letters match in both cases; None where some
    do. is_plain: whether it asks for nothing but its bytes, such as a place or what stands around it.
    """

    __slots__ = ("begin", "end", "exact", "folds", "is_plain", "needed")

    def __init__(
        self,
        exact: Strings | None,
        ends: tuple[Strings, Strings] = (_NOTHING, _NOTHING),
        needed: tuple[Strings, ...] = (),
        folds: bool | None = False,
        is_plain: bool = True,
    ) -> None:
        self.exact, self.needed, self.folds, self.is_plain = exact, needed, folds, is_plain
        self.begin, self.end = ends if exact is None else (exact, exact)

    def best(self) -> Strings | None:
        """The literals that say most."""
        return max(_useful(self.exact, self.begin, self.end, *self.needed), key=_worth, default=None)

    def but(self, **changes: Any) -> _Part:
        """The same but for some of it."""
        facts = {"folds": self.folds, "is_plain": self.is_plain, "needed": self.needed, **changes}
        return _Part(facts.pop("exact", self.exact), facts.pop("ends", (self.begin, self.end)), **facts)


def _useful(*sets: Strings | None) -> list[Strings]:
    return [strings for strings in sets if strings and b"" not in strings]


def _shortest(strings: Strings) -> Strings:
    """Those that hold none of the others."""
    if len(strings) > MOST_SPELLED:
        return strings
    return frozenset(each for each in strings if not any(other != each and other in each for other in strings))


def _worth(strings: Strings) -> float:
    """Long ones are rare. Each doubling of their number costs about what a byte more of length gains."""
    return min(min(map(len, strings)), 16) - log2(len(strings))


def _fold_of(parts: Iterable[_Part]) -> bool | None:
    """Whether all of them fold, or none; None where some do. What has no letters may do either."""
    folds = {part.folds for part in parts if not _is_without_letters(part)}
    return folds.pop() if len(folds) == 1 else None if folds else False


def _is_without_letters(part: _Part) -> bool:
    known = b"".join(b"".join(strings) for strings in (part.exact, part.begin, part.end, *part.needed) if strings)
    return part.folds is not None and known.lower() == known.upper()


def _joined(firsts: Strings, lasts: Strings) -> Strings | None:
    """Each of the first strings before each of the last. None where those would be too many."""
    if len(firsts) * len(lasts) > MOST_LITERALS or max(map(len, firsts)) + max(map(len, lasts)) > LONGEST:
        return None
    return frozenset(first + last for first in firsts for last in lasts)


class _Reader:
    """Goes through a tree of `re`'s parser.

    letters: how many of a class are spelled out. least: whether the repeat that ends a pattern is taken as the fewest
    that match: where more do, those do.
    """

    def __init__(self, letters: int, least: bool = False) -> None:
        self._letters, self._least = letters, least

    def sequence(self, items: Any, flags: int, is_last: bool = False) -> _Part:
        """Parts that follow each other; nothing comes behind the last ones of a pattern."""
        pairs = list(items)
        parts = [
            self.part(code, value, flags, is_last and at == len(pairs)) for at, (code, value) in enumerate(pairs, 1)
        ]
        exact: Strings | None = _NOTHING  # what all parts up to here match
        begin, run = _NOTHING, _NOTHING  # `run`: what ends here, for certain
        needed: list[Strings] = []
        for part in parts:
            together = _joined(run, part.begin)
            goes_on = together is not None and part.exact is not None
            needed += _useful(*part.needed)
            if not goes_on:
                needed += _useful(run if together is None else together)
            if exact is not None:
                joined = _joined(exact, part.begin)
                begin = exact if joined is None else joined
                exact = joined if part.exact is not None else None
            run = together if together is not None and goes_on else part.end
        most = tuple(sorted({*needed}, key=_worth, reverse=True)[:MOST_SETS])
        return _Part(exact, (begin, run), most, _fold_of(parts), all(part.is_plain for part in parts))

    def part(self, code: Any, value: Any, flags: int, is_last: bool) -> _Part:
        """One item of a sequence."""
        folds = flags & _IGNORECASE != 0
        if code is codes.LITERAL:
            return _Part(frozenset((bytes((value,)),)), folds=folds)
        if code is codes.IN:
            return self.letters(value, folds)
        if code is codes.BRANCH:
            return self.either([self.sequence(items, flags, is_last) for items in value[1]])
        if code is codes.SUBPATTERN:
            _, added, removed, items = value
            if added & _LOCALE:
                return _Part(None, is_plain=False)
            return self.sequence(items, (flags | added) & ~removed, is_last)
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            least, most, items = value
            return self.repeated(self.sequence(items, flags), least, least if is_last and self._least else most)
        if code is getattr(codes, "POSSESSIVE_REPEAT", None):  # what can't go back may match less
            least, most, items = value
            return self.repeated(self.sequence(items, flags), least, most).but(is_plain=False)
        if code is getattr(codes, "ATOMIC_GROUP", None):
            return self.sequence(value, flags).but(is_plain=False)
        if code is codes.ASSERT:  # what it looks at is in the same line
            seen = self.sequence(value[1], flags).best()
            return _Part(_NOTHING, needed=(seen,) if seen else (), folds=None, is_plain=False)
        if code in (codes.AT, codes.ASSERT_NOT):
            return _Part(_NOTHING, is_plain=False)
        return _Part(None)  # any byte, a class that is negated, a back-reference, and what isn't known

    def letters(self, items: Any, folds: bool) -> _Part:
        """A character class."""
        found: set[int] = set()
        for code, value in items:
            if code is codes.LITERAL:
                found.add(value)
            elif code is codes.RANGE:
                found.update(range(value[0], value[1] + 1))
            elif code is codes.CATEGORY and value in _CLASSES:
                found.update(_CLASSES[value])
            else:
                return _Part(None)
        return _Part(frozenset(map(_byte, found)) if len(found) <= self._letters else None, folds=folds)

    def either(self, parts: list[_Part]) -> _Part:
        """Alternatives."""

        def all_of(sets: list[Strings | None]) -> Strings | None:
            known = [strings for strings in sets if strings is not None]
            together = frozenset[bytes]().union(*known)
            return together if len(known) == len(sets) and len(together) <= MOST_LITERALS else None

        ends = all_of([part.begin for part in parts]) or _NOTHING, all_of([part.end for part in parts]) or _NOTHING
        needed = all_of([part.best() for part in parts])
        exact, is_plain = all_of([part.exact for part in parts]), all(part.is_plain for part in parts)
        return _Part(exact, ends, (needed,) if needed else (), _fold_of(parts), is_plain)

    def repeated(self, part: _Part, least: int, most: int) -> _Part:
        """A repeat. The tree has the largest number it knows as `most` where there is no limit."""
        if least == 0:
            exact = part.exact | _NOTHING if part.exact is not None and most == 1 else None
            return part.but(exact=_NOTHING if most == 0 else exact, ends=(_NOTHING, _NOTHING), needed=())
        if part.exact is None:
            return part
        times = part.exact
        for _ in range(1, least):
            longer = _joined(times, part.exact)
            if longer is None:
                return part.but(exact=None, ends=(times, times))
            if longer == times:  # nothing, so often it may be
                break
            times = longer
        return part.but(exact=times if least == most else None, ends=(times, times))


def _byte(value: int) -> bytes:
    return bytes((value,))
