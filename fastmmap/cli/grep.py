"""fastmmap grep, also called find: the lines that hold a needle, or what else is asked of them."""

from __future__ import annotations

import os
import time
from _thread import allocate_lock

from ..errors import naming
from . import shared
from .colours import NAME, are_wanted
from .files import has_prefix, label_of, search_files
from .needles import Wanted, wanted
from .options import Command, Given, Option, inputs
from .output import out
from .printing import Layout, Lines, Stats, report, spans_of
from .progress import progress_of
from .sources import Source
from .values import whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .._backend import Match
    from ..grepping import Behind
    from .files import Put


def run(given: Given) -> int:
    """Searches each file, and returns the status."""
    began = time.perf_counter()
    _check(given)
    _complete(given)
    search = _Search(given, inputs(given))
    status = search_files(given, search.files, search.offsets_in if given.bytes else search.lines_in, search.emit)
    if given.json:
        from .json_lines import summary

        out.put(summary(search.stats, time.perf_counter() - began))
    elif given.stats:
        out.put(report(search.stats, time.perf_counter() - began))
    return 0 if given.quiet and status.found else status.number


def _check(given: Given) -> None:
    """Ends the command where options contradict each other."""
    together = given.command.refuse_together
    shown = ["-c", "-l", "-L"]
    for place, name in enumerate(shown):
        together(given, name, shown[place + 1 :])
    together(given, "--json", [*shown, "-q", "-o", "-b", "-0", "--bytes", "-H", "-h"])
    together(given, "--stats", ["-l", "-L", "-q"])
    together(given, "--bytes", [*shown, "-E", "-v", "-o", "-b", "-n", "-A", "-B", "-C", "--stats"])
    if given.overlapping and not given.bytes:
        given.command.fail("--overlapping is for --bytes: a line is printed once")


def _complete(given: Given) -> None:
    """Sets what follows from other options."""
    for name in ("before_context", "after_context"):
        if getattr(given, name) is None:
            setattr(given, name, given.context or 0)
    if given.no_line_number:
        given.line_number = False
    elif os.isatty(1) and not given.bytes:
        given.line_number = True


class _Search:
    """One search in several files."""

    def __init__(self, given: Given, files: list[str]) -> None:
        self.given, self.files = given, files
        self.sought: Wanted = wanted(given)
        self.stats, self._lock, self._has_printed = Stats(), allocate_lock(), False
        coloured = are_wanted(given.color) and not given.json
        self._layout = Layout(given, has_prefix(given, files), coloured)
        self._counts = bool(given.json or given.stats)  # matches within a line
        needs_spans = coloured or given.only_matching or self._counts
        self._pattern = self.sought.pattern if needs_spans and not given.invert_match else None

    def emit(self, data: bytes) -> None:
        """Prints what was found in a file, in the order of the files: a separator only behind something else."""
        if data is self._layout.separator and not self._has_printed:
            return
        self._has_printed = True
        out.put(data)

    def offsets_in(self, file: str, put: Put, threads: int | None) -> bool:
        """Prints the offset of each match."""
        del threads
        label, given, found = self._layout.label(file, b":"), self.given, False
        with Source(file) as source, progress_of(given, file, source.size, prints=True) as bar:
            most = 1 if given.quiet else given.max_count
            for offsets in source.matches(self.sought, most, given.overlapping, bar):
                found = True
                if given.quiet:
                    return True
                put(b"".join([b"%b%d\n" % (label, offset) for offset in offsets]))
                if put == self.emit:
                    out.flush()
        return found

    def lines_in(self, file: str, put: Put, threads: int | None) -> bool:
        """Prints what is asked for of a file."""
        given, began = self.given, time.perf_counter()
        stats = Stats()
        with Source(file) as source, progress_of(given, file, source.size, prints=True) as bar:
            # Where this thread alone prints, what was found is written before more is searched.
            told = _flushing(bar) if put == self.emit and source.data is not None else bar
            found = self._matches(source, threads, told)
            if given.quiet or given.files_with_matches or given.files_without_match:
                is_there = any(found)
                source.leave(None)
                if given.quiet:
                    return is_there
                is_named = is_there is bool(given.files_with_matches)
                if is_named:
                    self._put_name(file, put)
                return is_named
            if given.count:
                self._count(found, stats)
                text = self._layout.label(file, b":") + b"%d\n" % stats.matched_lines
                stats.bytes_printed = len(text)
                put(text)
            else:
                self._print(found, file, put, (source, stats), began)
            self._sum_up(stats, source, time.perf_counter() - began)
        return stats.matched_lines > 0

    def _matches(self, source: Source, threads: int | None, told: Any) -> Iterator[list[Match] | Behind]:
        """The lines that are asked for, some at a time; lines behind the last of them."""
        given = self.given
        if not given.invert_match and source.lacks(self.sought):
            return
        from ..grepping import Behind, matches_and_lines, some_matches

        sought, fold = self.sought.sought, self.sought.ignorecase and not self.sought.is_pattern
        around, searched = (given.before_context, given.after_context), source.searchable
        found: Iterator[list[Match] | Behind]
        with naming(source.name):
            if around == (0, 0) or given.count or given.only_matching:
                some = some_matches(searched, sought, fold, given.invert_match, threads, told)
                found = some if given.max_count is None else _first(some, given.max_count)
            else:
                how = (fold, given.invert_match, threads)
                each = matches_and_lines(searched, sought, around, how, given.max_count, told)
                found = (one if isinstance(one, Behind) else [one] for one in each)
            number, last = 0, -1
            for matches in found:
                yield matches
                if matches and not isinstance(matches, Behind):
                    number, last = number + len(matches), matches[-1].end
            # As GNU grep does, so that who shares standard input goes on behind the last line that was asked for.
            is_cut = number == given.max_count and source.data is not None and last < len(source.data)
            source.leave(last + 1 if is_cut else None)

    def _print(
        self, found: Iterator[list[Match] | Behind], file: str, put: Put, about: tuple[Source, Stats], began: float
    ) -> None:
        """Prints lines, or messages about them."""
        source, stats = about

        def counted_put(data: bytes) -> None:
            stats.bytes_printed += len(data) if data is not self._layout.separator else 0
            put(data)

        printer: Any
        if self.given.json:
            from .json_lines import Messages

            printer = Messages(file, counted_put, self._pattern, source)
        else:
            printer = Lines(self._layout, file, counted_put if self.given.stats else put, self._pattern)
        self._count(found, stats, printer)
        if self.given.json:
            self._complete_stats(stats, source)
            stats.seconds = time.perf_counter() - began
            printer.end(stats)

    def _count(self, found: Iterator[list[Match] | Behind], stats: Stats, printer: Any = None) -> None:
        """Counts lines, and matches where they are asked for; prints them."""
        for matches in found:
            if type(matches) is not list:  # lines behind the last ones
                printer.show_behind(matches)
                continue
            some: list[Match] = matches  # type: ignore[assignment]
            stats.matched_lines += len(some)
            if self._counts:
                stats.matches += sum(len(spans_of(match.line, self._pattern)) for match in some)
            if printer is not None:
                printer.show(some)

    def _complete_stats(self, stats: Stats, source: Source) -> None:
        stats.searches, stats.searches_with_match = 1, int(stats.matched_lines > 0)
        stats.bytes_searched = source.searched if source.size is None else source.size

    def _sum_up(self, stats: Stats, source: Source, seconds: float) -> None:
        if self._counts:
            self._complete_stats(stats, source)
            stats.seconds = seconds
            with self._lock:  # files may be searched by several threads
                self.stats.add(stats)

    def _put_name(self, file: str, put: Put) -> None:
        put(self._layout.palette.paint(label_of(file), NAME) + (b"\0" if self.given.null else b"\n"))


