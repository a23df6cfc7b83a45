"""One job on one file, measured in this process alone: python -m bench.growth.one JOB PATH SECONDS. Prints JSON."""

from __future__ import annotations

import json
import resource
import statistics
import sys
from pathlib import Path
from typing import Any

from ..measure import WrongAnswer, timed, watched
from .jobs import JOBS

MOST_RUNS = 5


def measure(name: str, path: Path, budget: float) -> dict[str, Any]:
    """Seconds (the median of the runs), and the peaks of memory in bytes: anonymous, and with pages of files."""
    job, size = JOBS[name], path.stat().st_size

    def do() -> int:
        answer = job.do(path, size)
        if answer != job.expected(size):
            raise WrongAnswer(f"{name} of {size} bytes: {answer}, and not {job.expected(size)}")
        return answer

    before = resident_peak()
    (_, first, _), anonymous = watched(lambda: timed(do))
    seconds = [first] if first > budget else []
    while len(seconds) < MOST_RUNS and sum(seconds) < budget:
        seconds.append(timed(do)[1])
    return {
        "seconds": statistics.median(seconds),
        "low": min(seconds),
        "high": max(seconds),
        "runs": len(seconds),
        "anonymous": anonymous,
        "resident": resident_peak() - before,
    }


def resident_peak() -> int:
    """The most bytes of memory that this process has had, pages of mapped files included."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))
