"""fastmmap replace: edits of files, what they would change, and a filter."""

from __future__ import annotations

import os

from ..errors import naming
from . import shared
from .files import Status, found_files
from .options import Argument, Command, Given, Option, inputs
from .output import out
from .preview import Preview
from .progress import progress_of
from .status import FOUND, NOT_FOUND
from .values import literal, unescaped, whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..editing.edit import Replacement
    from ..editing.planning import Plan

# What goes with a file that is edited, and not with others.
_OF_FILES = ["--in-place", "--backup", "--journal", "--output", "--expect", "-n", "--sync", "--no-sync", "--force"]


def run(given: Given) -> int:
    """Edits each file, and returns the status."""
    together = given.command.refuse_together
    together(given, "--output", ["--in-place", "--backup", "--journal", "-r", "--expect", "-n"])
    together(given, "--sync", ["--no-sync"])
    pairs = _pairs(given)
    given.files = inputs(given)
    if given.output == "-":
        given.command.fail("--output can't be -: without a FILE it is a filter; ./- is a file of that name")
    if given.output is not None and len(given.files) > 1:
        given.command.fail("--output is for one FILE")
    if "-" in given.files:
        for name in _OF_FILES:
            option = given.command.option(name)
            if getattr(given, option.key) not in (option.default, None):
                given.command.fail(f"{name} is for files, and - is a filter: from standard input to standard output")
        if len(given.files) > 1:
            given.command.fail("- is a filter, from standard input to standard output: give it alone")
        return _filter(given, pairs)
    return _Edits(given, pairs).run()


def _pairs(given: Given) -> dict[bytes, bytes]:
    """What is replaced by what. An error in it ends the command."""
    if given.pairs is not None:
        return _read_pairs(given.pairs, given.escapes)
    try:
        name = "OLD"
        old = literal(given.the_old, given.escapes)
        name = "NEW"
        new = literal(given.the_new, given.escapes)
    except ValueError as error:
        given.command.fail(f"{name}: {error}")
    if not old:
        given.command.fail(r"OLD is empty; a NUL byte, which no argument can hold, is \0 with --escapes")
    return {old: new}


def _read_pairs(file: str, escapes: bool) -> dict[bytes, bytes]:
    """The pairs of a file: in each line OLD, a tab, and NEW."""
    with naming(0 if file == "-" else file), open(0 if file == "-" else file, "rb", closefd=file != "-") as lines:
        pairs: dict[bytes, bytes] = {}
        for number, line in enumerate(lines.read().removesuffix(b"\n").split(b"\n"), 1):
            where = f"line {number} of {file}"
            old, tab, new = line.partition(b"\t")
            if not tab or not old:
                raise ValueError(f"{where} is not OLD, a tab, and NEW")
            try:
                pair = (unescaped(old), unescaped(new)) if escapes else (old, new)
            except ValueError as error:
                raise ValueError(f"{where}: {error}") from None
            if pair[0] in pairs:
                raise ValueError(f"{where} has an OLD that is in a line before: {os.fsdecode(old)!r}")
            pairs[pair[0]] = pair[1]
    return pairs


def _filter(given: Given, pairs: dict[bytes, bytes]) -> int:
    """Standard input, replaced in, to standard output."""
    from ..editing.filtering import substituted
    from ..editing.preparing import edit_of
    from .sources import Source

    with Source("-") as source, naming(0), progress_of(given, "-", prints=True) as told:
        pieces = substituted(source.readinto, edit_of(pairs, None, given.max_count, given.ignore_case))
        while True:
            try:
                out.put(bytes(next(pieces)))
            except StopIteration as end:
                return FOUND if end.value else NOT_FOUND
            if told is not None:
                told(source.searched, source.size)


