"""How long a single append takes, drains included: python -m bench.latency

The distribution of 100 B appends by an appender and by a buffered file, in turns. The clock's own time is in it.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy

import fastmmap

from .appends import record_of

NUMBER, TURNS = 500_000, 5
QUANTILES = (0.5, 0.99, 0.999, 0.9999)


def times(append: Callable[[bytes], object]) -> list[float]:
    """Nanoseconds of each append, at the quantiles."""
    record, clock = record_of(100), time.perf_counter_ns
    taken = numpy.empty(NUMBER)
    for i in range(NUMBER):
        began = clock()
        append(record)
        taken[i] = clock() - began
    return [float(number) for number in numpy.quantile(taken, QUANTILES)]


def main() -> None:
    engines: dict[str, list[list[float]]] = {"file.write, 8 KiB buffer": [], "Appender.append": []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(TURNS):
            with open(Path(folder) / f"file {turn}", "ab") as file:
                engines["file.write, 8 KiB buffer"].append(times(file.write))
            with fastmmap.Appender(Path(folder) / f"log {turn}") as log:
                engines["Appender.append"].append(times(log.append))
    print(f"{'ns, medians of ' + str(TURNS) + ' turns':28}", *(f"{quantile:>9.2%}" for quantile in QUANTILES))
    for name, turns in engines.items():
        print(f"{name:28}", *(f"{statistics.median(quantile):9.0f}" for quantile in zip(*turns)))


if __name__ == "__main__":
    main()
