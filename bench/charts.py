"""Charts of a record: for each verb, a bar for each engine on a logarithmic scale, and memory speed as a line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, REFERENCE, PEERS, LIMIT = "#c1440e", "#e0a487", "#5b6b7a", "#222222"


def colour(engine: str) -> str:
    if engine == "reference":
        return REFERENCE
    ours = ("fastmmap", "Appender", "replace_file", "avx512", "avx2", "sse2", "neon", "scalar")
    return OURS if engine.startswith(ours) else PEERS


def draw(record: dict[str, Any], folder: Path) -> None:
    """Writes one picture for each verb, one for the idioms, and one for the needles."""
    folder.mkdir(parents=True, exist_ok=True)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in record["rows"]:
        groups.setdefault(row["verb"].split("-")[0], []).append(row)
    for verb, rows in groups.items():
        figure = draw_rows(rows, record["machine"])
        figure.savefig(folder / f"{verb}.png", dpi=110)
        pyplot.close(figure)


def draw_rows(rows: list[dict[str, Any]], machine: dict[str, Any]) -> Any:
    """The rows of a verb under each other, their engines fastest first."""
    bars = [len(row["timings"]) + 3.2 for row in rows]
    figure, axes = pyplot.subplots(
        len(rows), 1, figsize=(10, 0.26 * sum(bars) + 0.8), height_ratios=bars, squeeze=False, layout="constrained"
    )
    for axis, row in zip(axes[:, 0], rows):
        timings = sorted(row["timings"], key=lambda timing: -timing["seconds"])
        rates = [row["bytes"] / timing["seconds"] / 1e9 for timing in timings]
        axis.barh([timing["engine"] for timing in timings], rates, color=[colour(t["engine"]) for t in timings])
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("GB/s, logarithmic: to the right is faster", fontsize=8)
        low = min(rates) / 1.5
        axis.set_xlim(low, max(*rates, row["limit"] / 1e9, row["limit_all"] / 1e9) * 2)
        for place, rate in enumerate(rates):
            axis.text(rate * 1.03, place, f"{rate:.3g}" if rate < 1000 else f"{rate:,.0f}", va="center", fontsize=8)
        axis.axvline(row["limit"] / 1e9, color=LIMIT, linestyle="--", linewidth=1)
        if row["limit_all"] > row["limit"]:
            axis.axvline(row["limit_all"] / 1e9, color=LIMIT, linestyle=":", linewidth=1)
        axis.set_title(row["title"], fontsize=10, loc="left")
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    about = f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['python']}, {machine['date']}"
    lines = "Lines: the speed of memory, dashed for one thread"
    if any(row["limit_all"] > row["limit"] for row in rows):
        lines += " and dotted for all"
    figure.suptitle(f"{about}. Orange: fastmmap, pale: its reference. {lines}.", fontsize=8)
    return figure
