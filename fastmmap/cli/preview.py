"""What a dry run shows: the lines that would change, before and after, in which the change is marked."""

from __future__ import annotations

import os
import re

from .colours import NAME, NEW, NUMBER, OLD, Palette, are_wanted
from .output import out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..editing.planning import Plan
    from .options import Given

    Spans = list[tuple[int, int]]

# How many changes are shown.
SHOWN = 20

# What is shown of a long line: so much before the first change, and in all, where the terminal isn't wider.
LEAD, WIDTH = 40, 200


class Preview:
    """Shows what would change in each of several files."""

    def __init__(self, given: Given, pairs: dict[bytes, bytes]) -> None:
        self._given, self._pairs, self._ignorecase = given, pairs, given.ignore_case
        self._sought: tuple[re.Pattern[bytes], dict[bytes, bytes]] | None = None  # once it is needed

    def show(self, plan: Plan, label: str) -> None:
        """The first changes, as lines with their number, then how many there are."""
        palette, width = Palette(are_wanted(self._given.color)), _width()
        name = palette.paint(os.fsencode(label), NAME)
        for change in plan.preview(SHOWN):
            olds, news = self._spans(change.before, change.after)
            number = palette.paint(b"%d" % (change.number + 1), NUMBER)
            for sign, text, marked, colour in ((b"-", change.before, olds, OLD), (b"+", change.after, news, NEW)):
                shown = _cut(palette, text, marked, (width, colour))
                out.put(b"%b%b:%b%b\n" % (name, number, palette.paint(sign, colour), shown))
        if not self._given.quiet:
            print(f"{label}{plan.count} would be replaced, {plan.old_size} bytes before, {plan.new_size} after")

    def _spans(self, before: bytes, after: bytes) -> tuple[Spans, Spans]:
        """What of a line is replaced, and by what: where that is in either."""
        ignorecase = self._ignorecase
        if self._sought is None:
            news = {old.lower() if ignorecase else old: new for old, new in reversed(self._pairs.items())}
            alternatives = b"|".join(map(re.escape, sorted(news, key=len, reverse=True)))
            self._sought = re.compile(alternatives, re.IGNORECASE if ignorecase else 0), news
        pattern, news = self._sought
        olds: Spans = []
        made: Spans = []
        shift = 0
        for match in pattern.finditer(before):
            new = news[match[0].lower() if ignorecase else match[0]]
            olds.append(match.span())
            made.append((match.start() + shift, match.start() + shift + len(new)))
            shift += len(new) - len(match[0])
            rest = before[match.end() :]
            if after[made[-1][1] :] == rest:  # no more of them are replaced
                break
        pieces, done = [], 0
        for (low, high), (start, end) in zip(olds, made, strict=True):
            pieces += [before[done:low], after[start:end]]
            done = high
        if b"".join([*pieces, before[done:]]) == after:
            return olds, made
        return _difference(before, after)


def _width() -> int:
    try:
        return max(os.get_terminal_size(1).columns - 16, WIDTH)
    except OSError:
        return WIDTH


def _difference(before: bytes, after: bytes) -> tuple[Spans, Spans]:
    """All between what two lines begin and end with."""
    low, most = 0, min(len(before), len(after))
    while low < most and before[low] == after[low]:
        low += 1
    behind = 0
    while behind < most - low and before[-1 - behind] == after[-1 - behind]:
        behind += 1
    return [(low, len(before) - behind)], [(low, len(after) - behind)]


def _cut(palette: Palette, text: bytes, spans: Spans, how: tuple[int, bytes]) -> bytes:
    """A line, or what is around its first change, with the changes in a colour."""
    width, colour = how
    start, end = 0, len(text)
    if end > width:
        start = max(min(spans[0][0] - LEAD if spans else 0, end - width), 0)
        end = start + width
    inside = [(max(low, start) - start, min(high, end) - start) for low, high in spans if low < end and high > start]
    shown = palette.marked_at(text[start:end], inside, colour)
    return b"..." * (start > 0) + shown + b"..." * (end < len(text))
