"""python -m bench.growth: time and memory of each job at each size. See --help."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from .. import run
from ..corpora import evict
from . import chart, jobs

HERE = Path(__file__).parent
SIZES = "1M,64M,1G,8G"
UNITS = {"M": 1 << 20, "G": 1 << 30}
ROOM = 2.2  # of a file's size: for itself, a new one beside it, or a log, and what else is written meanwhile
SMALL = 64 << 20  # below it, a file says little of how time grows: opening it takes as long


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(prog="python -m bench.growth", description=jobs.__doc__)
    options.add_argument("--sizes", default=SIZES, help=f"sizes of files, as in {SIZES}")
    options.add_argument("--beyond", action="store_true", help="count in a file a quarter larger than memory, too")
    options.add_argument("--data", metavar="DIR", type=Path, default=HERE.parent / "data", help="where files are made")
    options.add_argument("--out", metavar="FILE", type=Path, default=HERE.parent / "data" / "growth.json")
    options.add_argument("--budget", metavar="S", type=float, default=3.0, help="seconds for a job at a size (3)")
    options.add_argument("--chart", metavar="FILE", type=Path, help="draws time and memory against size into a PNG")
    options.add_argument("--from", metavar="FILE", dest="record", type=Path, help="shows a record; measures nothing")
    chosen = options.parse_args(arguments)
    try:
        sizes = [bytes_of(text) for text in chosen.sizes.split(",")]
    except ValueError as error:
        options.error(f"--sizes: {error}")
    console = Console(width=None if sys.stdout.isatty() else 120)
    if chosen.record:
        record = json.loads(chosen.record.read_text())
    else:
        chosen.data.mkdir(parents=True, exist_ok=True)
        record = {"machine": run.machine(), "rows": []}
        for row in rows(chosen, sizes):
            record["rows"].append(row)
            console.print(f"{row['job']}, {shown(row['size'])}: {row['seconds']:.4g} s")
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(json.dumps(record, indent=1) + "\n")
    console.print(table(record))
    if chosen.chart:
        chart.draw(record, chosen.chart)
    return 0


def bytes_of(text: str) -> int:
    """A size as in 64M."""
    if not text[:-1].isdecimal() or text[-1] not in UNITS:
        raise ValueError(f"{text!r} is no size as in {SIZES}")
    return int(text[:-1]) * UNITS[text[-1]]


def shown(size: int) -> str:
    return f"{size >> 30} GiB" if size >= UNITS["G"] else f"{size >> 20} MiB"


def rows(chosen: argparse.Namespace, sizes: list[int]) -> Iterator[dict[str, Any]]:
    """Each job at each size; then what is beyond memory."""
    with tempfile.TemporaryDirectory(dir=chosen.data) as folder:
        for size in sizes:
            yield from rows_of(Path(folder) / "text", size, list(jobs.JOBS), chosen.budget)
        if chosen.beyond:
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            size = memory // 4 * 5 >> 20 << 20
            for row in rows_of(Path(folder) / "text", size, list(jobs.names_beyond_memory()), chosen.budget):
                yield {**row, "beyond": True}


def rows_of(path: Path, size: int, names: list[str], budget: float) -> Iterator[dict[str, Any]]:
    """The jobs on one file, which is removed then."""
    changes = any(jobs.JOBS[name].changes for name in names)
    needed = size * (ROOM if changes else 1.05)
    if shutil.disk_usage(path.parent).free < needed:
        raise SystemExit(f"{path.parent} has no room for {needed / 2**30:.1f} GiB")
    jobs.write_text(path, size)
    try:
        jobs.read_through(path)
        for name in names:
            if "drop_behind" in name:
                evict(path)
            command = [sys.executable, "-m", "bench.growth.one", name, str(path), str(budget)]
            done = subprocess.run(command, stdout=subprocess.PIPE, cwd=HERE.parent.parent)
            if done.returncode != 0:
                raise SystemExit(f"{name} at {shown(size)} failed")
            yield {"job": name, "size": size, **json.loads(done.stdout)}
    finally:
        path.unlink()


def slope(rows: list[dict[str, Any]], key: str) -> float:
    """By which power of the size a figure grows, from SMALL on: 1 is linear. NaN where there is one size alone.

    What is beyond memory is as fast as the disk, and not counted.
    """
    counted = [row for row in rows if row["size"] >= SMALL and row[key] > 0 and "beyond" not in row]
    points = [(math.log(row["size"]), math.log(row[key])) for row in counted]
    if len(points) < 2:
        return math.nan
    middle = [sum(axis) / len(points) for axis in zip(*points, strict=True)]
    spread = sum((x - middle[0]) ** 2 for x, _ in points)
    return sum((x - middle[0]) * (y - middle[1]) for x, y in points) / spread if spread else math.nan


def table(record: dict[str, Any]) -> Table:
    """A line for each job: seconds, and anonymous memory, at each size."""
    sizes = sorted({row["size"] for row in record["rows"]})
    result = Table(title="seconds (MiB of anonymous memory) for a file of", title_justify="left", show_edge=False)
    for heading in ("job", *map(shown, sizes), "slope"):
        result.add_column(heading, justify="left" if heading == "job" else "right")
    for name in dict.fromkeys(row["job"] for row in record["rows"]):
        mine = {row["size"]: row for row in record["rows"] if row["job"] == name}
        cells = [
            f"{mine[size]['seconds']:.4f} ({mine[size]['anonymous'] >> 20})" if size in mine else "" for size in sizes
        ]
        grown = slope(list(mine.values()), "seconds")
        result.add_row(name, *cells, "" if math.isnan(grown) else f"{grown:.2f}")
    return result


if __name__ == "__main__":
    sys.exit(main())
