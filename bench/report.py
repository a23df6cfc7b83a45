"""Tables of rows, their record in a file, and the comparison of two records."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

# How much slower, relative to the machine's own limit, a row may be before --compare lists it: machines are noisy.
SLOWER = 0.85


def table(row: dict[str, Any]) -> Table:
    """One case: its engines, fastest first."""
    if "ratios" in row["timings"][0]:
        return needles_table(row)
    return append_table(row) if "lost" in row["timings"][0] else plain_table(row)


def titled(row: dict[str, Any], numbers: tuple[str, ...], words: tuple[str, ...] = ()) -> Table:
    """An empty table: an engine, its numbers, and what else is to be said of it."""
    result = Table(title=row["title"], title_justify="left", title_style="bold", show_edge=False)
    result.add_column("engine")
    for heading in numbers:
        result.add_column(heading, justify="right")
    for heading in words:
        result.add_column(heading, overflow="fold")
    return result


def append_table(row: dict[str, Any]) -> Table:
    """A case of append: what a record costs, and what it is worth."""
    numbers = ("ns a record", "spread", "GB/s", "of the best file.write")
    result = titled(row, numbers, words=("a kill loses", "a reader sees"))
    best = min(timing["seconds"] for timing in row["timings"] if timing["engine"].startswith("file.write"))
    for timing in sorted(row["timings"], key=lambda timing: timing["seconds"]):
        result.add_row(
            timing["engine"],
            f"{timing['seconds'] * 1e9 / (row['bytes'] // row['record']):.0f}",
            spread(timing),
            f"{row['bytes'] / timing['seconds'] / 1e9:.2f}",
            f"{timing['seconds'] / best:.2f}",
            timing["lost"],
            timing["reader"],
        )
    return result


def needles_table(row: dict[str, Any]) -> Table:
    """Many needles: each engine's speed, and how many times it takes as long as fastmmap."""
    numbers = ("GB/s", "of memory speed", "times fastmmap's", "tenth percentile", "worst")
    result = titled(row, numbers, words=("of the needle", "in"))
    for timing in sorted(row["timings"], key=lambda timing: timing["seconds"]):
        rate, ratios = row["bytes"] / timing["seconds"], timing["ratios"]  # there are none of fastmmap itself
        times = [f"{ratios[name]:.2f}" for name in ("mean", "tenth", "worst")] if ratios else [""] * 3
        worst = [escape(ratios[name]) for name in ("needle", "text")] if ratios else [""] * 2
        result.add_row(timing["engine"], f"{rate / 1e9:.2f}", f"{rate / row['limit']:.0%}", *times, *worst)
    return result


def spread(timing: dict[str, Any]) -> str:
    return f"±{(timing['high'] - timing['low']) / 2 / timing['seconds']:.0%}" if timing["runs"] > 1 else "1 run"


def plain_table(row: dict[str, Any]) -> Table:
    numbers = ("seconds", "spread", "GB/s", "of memory speed", "vs slowest", "anonymous", "faults", "written")
    result = titled(row, numbers)
    slowest = max(timing["seconds"] for timing in row["timings"])
    speed = f"{row['limit'] / 1e9:.1f}", f"{row['limit_all'] / 1e9:.1f}"
    result.add_row("[dim]the machine's limit, 1 thread / all[/]", "", "", "[dim]" + " / ".join(speed) + "[/]")
    for timing in sorted(row["timings"], key=lambda timing: timing["seconds"]):
        rate = row["bytes"] / timing["seconds"]
        result.add_row(
            timing["engine"],
            f"{timing['seconds']:.4f}",
            spread(timing),
            f"{rate / 1e9:.2f}",
            f"{rate / row['limit']:.0%}",
            f"{slowest / timing['seconds']:.1f}x",
            f"{timing['anonymous'] / 2**20:.0f} MiB",
            f"{timing['faults']}",
            f"{timing.get('written', 0) / 2**20:.0f} MiB",
        )
    return result


def show(console: Console, row: dict[str, Any]) -> None:
    console.print(table(row))
    console.print()


def files(path: Path) -> tuple[Path, Path]:
    """Where a record goes: the JSON, and the CSV beside it."""
    return path, path.with_suffix(".csv")


def save(path: Path, machine: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    """JSON with everything, and beside it a CSV with a line for each engine of each row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    keys = ("cpu", "kernel", "python", "date")
    with files(path)[1].open("w", newline="") as file:
        out = csv.writer(file)
        names = ("engine", "seconds", "low", "high", "runs", "anonymous", "faults", "written")
        out.writerow(("title", "verb", "state", "pieces", "bytes", "limit", "limit_all", *names, *keys))
        for row in rows:
            for timing in row["timings"]:
                shared = [row[key] for key in ("title", "verb", "state", "pieces", "bytes", "limit", "limit_all")]
                out.writerow([*shared, *(timing.get(name, 0) for name in names), *(machine[key] for key in keys)])


def compare(console: Console, old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Lists what got slower than in an older record, as a share of each machine's own limit. True when nothing did."""
    before = {(row["title"], timing["engine"]): share(row, timing) for row in old["rows"] for timing in row["timings"]}
    slower = Table(title=f"slower than {old['machine']['date']} on {old['machine']['cpu']}", title_justify="left")
    for heading in ("row", "engine", "then", "now", "ratio"):
        slower.add_column(heading)
    for row in new["rows"]:
        for timing in row["timings"]:
            then = before.get((row["title"], timing["engine"]))
            now = share(row, timing)
            if then and now / then < SLOWER:
                slower.add_row(row["title"], timing["engine"], f"{then:.1%}", f"{now:.1%}", f"{now / then:.2f}")
    if slower.row_count:
        console.print(slower)
    else:
        console.print(f"nothing is slower than {SLOWER:.0%} of what it was, as a share of memory speed")
    return not slower.row_count


def share(row: dict[str, Any], timing: dict[str, Any]) -> float:
    return float(row["bytes"] / timing["seconds"] / row["limit"])
