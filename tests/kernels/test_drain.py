"""Drains as steps: each implementation answers as the reference does, and leaves the same bytes behind."""

from __future__ import annotations

import errno
import mmap
import os
import random
import struct
import threading
from contextlib import contextmanager
from functools import partial

import pytest

from fastmmap import system
from fastmmap.logs import layout
from fastmmap.logs.layout import Outcome
from fastmmap.reference import drain as definition

OWN, OTHER = b"o" * 16, b"x" * 16
HALF = 300


class Counter:
    """What is told of records that went beside a stage."""

    def __init__(self):
        self.counted = 0

    def _count(self, length):
        self.counted += length


class Files:
    """A log, a lock and a stage: `words` are (number, bytes) of its halves; `large`: the intent and head it notes."""

    def __init__(self, folder, log=b"", words=((0, 0), (1, 0)), named=layout.NO_NAME, large=((0,) * 5, b"")):
        folder.mkdir()
        self.paths = {name: folder / name for name in ("log", "lock", "stage")}
        self.paths["log"].write_bytes(log)
        self.paths["lock"].write_bytes(layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, named))
        stage = bytearray(layout.HALVES_AT + 2 * HALF)
        for i, (number, length) in enumerate(words):
            struct.pack_into("=Q", stage, layout.WORD_AT[i], number << 32 | length)
            half = bytes((number + j) % 251 for j in range(HALF))
            stage[layout.HALVES_AT + i * HALF :][:HALF] = half
            stage[layout.HALVES_AT + i * HALF : layout.HALVES_AT + (i + 1) * HALF] = half
        intent, head = large
        layout.INTENT.pack_into(stage, layout.INTENT_AT, *intent)
        stage[layout.HEAD_AT : layout.HEAD_AT + len(head)] = head
        self.paths["stage"].write_bytes(stage)
        self.counter = Counter()

    @contextmanager
    def opened(self):
        fds = {
            "lock": system.calls.open(self.paths["lock"], os.O_RDWR),
            "log": system.calls.open(self.paths["log"], os.O_RDWR | os.O_APPEND),
            "stage": system.calls.open(self.paths["stage"], os.O_RDWR),
        }
        with mmap.mmap(fds["stage"], 0) as memory, mmap.mmap(fds["lock"], 0) as names:
            try:
                yield {**fds, "names": names}, memory
            finally:
                for fd in fds.values():
                    os.close(fd)

    def drain(self, kernel, number=0, record=b"", identity=OWN):
        with self.opened() as (fds, memory):
            lock, stage = (fds["lock"], fds["names"]), (memory, HALF, identity)
            return kernel.drain(lock, stage, fds["log"], number, memoryview(record), self.counter)

    def content(self):
        return {name: path.read_bytes() for name, path in self.paths.items()}


def in_memory(half):
    """A stage in memory, which has its lock in itself."""
    memory = bytearray(layout.HALVES_AT + 2 * half)
    layout.LOCK.pack_into(memory, layout.OWN_LOCK_AT, layout.LOCK_MAGIC, layout.LOCK_VERSION, layout.NO_NAME)
    return memory


def bytes_of(number, length):
    return bytes((number + j) % 251 for j in range(length))


def word(data, half):
    (value,) = struct.unpack_from("=Q", data, layout.WORD_AT[half])
    return value >> 32, value & 0xFFFFFFFF


def test_a_drain(kernel, tmp_path):
    files = Files(tmp_path / "a", log=b"before\n", words=((4, 100), (3, 50)))
    assert files.drain(kernel, 3) is Outcome.DONE
    assert files.drain(kernel, 4, b"record") is Outcome.DONE
    assert files.drain(kernel, 4) is Outcome.DONE, "there is nothing left"
    data = files.content()
    assert data["log"] == b"before\n" + bytes_of(3, 50) + bytes_of(4, 100) + b"record"
    assert (word(data["stage"], 0), word(data["stage"], 1)) == ((6, 0), (5, 0))
    assert data["lock"][layout.NAME_AT :][:8] == bytes(8)
    assert files.counter.counted == 6