class _Edits:
    """Edits of several files with the same options."""

    def __init__(self, given: Given, pairs: dict[bytes, bytes]) -> None:
        from ..pairs import Pairs

        # They are made ready once, for all files.
        self._pairs: Any = Pairs(pairs, given.ignore_case)
        self._preview = Preview(given, pairs)
        self._given, self._status = given, Status(walks=True)
        self._durable = True if given.sync else False if given.no_sync else None
        self._named = len(given.files) > 1 or given.recursive
        self._plans: dict[str, Plan] = {}  # of --expect

    def run(self) -> int:
        """Edits them one after the other; after one that fails it goes on with the rest. Returns the status."""
        given = self._given
        files = list(found_files(given, given.files, self._status))
        if given.expect is not None:
            files = self._check_expected(files)
        for file in files:
            self._status.attempt(self._edit, file)
        return self._status.number

    def _check_expected(self, files: list[str]) -> list[str]:
        """The files, each once however it is named; ValueError unless as many matches as expected would be replaced.

        The plans are kept: a file that has changed since isn't edited.
        """
        unique: dict[tuple[int, int], str] = {}
        for file in files:
            status = os.stat(file)
            unique.setdefault((status.st_dev, status.st_ino), file)
        self._plans = {file: self._plan(file) for file in unique.values()}
        total = sum(plan.count for plan in self._plans.values())
        if total != self._given.expect:
            raise ValueError(f"{total} would be replaced, and not {self._given.expect}: nothing was changed")
        return list(self._plans)

    def _plan(self, file: str) -> Plan:
        from ..editing.planning import plan_replace

        with progress_of(self._given, file, _size(file)) as told:
            return plan_replace(file, self._pairs, None, self._given.max_count, progress=told)

    def _edit(self, file: str) -> bool:
        given, label = self._given, f"{file}:" if self._named else ""
        if given.dry_run:
            plan = self._plan(file)
            if plan.count or not given.recursive:
                self._preview.show(plan, label)
            return plan.count > 0
        with progress_of(given, file, _size(file)) as told:
            done = self._to_output(file, told) if given.output is not None else self._replace(file, told)
        if not given.quiet and (done.count or not given.recursive):
            print(f"{label}{done.count} replaced, {done.old_size} bytes before, {done.new_size} after")
        return done.count > 0

    def _replace(self, file: str, told: Any) -> Replacement:
        from ..editing.edit import replace_file  # now: no other command needs what edits are made of

        given = self._given
        how: Any = {
            "in_place": given.in_place, "durable": self._durable, "backup": given.backup, "journal": given.journal,
            "force": given.force, "progress": told,
        }  # fmt: skip
        if file in self._plans:
            return self._plans[file].apply(**how)
        return replace_file(file, self._pairs, None, given.max_count, **how)

    def _to_output(self, file: str, told: Any) -> Replacement:
        """Writes the edited file to another."""
        from ..editing.elsewhere import write_elsewhere
        from ..editing.preparing import Asked, edit_of, options_of, target_of

        given = self._given
        asked = Asked(False, self._durable, None, None, given.force, None, told)
        target = target_of(file)
        edit = edit_of(self._pairs, None, given.max_count)
        return write_elsewhere(target, given.output, edit, options_of(target, asked))


def _size(file: str) -> int | None:
    try:
        return os.stat(file).st_size
    except OSError:
        return None  # whoever opens it says why


COMMAND = Command(
    "replace",
    "Replace OLD by NEW, of any length, in files",
    run,
    [
        Argument("OLD", "what to replace, literally", unless=("--pairs",)),
        Argument("NEW", "what to put in its place", unless=("--pairs",)),
        Argument("FILE", "a file; - or none is a filter, from standard input to standard output", least=0, many=True),
    ],
    about="Readers find the old file or the new one, never a mix. Nothing is touched where nothing matches.",
    options=[
        Option("-n --dry-run", "change nothing, and show what would change"),
        Option("--pairs", "a file of pairs instead of OLD and NEW: in each line OLD, a tab, and NEW", "FILE"),
        shared.ESCAPES, shared.IGNORE_CASE,
        Option("-m --max-count --count", "replace at most N in each file", "N", whole, default=-1),
        Option("--expect", "change nothing unless N would be replaced in all files together", "N", whole),
        *shared.WALKING,
        Option("--backup", "keep the old file under its name plus SUFFIX; not over an older backup", "SUFFIX"),
        Option("--in-place", "edit the file itself, without a second copy. When killed, the same command or recover "
               "goes on"),
        Option("--journal", "where the journal of an edit in place is made, on another disk for instance; without, "
               "beside the file", "PATH"),
        Option("--output", "leave FILE as it is, and write what it would be to a new file OTHER", "OTHER"),
        Option("--sync", "wait for the disk with --in-place, too, so that a power loss is as harmless as a kill"),
        Option("--no-sync", "don't wait for the disk: faster, but a power loss may leave an empty file"),
        Option("--force", "edit read-only files, replace an older backup or OTHER, and edit in place on any "
               "filesystem"),
        Option("-q --quiet", "don't print how many were replaced"),
        shared.COLOR, shared.PROGRESS,
    ],
    examples=[
        ("fastmmap replace -n colour color *.txt", "what would change"),
        ("fastmmap replace colour color *.txt", "do it"),
        ("fastmmap replace --backup .orig foo bar config", "and keep the old file"),
        ("fastmmap replace --expect 1 port=80 port=81 conf", "once, or not at all"),
        ("fastmmap replace --pairs pairs.tsv dump.sql", "many pairs in one pass"),
        ("fastmmap replace --in-place hunter2 '*******' dump", "no second copy: for a full disk"),
        ("zcat a.gz | fastmmap replace foo bar - | gzip > b.gz", "a filter"),
    ],
)  # fmt: skip
