"""python -m bench: all tables in one run. See --help."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from . import charts, corpora, handlers, idioms, in_place, lines, needles, report, run, shell, together
from .engines import Engine, engines
from .measure import WrongAnswer

HERE = Path(__file__).parent
# Rows that aren't made from cases, by what --only calls them.
PARTS = {
    "idioms": "usual ways to read and write",
    "needles": "many needles, one by one",
    "many": "many needles at once",
    "lines": "lines, records and patterns",
    "in-place": "edits of files in place",
    "handlers": "handlers of logging",
    "shell": "the command from a shell",
}


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m bench", description="Measures fastmmap against its peers.")
    options.add_argument("--size", choices=list(corpora.SIZES), default="1G", help="the largest corpus (1G)")
    parts = "; ".join(f"'{part}' for {which}" for part, which in PARTS.items())
    options.add_argument("--only", metavar="VERB", help=f"the rows of one verb: {', '.join(run.verbs())}; {parts}")
    options.add_argument("--data", metavar="DIR", type=Path, default=HERE / "data", help="where the corpora are kept")
    options.add_argument("--out", metavar="FILE", type=Path, default=HERE / "data" / "latest.json", help="the record")
    options.add_argument("--budget", metavar="S", type=float, default=0.5, help="seconds for an engine on a row (0.5)")
    options.add_argument("--compare", metavar="OLD", type=Path, help="an older record: lists what got slower")
    options.add_argument("--charts", metavar="DIR", type=Path, help="draws the charts into a folder")
    options.add_argument("--from", metavar="FILE", dest="record", type=Path, help="shows a record; measures nothing")
    options.add_argument("--answers", action="store_true", help="computes the expected answers anew, from bytes alone")
    chosen = options.parse_args(arguments)
    if chosen.only not in (None, *PARTS) and not any(chosen.only and chosen.only in verb for verb in run.verbs()):
        options.error(f"no row is of {chosen.only!r}: --only takes {', '.join((*run.verbs(), *PARTS))}")
    try:
        return perform(chosen)
    except Unusable as error:
        options.exit(2, f"{options.prog}: error: {error}\n")


def perform(chosen: argparse.Namespace) -> int:
    """What the options ask for. Where something is to be written is tried before anything is measured."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    if chosen.answers:
        run.write_answers()
        return 0
    old = usable("--compare", read, chosen.compare) if chosen.compare else None
    record = usable("--from", read, chosen.record) if chosen.record else None
    if chosen.charts:
        usable("--charts", try_folder, chosen.charts)
    if not chosen.record:
        usable("--data", try_folder, chosen.data)
        for path in report.files(chosen.out):
            usable("--out", try_file, path)
    try:
        record = record or measure(chosen, console)
    except WrongAnswer as error:
        console.print(f"[red]a wrong answer:[/] {error}")
        return 1
    if chosen.record:
        show(console, record)
    else:
        usable("--out", report.save, chosen.out, record["machine"], record["rows"])
    if chosen.charts:
        usable("--charts", charts.draw, record, chosen.charts)
    return 0 if old is None or report.compare(console, old, record) else 1


class Unusable(Exception):
    """A file or folder that an option names can't be used."""


def usable(option: str, use: Callable[..., Any], *arguments: Any) -> Any:
    """What comes of a use of what an option names."""
    try:
        return use(*arguments)
    except (OSError, ValueError) as error:
        raise Unusable(f"{option}: {error}") from error


def read(path: Path) -> Any:
    """A record."""
    return json.loads(path.read_text())


def try_folder(folder: Path) -> None:
    """OSError where no file can be made in a folder, which is made if need be."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"x")


def try_file(path: Path) -> None:
    """OSError where a file can't be written, which keeps what it has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    if not is_new and not path.is_file():
        raise ValueError(f"{str(path)!r} is no file")
    with path.open("ab"):
        pass
    if is_new:
        path.unlink()


def show(console: Console, record: dict) -> None:
    console.print(record["machine"])
    for row in record["rows"]:
        show_row(console, row)


def show_row(console: Console, row: dict[str, Any]) -> None:
    """A row's table. Those of handlers have their own."""
    console.print(handlers.table(row) if row["verb"] == "handlers" else report.table(row))
    console.print()


def chosen_rows(chosen: argparse.Namespace, known: list[Engine]) -> Iterator[dict[str, Any]]:
    """The rows that --only asks for, or all."""
    if chosen.only in (None, "idioms"):
        yield from idioms.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only in (None, "needles"):
        yield from needles.run_all(chosen.data, chosen.size, known, chosen.budget)
    if chosen.only in (None, "many"):
        yield from together.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only in (None, "lines"):
        yield from lines.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only in (None, "in-place"):
        yield from in_place.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only in (None, "handlers"):
        yield from handlers.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only in (None, "shell"):
        yield from shell.run_all(chosen.data, chosen.size, chosen.budget)
    if chosen.only not in PARTS:
        yield from run.run_all(chosen.data, chosen.size, chosen.only, known, chosen.budget)


def measure(chosen: argparse.Namespace, console: Console) -> dict:
    """Measures, printing each table as it is done; first of all why which engines are missing."""
    began, rows, machine = time.monotonic(), [], run.machine()
    console.print(machine)
    chosen.data.mkdir(parents=True, exist_ok=True)
    known, missing = engines()
    for name, reason in missing.items():
        console.print(f"[yellow]{name} is left out: {reason}[/]")
    for row in chosen_rows(chosen, known):
        rows.append(row)
        show_row(console, row)
    console.print(f"every answer was the expected one; {time.monotonic() - began:.0f} seconds")
    return {"machine": machine, "rows": rows}


if __name__ == "__main__":
    sys.exit(main())