def _first(some: Iterator[list[Match]], most: int) -> Iterator[list[Match]]:
    """The first matches of all."""
    while most and (matches := next(some, None)) is not None:
        matches = matches[:most]
        most -= len(matches)
        yield matches


def _flushing(bar: Any) -> Callable[[int, int | None], None]:
    """Writes what was found before more is searched; the bar is told, too."""

    def told(done: int, total: int | None) -> None:
        out.flush()
        if bar is not None:
            bar(done, total)

    return told


COMMAND = Command(
    "grep",
    "Print the lines that hold NEEDLE",
    run,
    [shared.NEEDLE, shared.FILES],
    about="Its options are those of GNU grep and ripgrep; find is another name of it. Lines begin with their file's "
    "name where there are several files, and with their number on a terminal.",
    options=[
        *shared.NEEDLES, shared.ESCAPES, shared.IGNORE_CASE,
        Option("-v --invert-match", "the lines that do not match"),
        shared.MAX_COUNT,
        *shared.WALKING,
        Option("-n --line-number", "print line numbers, from 1, as is done on a terminal"),
        Option("-N --no-line-number", "print no line numbers"),
        Option("-b --byte-offset", "print the offset of each line in bytes, from 0; with -o that of each match"),
        Option("-o --only-matching", "print only what matches, each match in a line of its own"),
        Option("-A --after-context", "print N lines behind each match, too", "N", whole),
        Option("-B --before-context", "print N lines before each match, too", "N", whole),
        Option("-C --context", "print N lines before and behind each match, too", "N", whole),
        Option("-c --count", "print how many lines match in each file"),
        Option("-l --files-with-matches", "print the names of files in which something matches"),
        Option("-L --files-without-match", "print the names of files in which nothing matches"),
        Option("-q --quiet", "print nothing, and end with the first match: the status is the answer"),
        Option("--bytes", "print the offset of every match in bytes, one in each line; a match may go over lines"),
        shared.OVERLAPPING,
        *shared.NAMES,
        Option("--json", "print ripgrep's JSON messages, one in each line"),
        Option("--stats", "print what was searched and found, at the end"),
        shared.COLOR, shared.THREADS, shared.PROGRESS,
    ],
    examples=[
        ("fastmmap grep -n ERROR app.log", "with line numbers"),
        ("fastmmap grep -C 2 -e ERROR -e FATAL app.log", "either, with two lines around"),
        ("fastmmap grep -E 'user=\\d+' -o app.log", "what matches, alone"),
        ("fastmmap grep -rl -g '*.py' TODO src", "which files hold it"),
        ("fastmmap grep -f needles.txt dump.sql", "any of the needles in a file"),
        ("fastmmap grep --bytes GATTACA genome.txt", "at which bytes"),
        ("fastmmap grep --json ERROR app.log | jq .", "for programs"),
    ],
)  # fmt: skip
