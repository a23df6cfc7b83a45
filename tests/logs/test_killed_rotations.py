"""A process that is killed at any line of a rotation, or of taking over what another has left: no record is lost."""

from __future__ import annotations

import os
import signal
from functools import partial

import pytest
from support.handlers import files, record
from support.marks import staged
from support.stepping import Steps
from support.writers import ours

import fastmmap

pytestmark = staged

OURS = os.path.join(os.path.dirname(fastmmap.__file__), "logs")
STEPS = Steps(lambda code: code.co_filename.startswith(OURS), ("line", "return"))

OPTIONS = {
    "by size": {"maxBytes": 3000, "backupCount": 1000},
    "by time": {"when": "S", "interval": 10**6},
    "compressed": {"maxBytes": 3000, "backupCount": 1000},
}


def moved(source, dest):
    """A rotator that leaves another file than the one that was written to, as one that compresses does."""
    with open(source, "rb") as old, open(f"{dest}.part", "wb") as new:
        new.write(old.read())
    os.rename(f"{dest}.part", dest)
    os.remove(source)


def opened(path, kind):
    handler = fastmmap.LogHandler(path, **OPTIONS[kind])
    if kind == "compressed":
        handler.rotator = moved
    return handler


def log(handler, name, number=3):
    for each in range(number):
        handler.handle(record(f"{name} {each} {'x' * 300}"))


def killed(job):
    """Does a job in a process that ends in it, and returns whether it did by SIGKILL."""
    child = os.fork()
    if child == 0:
        job()
        os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def rotate(handler):
    """What a process does that is killed: its acknowledged records are staged before."""
    handler.doRollover()


def fill(handler):
    """A record that doesn't fit, with what is staged, into the file as it is."""
    handler.handle(record(f"last 0 {'x' * 2500}"))


def scene(folder, kind, job, step):
    """Three processes: one lives, one is dead, one is killed at a step. Returns whether it came so far."""
    path = folder / "app.log"
    living = opened(path, kind)
    log(living, "living")

    def die():
        handler = opened(path, kind)
        log(handler, "dead")
        kill()

    def work():
        handler = opened(path, kind)
        log(handler, "killed")
        STEPS.run(partial(job, handler), step, kill)

    assert killed(die)
    came = killed(work)
    log(living, "afterwards")
    living.flush()
    killed(lambda: log(opened(path, kind), "new") or kill())
    living.doRollover()
    living.stream._tick()
    living.close()
    fastmmap.recover(folder)
    return came


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("job", [rotate, fill], ids=["rotation", "a full file"])
def test_no_record_is_lost(memory_path, job, kind, request):
    step, stride, came = 1, 1 if request.config.getoption("long") else 23, True
    while came:
        folder = memory_path / str(step)
        folder.mkdir()
        came = scene(folder, kind, job, step)
        found = files(folder)
        if kind == "compressed":  # what it was at when it was killed may be there twice
            found = {name: data for name, data in found.items() if not name.endswith(".part")}
        lines = [line.rpartition(b" ")[0].decode() for data in found.values() for line in data.splitlines()]
        expected = [f"{name} {i}" for name in ("living", "dead", "killed", "afterwards", "new") for i in range(3)]
        lines = [line for line in lines if line != "last 0"]
        if kind == "compressed":
            lines = sorted(set(lines))
        assert sorted(lines) == sorted(expected), (step, {name: len(data) for name, data in found.items()})
        assert ours(folder) == [], step
        step += stride
    assert step > (10 if job is fill and kind == "by time" else 100)
