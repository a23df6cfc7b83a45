"""One log of several processes, which rotate it, or whom others rotate it under."""

from __future__ import annotations

import gzip
import logging
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time

import pytest
from support.handlers import EACH, files, log_all, record, text
from support.lacks import processes_by, without
from support.marks import staged
from support.writers import ours

import fastmmap
from fastmmap import system

WRITERS = 4


def numbers_in(folder, ends_are_torn=False):
    """Which records are in the files, whichever; each must be whole, but for the last of a file that was torn."""
    found = []
    for name, data in files(folder).items():
        data = gzip.decompress(data) if name.endswith(".gz") else data
        data = data[: data.rfind(b"\n") + 1] if ends_are_torn else data
        assert data.endswith(b"\n") or not data, name
        for line in data.splitlines():
            writer, number, rest = line.decode().split(":")
            assert set(rest) <= {"x"}
            found.append((int(writer), int(number)))
    return sorted(found)


def in_processes(job, number=WRITERS):
    """Runs a job in forked processes at the same time."""
    children = []
    for writer in range(number):
        child = os.fork()
        if child == 0:
            try:
                job(writer)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
            os._exit(0)
        children.append(child)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


EXPECTED = [(writer, number) for writer in range(WRITERS) for number in range(EACH)]


def compress(source, dest):
    """A rotator as the standard library's cookbook has it."""
    with open(source, "rb") as plain, gzip.open(dest, "wb", 1) as packed:
        shutil.copyfileobj(plain, packed)
    os.remove(source)


OPTIONS = {
    "by size": {"maxBytes": 50_000, "backupCount": 10_000},
    "by time": {"when": "S"},
    "by both": {"when": "S", "maxBytes": 100_000},
}


@pytest.mark.parametrize("options", OPTIONS)
def test_processes_that_rotate(tmp_path, options):
    in_processes(lambda writer: log_all(tmp_path / "app.log", writer, **OPTIONS[options]))
    assert numbers_in(tmp_path) == EXPECTED
    assert ours(tmp_path) == []
    if "maxBytes" in OPTIONS[options]:
        found = files(tmp_path)
        assert max(map(len, found.values())) < OPTIONS[options]["maxBytes"]
        assert len(found) > 5


def test_processes_and_a_rotator_that_compresses(tmp_path):
    def job(writer):
        handler = fastmmap.LogHandler(tmp_path / "app.log", maxBytes=50_000, backupCount=10_000)
        handler.namer, handler.rotator = lambda name: f"{name}.gz", compress
        for each in range(EACH):
            handler.handle(record(text(writer, each)))
        handler.close()

    in_processes(job)
    assert numbers_in(tmp_path) == EXPECTED
    assert len(list(tmp_path.glob("*.gz"))) > 5


@without("os.fork")
def test_exactly_one_rotates(tmp_path):
    """All meet a file that is full, at the same time."""
    for _ in range(20):
        path = tmp_path / os.urandom(4).hex() / "app.log"
        path.parent.mkdir()
        path.write_bytes(b"9:9:" + b"x" * 990 + b"\n")
        barrier = multiprocessing.get_context("fork").Barrier(WRITERS)

        def job(writer, path=path, barrier=barrier):
            handler = fastmmap.LogHandler(path, maxBytes=1000, backupCount=10)
            barrier.wait(20)
            handler.handle(record(text(writer, 0, 10)))
            handler.close()

        in_processes(job)
        assert sorted(files(path.parent)) == ["app.log", "app.log.1"]
        assert numbers_in(path.parent) == [*((writer, 0) for writer in range(WRITERS)), (9, 9)]


