"""The chart of growth: time, and peak memory, against the size of the file, all axes logarithmic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

PANELS = {"seconds": "seconds", "anonymous": "MiB of anonymous memory at the peak"}
MIB = 1 << 20


def draw(record: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(12, 5), layout="constrained")
    names = list(dict.fromkeys(row["job"] for row in record["rows"]))
    for axis, (key, label) in zip(axes, PANELS.items(), strict=True):
        for number, name in enumerate(names):
            rows = [row for row in record["rows"] if row["job"] == name]
            sizes = [row["size"] / MIB for row in rows]
            figures = [row[key] if key == "seconds" else max(row[key] / MIB, 0.1) for row in rows]
            axis.plot(sizes, figures, marker="osD^v<>ph"[number % 9], markersize=4, linewidth=1.2, label=name)
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.xaxis.set_major_formatter(lambda size, _: f"{size / 1024:g} GiB" if size >= 1024 else f"{size:g} MiB")
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("size of the file")
        axis.set_ylabel(label)
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    sizes = sorted({row["size"] / MIB for row in record["rows"]})
    fastest = min(row["seconds"] / row["size"] for row in record["rows"]) * MIB
    axes[0].plot(sizes, [size * fastest for size in sizes], "--", color="#222222", linewidth=0.8, label="slope 1")
    axes[0].legend(fontsize=8)
    machine = record["machine"]
    figure.suptitle(f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['python']}, {machine['date']}", fontsize=8)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