def test_numbers_come_round(kernel, tmp_path):
    last = layout.DRAINS - 2
    files = Files(tmp_path / "a", words=((last, 10), (last + 1, 20)))
    assert files.drain(kernel, last) is Outcome.DONE
    assert files.drain(kernel, last + 1 + layout.DRAINS) is Outcome.DONE
    data = files.content()
    assert data["log"] == bytes_of(last, 10) + bytes_of(last + 1, 20)
    assert (word(data["stage"], 0), word(data["stage"], 1)) == ((0, 0), (1, 0))


@pytest.mark.parametrize("done", range(0, 131, 10))
@pytest.mark.parametrize("foreign", [b"", b"\xff", b"\xff" * 500])
def test_an_interrupted_drain_is_finished_first(kernel, tmp_path, done, foreign):
    written = bytes_of(2, 120)[:done]
    files = Files(tmp_path / "a", b"L" * 7 + written + foreign, ((2, 120), (3, 30)), OWN, ((7, 120, 0, 2, 0), b""))
    if done > 120:
        files.paths["log"].write_bytes(b"L" * 7 + written + foreign)
    assert files.drain(kernel, 3) is Outcome.DONE
    log = files.content()["log"]
    whole = bytes_of(2, 120)
    assert log == b"L" * 7 + (whole if not foreign or done >= 120 else b"") + (
        foreign + bytes_of(3, 30) if done >= 120 else (written + foreign + whole if foreign else b"") + bytes_of(3, 30)
    )


@pytest.mark.parametrize("there", ["nothing", "a part", "a part noted", "all", "foreign pages", "a part, then foreign"])
@pytest.mark.parametrize("staged", [0, 100])
def test_a_record_that_was_interrupted(kernel, tmp_path, there, staged):
    """Its part is cut off: it ends with a page, or was noted, and begins as the record did. Nothing of others is."""
    record = bytes(range(1, 251)) * 40
    start = bytes_of(2, staged)
    part = record[: 4096 - staged]
    behind = {"nothing": b"", "a part": part, "a part noted": record[:99], "all": record, "foreign pages": b"F" * 4096,
              "a part, then foreign": record[:99] + b"F" * 10}[there]  # fmt: skip
    if there == "foreign pages":
        behind = behind[staged:]
    progress = staged + 99 if there == "a part noted" else 0
    intent = (0, staged, len(record), 2, progress)
    files = Files(tmp_path / "a", start + behind, ((2, staged), (3, 0)), OWN, (intent, record[: layout.HEAD_SIZE]))
    assert files.drain(kernel, -1) is Outcome.DONE
    kept = b"" if there in ("a part", "a part noted") else behind
    assert files.content()["log"] == start + kept
    assert files.counter.counted == 0


def test_other_locks(kernel, tmp_path):
    files = Files(tmp_path / "a", words=((0, 10), (1, 0)), named=OTHER)
    assert files.drain(kernel) is Outcome.OTHER
    for content in (b"fmlock\0\0" + struct.pack("<Q", 2) + bytes(16), b"nothing of the kind, but long enough"):
        files.paths["lock"].write_bytes(content)
        assert files.drain(kernel) is Outcome.GONE
        assert files.content()["lock"] == content
    # Half a name, as a killed process may leave it, is nobody's.
    begun = layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, bytes(8) + OTHER[8:])
    files.paths["lock"].write_bytes(begun)
    assert files.drain(kernel) is Outcome.DONE
    assert files.content()["log"] == bytes_of(0, 10)


def test_a_lock_that_was_removed(names_go, kernel, tmp_path):
    files = Files(tmp_path / "a", words=((0, 10), (1, 0)))
    with files.opened() as (fds, memory):
        files.paths["lock"].unlink()
        lock, stage = (fds["lock"], fds["names"]), (memory, HALF, OWN)
        arguments = lock, stage, fds["log"], 0, memoryview(b"r"), files.counter
        assert kernel.drain(*arguments) is Outcome.GONE
        files.paths["lock"].touch()
    assert files.content()["log"] == b""
    assert files.counter.counted == 0