def test_only_so_many_are_kept(tmp_path):
    in_processes(lambda writer: log_all(tmp_path / "app.log", writer, maxBytes=20_000, backupCount=3))
    assert sorted(files(tmp_path)) == ["app.log", "app.log.1", "app.log.2", "app.log.3"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(tmp_path, method):
    context = processes_by(method)
    path, options = tmp_path / "app.log", OPTIONS["by size"]
    processes = [context.Process(target=log_all, args=(path, each, 500), kwargs=options) for each in range(3)]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
    assert numbers_in(tmp_path) == [(writer, number) for writer in range(3) for number in range(500)]
    assert ours(tmp_path) == []


@without("os.fork")
def test_a_handler_at_forks(tmp_path):
    """As gunicorn's with preloading: what the parent has opened, its children log with, while it does so itself."""
    handler = fastmmap.LogHandler(tmp_path / "app.log", **OPTIONS["by size"])
    handler.handle(record(text(8, 0)))
    stop, number = threading.Event(), 1

    def log():
        nonlocal number
        while not stop.is_set():
            handler.handle(record(text(8, number)))
            number += 1

    thread = threading.Thread(target=log)  # forks come into its calls
    thread.start()

    def job(writer):
        for each in range(200):
            handler.handle(record(text(writer, each)))
        handler.close()

    for _ in range(5):
        in_processes(job)
    stop.set()
    thread.join()
    handler.close()
    expected = [(writer, each) for writer in range(WRITERS) for each in range(200)] * 5 + [
        (8, n) for n in range(number)
    ]
    assert numbers_in(tmp_path) == sorted(expected)
    assert ours(tmp_path) == []


@without("os.fork")
@staged
def test_kills(tool):
    assert "each record once, and whole" in tool("handler_kills.py", "--kills", "100")


@staged
def test_a_dead_writer_of_a_file_that_was_rotated(tmp_path):
    """Its records go to the file that is at the path, also if the one that it wrote to is compressed by then."""
    path = tmp_path / "app.log"
    child = os.fork()
    if child == 0:
        handler = fastmmap.LogHandler(path)
        for each in range(10):
            handler.handle(record(text(0, each)))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    for how in ("recovered", "opened"):
        shutil.copytree(tmp_path, tmp_path / how, ignore=lambda folder, names: ["recovered", "opened"])
        with gzip.open(tmp_path / how / "app.log.1.gz", "wb") as file:
            file.write((tmp_path / how / "app.log").read_bytes())
        shutil.move(tmp_path / how / "app.log", tmp_path / how / "gone")
    # In place, for a stage knows its folder by device and inode.
    os.rename(path, tmp_path / "app.log.1")
    compress(tmp_path / "app.log.1", tmp_path / "app.log.1.gz")
    for how in ("recovered", "opened"):
        shutil.rmtree(tmp_path / how)
    assert fastmmap.recover(tmp_path)
    assert numbers_in(tmp_path) == [(0, each) for each in range(10)]
    assert ours(tmp_path) == []


@staged
def test_a_living_writer_takes_over(tmp_path):
    path = tmp_path / "app.log"
    handler = fastmmap.LogHandler(path, **OPTIONS["by size"])
    child = os.fork()
    if child == 0:
        for each in range(10):
            handler.handle(record(text(0, each)))
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    handler.handle(record(text(1, 0)))
    handler.doRollover()  # what is dead was staged for a file that isn't at the path any more
    handler.handle(record(text(1, 1)))
    handler.stream._tick()
    assert len(ours(tmp_path, ".stage")) == 1
    assert numbers_in(tmp_path)[:10] == [(0, each) for each in range(10)]
    handler.close()


# --- others rotate it ---

WAYS = ["renamed", "replaced", "removed", "copied and cut"]


@pytest.mark.parametrize("way", WAYS)
def test_others_rotate_it(tmp_path, way, request):
    """While it is logged to; what is in a file that was removed is read before."""
    if way == "replaced":
        request.getfixturevalue("names_go")
    path, taken = tmp_path / "app.log", tmp_path / "taken"
    taken.mkdir()
    done = threading.Event()

    def rotate():
        try:
            rotate_often()
        finally:
            done.set()

    def rotate_often():
        for number in range(20):
            time.sleep(0.01)
            if not path.exists():
                continue
            if way == "renamed":
                os.rename(path, taken / f"app.log.{number}")
            elif way == "removed":
                os.rename(path, taken / f"app.log.{number}")  # atomically, and then it is taken away
            elif way == "replaced":
                (tmp_path / "new").touch()
                os.link(path, taken / f"app.log.{number}")
                system.rename(str(tmp_path / "new"), str(path))
            else:
                with handler.stream._turn:  # no write comes between the copy and the cut
                    shutil.copy(path, taken / f"app.log.{number}")
                    os.truncate(path, 0)

    handler = fastmmap.LogHandler(path)
    handler.stream._interval = 0.005
    thread = threading.Thread(target=rotate)
    thread.start()
    number = 0
    while not done.is_set() or number < 100:
        handler.handle(record(text(0, number), logging.ERROR if number % 100 == 0 else logging.INFO))
        number += 1
    thread.join()
    handler.close()
    taken_files = {f"taken {name}": data for name, data in files(taken).items()}
    shutil.rmtree(taken)
    for name, data in taken_files.items():
        (tmp_path / name).write_bytes(data)
    assert numbers_in(tmp_path) == [(0, each) for each in range(number)]
    assert len(taken_files) >= 5


LOGROTATE = """
{path} {{
    rotate 1000
    {how}
    missingok
    {more}
}}
"""


@pytest.mark.parametrize("compresses", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("how", ["create", "nocreate", "copytruncate"])
def test_logrotate(tmp_path, how, compresses):
    """The real program, again and again, while two processes log."""
    program = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if program is None:
        pytest.skip("there is no logrotate")
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o755)
    path, state, config = folder / "app.log", tmp_path / "state", tmp_path / "config"
    # Its manual asks for the delay where programs keep a log open: who has begun to write when it is renamed ends that.
    more = "nocompress" if not compresses else "compress" if how == "copytruncate" else "compress\n    delaycompress"
    config.write_text(LOGROTATE.format(path=path, how="create 0644" if how == "create" else how, more=more))
    config.chmod(0o644)
    stop = tmp_path / "stop"

    def job(writer):
        if writer == 2:
            for _ in range(8):
                time.sleep(0.03)
                subprocess.run([program, "-f", "-s", state, config], check=True, capture_output=True)
            stop.touch()
            return
        handler = fastmmap.LogHandler(path)
        handler.stream._interval = 0.01
        number = 0
        while not stop.exists():
            handler.handle(record(text(writer, number)))
            number += 1
            time.sleep(0.0001)
        handler.close()
        (tmp_path / f"count{writer}").write_text(str(number))

    path.touch()
    in_processes(job, 3)
    found = numbers_in(folder, ends_are_torn=how == "copytruncate")  # its copy may end in the middle of a write
    expected = [(each, n) for each in range(2) for n in range(int((tmp_path / f"count{each}").read_text()))]
    assert len(list(folder.glob("app.log*"))) > 5
    if how == "copytruncate":  # what is written between logrotate's copy and its cut is lost, by any writer
        assert set(found) <= set(expected)
        assert len(found) == len(set(found))
        assert len(found) > len(expected) // 2
    else:
        assert found == expected
