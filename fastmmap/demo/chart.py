"""The chart of the race, by matplotlib: for each job a bar for each way, on a logarithmic scale."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from pathlib import Path

from ..errors import naming
from .jobs import WAYS
from .race import Timing

FORMATS = (".png", ".svg")
COLOURS = ("#8a96a3", "#0072b2", "#e69f00", "#d55e00")  # of the ways; those of Okabe and Ito, who ask all eyes
HEIGHT = 0.2  # of a bar, where jobs are 1 apart


def check(plot: str, text: str | None) -> None:
    """Raises what would keep the chart from being drawn, or from being written to its file."""
    if _format(plot) not in FORMATS:
        raise ValueError(f"{plot}: the name of a chart ends with {' or '.join(FORMATS)}")
    try:
        import_module("matplotlib.figure")
    except ImportError as error:
        raise ValueError("a chart takes matplotlib: pip install 'fastmmap[bench]'") from error
    if text is not None:
        with suppress(FileNotFoundError):
            if os.path.samefile(plot, text):
                raise ValueError(f"{plot}: the chart would take the place of the text")
    try:
        os.close(os.open(plot, os.O_WRONLY))
    except FileNotFoundError:
        os.close(os.open(plot, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
        os.unlink(plot)  # until there is a chart


def draw(timings: list[Timing], title: str, caption: str, plot: str) -> None:
    """Draws the chart, and writes it to its file."""
    figure = import_module("matplotlib.figure").Figure(figsize=(9, 6.5), layout="constrained")
    axis = figure.add_subplot()
    rates = [[timing.job.bytes / seconds / 1e9 for seconds in timing.seconds] for timing in timings]
    for number, (way, colour) in enumerate(zip(WAYS, COLOURS)):
        places = [row + (number - (len(WAYS) - 1) / 2) * HEIGHT for row in range(len(timings))]
        values = [rate[number] for rate in rates]
        axis.barh(places, values, HEIGHT, color=colour, label=way)
        for place, value in zip(places, values):
            axis.text(value * 1.04, place, f"{value:.2g}", va="center", fontsize=8)
    flat = [rate for row in rates for rate in row]
    axis.set_xscale("log")
    axis.set_xlim(min(flat) / 2, max(flat) * 2)  # room for the numbers
    axis.set_xlabel("GB/s, logarithmic: to the right is faster")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yticks(range(len(timings)), [timing.job.name for timing in timings])
    axis.invert_yaxis()
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color="#dddddd", linewidth=0.8)
    axis.set_axisbelow(True)
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(title, fontsize=13)
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(WAYS), frameon=False)  # above the bars
    figure.supxlabel(caption, fontsize=8, color="#555555")
    picture = BytesIO()
    figure.savefig(picture, format=_format(plot)[1:], dpi=120)
    with naming(plot):
        Path(plot).write_bytes(picture.getvalue())


def _format(plot: str) -> str:
    return Path(plot).suffix.lower()