def test_settle(kernel, tmp_path):
    files = Files(tmp_path / "a", named=OTHER)
    path = str(files.paths["lock"])
    empty = layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, layout.NO_NAME)

    def settle(identity, path=None):
        fd = system.calls.open(files.paths["lock"], os.O_RDWR)
        try:
            return kernel.settle(fd, identity, None if path is None else partial(os.unlink, path))
        finally:
            os.close(fd)

    assert settle(OWN, path) is Outcome.DONE
    assert files.content()["lock"][layout.NAME_AT :] == OTHER, "somebody has to finish that"
    assert settle(OTHER) is Outcome.DONE
    assert files.content()["lock"][layout.NAME_AT :] == layout.NO_NAME
    for content in (b"short", b"nothing of the kind, but long enough"):
        files.paths["lock"].write_bytes(content)
        assert settle(OWN, path) is Outcome.GONE
        assert files.content()["lock"] == content
    files.paths["lock"].write_bytes(b"")
    assert settle(OWN) is Outcome.DONE
    assert files.content()["lock"] == empty, "it is begun"
    assert settle(OWN, path) is Outcome.DONE
    assert not files.paths["lock"].exists()


def test_what_can_not_be(kernel, tmp_path):
    files = Files(tmp_path / "a", log=b"x", words=((0, 10), (1, HALF + 1)))
    words = "handle" if os.name == "posix" else "Errno"  # Windows has none for this number
    with pytest.raises(OSError, match=words) as caught:
        files.drain(kernel, 1)
    assert caught.value.errno == errno.ESTALE
    with pytest.raises(ValueError, match="the name of a stage has 16 bytes, not 3"):
        files.drain(kernel, 0, identity=b"own")
    with pytest.raises(ValueError, match="a lock has 32 bytes, not 31"):
        kernel.drain((-1, bytearray(31)), (bytearray(9000), HALF, OWN), -1, 0, memoryview(b""), None)
    with pytest.raises(ValueError, match="two halves of 300 bytes"):
        kernel.drain((-1, bytearray(32)), (bytearray(99), HALF, OWN), -1, 0, memoryview(b""), None)
    with pytest.raises(ValueError, match="two halves of -1 bytes"):
        kernel.drain(None, (bytearray(9000), -1, OWN), 1, 0, memoryview(b""), None)
    assert files.content()["log"] == b"x"
    if kernel.name != "python" and system.CUTS_MAPPED:  # the reference reads memory unguarded
        with files.opened() as (fds, memory):
            os.truncate(fds["stage"], 0)
            lock, stage = (fds["lock"], fds["names"]), (memory, HALF, OWN)
            with pytest.raises(OSError, match="handle"):
                kernel.drain(lock, stage, fds["log"], 0, memoryview(b"record"), None)
    assert files.content()["log"] == b"x"


def test_a_lock_that_is_cut_when_all_else_is_done(kernel, tmp_path):
    """The record is in the log: it is counted, and the lock is given back by closing it."""
    if kernel.name == "python":
        pytest.skip("the reference reads memory unguarded")
    if not system.CUTS_MAPPED:
        pytest.skip("this system cuts no file that is mapped")
    files = Files(tmp_path / "a")
    read, write = os.pipe()
    record = bytes(1 << 20)
    with files.opened() as (fds, memory):

        def cut():
            os.read(read, 1)
            os.truncate(fds["lock"], 0)
            got = 1
            while got < len(record):
                got += len(os.read(read, 1 << 16))

        thread = threading.Thread(target=cut)
        thread.start()
        lock, stage = (fds["lock"], fds["names"]), (memory, HALF, OWN)
        arguments = lock, stage, write, 0, memoryview(record), files.counter
        assert kernel.drain(*arguments) is Outcome.KEPT
        thread.join()
    os.close(read)
    os.close(write)
    assert files.counter.counted == len(record)


def test_a_closed_reader_of_a_pipe(kernel):
    read, write = os.pipe()
    os.set_blocking(write, False)
    memory = in_memory(200_000)
    struct.pack_into("=Q", memory, layout.WORD_AT[0], 6 << 32 | 200_000)
    content = random.Random(1).randbytes(200_000)
    memory[layout.HALVES_AT : layout.HALVES_AT + 200_000] = content
    counter, got = Counter(), b""
    while True:
        try:
            outcome = kernel.drain(None, (memory, 200_000, OWN), write, 6, memoryview(b"record"), counter)
            if outcome is not Outcome.AGAIN:
                break
        except BlockingIOError:
            assert counter.counted == 0
            got += os.read(read, 30_000)
    assert outcome is Outcome.DONE
    assert counter.counted == 6
    assert word(memory, 0) == (8, 0)
    os.close(write)
    while part := os.read(read, 1 << 16):
        got += part
    assert got == content + b"record"
    os.close(read)
    read, write = os.pipe()
    os.close(read)
    with pytest.raises(BrokenPipeError):
        kernel.drain(None, (in_memory(0), 0, OWN), write, 0, memoryview(b"record"), counter)
    os.close(write)
    assert counter.counted == 6


