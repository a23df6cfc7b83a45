"""The race: each job in each way, timed once, and the answers compared."""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..mapped import open as map_file
from .jobs import COPY, TEXT, WAYS, Job, jobs


class Timing(NamedTuple):
    """A job, and how many seconds it took and what the answer was in each of the WAYS."""

    job: Job
    seconds: tuple[float, ...]
    answers: tuple[Any, ...]

    @property
    def agrees(self) -> bool:
        """Whether all answers are equal."""
        return all(answer == self.answers[0] for answer in self.answers)


def race(text: Path, folder: Path) -> Iterator[Timing]:
    """Does each job in each way; `folder` is for the files that are changed. Yields a timing as a job is done."""
    checksum_of(text)  # in the page cache, so that the first job doesn't pay for all
    for job in jobs(text.stat().st_size):
        seconds, answers = [], []
        for way, run in zip(WAYS, job.runs):
            path = text if job.works_on == TEXT else folder / way.replace(" ", "-")
            if job.works_on == COPY:
                shutil.copyfile(text, path)
            began = time.perf_counter()
            answer = run(path)
            seconds.append(time.perf_counter() - began)
            answers.append(settled(answer, None if path == text else path))
        yield Timing(job, tuple(seconds), tuple(answers))


def settled(answer: Any, changed: Path | None) -> Any:
    """What two answers are compared by; the time it takes isn't the job's. A changed file is removed."""
    if isinstance(answer, (bytes, memoryview)):
        answer = zlib.adler32(answer)
    if changed is None:
        return answer
    checksum = checksum_of(changed)
    changed.unlink()
    return answer, checksum


def checksum_of(path: Path) -> int:
    with map_file(path) as mapped, mapped.view() as view:
        return zlib.adler32(view)