def test_as_the_reference(kernel, tmp_path):
    """Random states and steps: the same answers, and the same bytes in every file."""
    for seed in range(200):
        states = []
        for number, implementation in enumerate((kernel, definition)):
            rng = random.Random(seed)
            length, extra = rng.choice((0, 1, 40, HALF)), rng.choice((0, 10, 9000))
            staged = bytes_of(2, length) + rng.randbytes(extra)
            log = rng.randbytes(rng.choice((0, 5, 4096))) + staged[: rng.randrange(len(staged) + 1)]
            log += rng.randbytes(rng.choice((0, 0, 7, 4096)))
            intent = (rng.choice((0, 5, 4096)), length, extra, rng.choice((0, 2, 3)), rng.choice((0, length, len(log))))
            words = ((2, length), (rng.choice((1, 3)), rng.randrange(HALF)))
            files = Files(tmp_path / f"{seed}-{number}", log, words, rng.choice((OWN, OWN, OTHER, layout.NO_NAME)),
                          (intent, staged[length : length + layout.HEAD_SIZE]))  # fmt: skip
            answers = []
            for _ in range(4):
                record = rng.randbytes(rng.choice((0, 0, 30, 5000)))
                try:
                    answers.append(files.drain(implementation, rng.choice((-1, 1, 2, 3)), record))
                except OSError as error:
                    answers.append(error.errno)
            states.append((answers, files.content(), files.counter.counted))
        (answers, content, counted), expected = states
        assert (answers, counted, len(content["log"])) == (expected[0], expected[2], len(expected[1]["log"])), seed
        assert content == expected[1], seed


def test_in_memory_as_the_reference(kernel):
    """A stage that has its lock in itself, and a log that takes only so many bytes."""
    for seed in range(100):
        states = []
        for implementation in (kernel, definition):
            rng = random.Random(seed)
            read, write = os.pipe()
            os.set_blocking(write, False)
            memory, counter, got, answers = in_memory(100_000), Counter(), b"", []
            for drain in range(2, 8):
                length = rng.choice((0, 5, 70_000, 100_000))
                start = layout.HALVES_AT + drain % 2 * 100_000
                memory[start : start + length] = rng.randbytes(length)
                struct.pack_into("=Q", memory, layout.WORD_AT[drain % 2], drain << 32 | length)
                record = memoryview(rng.randbytes(rng.choice((0, 0, 30, 5000))))
                arguments = None, (memory, 100_000, OWN), write, drain, record, counter
                while True:
                    try:
                        outcome = implementation.drain(*arguments)
                        if outcome is not Outcome.AGAIN:  # the kernel's, where a signal may have come
                            answers.append(outcome)
                            break
                    except BlockingIOError as error:
                        answers.append(error.errno)
                        got += os.read(read, rng.choice((4096, 65536)))
            os.close(write)
            while part := os.read(read, 1 << 16):
                got += part
            os.close(read)
            states.append((answers, counter.counted, got, bytes(memory)))
        assert states[0][:3] == states[1][:3], seed
        assert states[0][3] == states[1][3], seed


def test_an_error_under_the_lock_gives_it_back(kernel, tmp_path):
    """What removes the lock may fail, and may not drain: it would wait for the lock that its thread has."""
    files = Files(tmp_path / "a", words=((0, 10), (1, 0)))
    with files.opened() as (fds, memory):
        lock, stage = (fds["lock"], fds["names"]), (memory, HALF, OWN)

        def remove():
            with pytest.raises(RuntimeError, match="this thread"):
                kernel.drain(lock, stage, fds["log"], 0, memoryview(b"r"), files.counter)
            raise KeyError("as a handler's")

        with pytest.raises(KeyError, match="as a handler's"):
            kernel.settle(fds["lock"], OWN, remove)
        assert kernel.drain(lock, stage, fds["log"], 0, memoryview(b"r"), files.counter) is Outcome.DONE
    assert files.content()["log"] == bytes_of(0, 10) + b"r"
