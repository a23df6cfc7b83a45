"""Streams are searched block by block: the answers of a file, in constant memory, before a read that blocks."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.commands import YES
from support.lacks import proc, resource

from fastmmap import _backend, streams
from fastmmap.cli import sources
from fastmmap.cli.needles import Wanted

COMMAND = [sys.executable, "-m", "fastmmap"]
chosen = _backend.chosen
WAYS = [{"overlapping": o, "ignorecase": i} for o, i in itertools.product((False, True), repeat=2)]


def blocks(data, sizes):
    """The data in windows whose new bytes come in these sizes, in turn."""
    done = 0
    for size in itertools.cycle(sizes):
        if done >= len(data):
            return
        done += size
        yield data, min(done, len(data)), 0


def from_pipe(use, data, pieces=1):
    """What a function makes of a pipe's descriptor."""
    read, write = os.pipe()

    def fill():
        with os.fdopen(write, "wb", buffering=0) as file:
            step = -(-len(data) // pieces) or 1
            for start in range(0, len(data), step):
                file.write(data[start : start + step])

    writer = threading.Thread(target=fill)
    writer.start()
    try:
        return use(read)
    finally:
        os.close(read)
        writer.join()


def stream(fd):
    """What reads a descriptor."""

    def fill(view):
        block = os.read(fd, len(view))
        view[: len(block)] = block
        return len(block)

    return fill


def stream_matches(fd, needle, options):
    pieces = streams.windows(stream(fd), len(needle) - 1)
    return list(itertools.chain(*streams.matches(pieces, needle, **options)))


@settings(max_examples=200, deadline=None)
@given(
    data=st.lists(st.sampled_from("aAbB"), max_size=60),
    needle=st.text("aAb", min_size=1, max_size=5),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    options=st.sampled_from(WAYS),
)
def test_matches_in_pieces_are_those_of_all(data, needle, sizes, options):
    data, needle = "".join(data).encode(), needle.encode()
    found = list(itertools.chain(*streams.matches(blocks(data, sizes), needle, **options)))
    assert found == list(chosen.iter_find(data, needle, **options))


@pytest.mark.parametrize("options", WAYS)
@pytest.mark.parametrize(
    "needle", [b"a", b"aa", b"aba", b"abb", b"b" * 300, bytes(random.Random(3).choices(b"abA", k=150_000))]
)
def test_pipes_beyond_a_window(monkeypatch, needle, options):
    """Windows whose bounds lie in matches; also with needles that are longer than what a window has room for."""
    monkeypatch.setattr(streams, "WINDOW", 1 << 16)
    rng = random.Random(len(needle))
    data = bytes(rng.choices(b"abA", k=100_000)) + needle * 3 + b"ab" * 10_000 + needle
    assert from_pipe(lambda fd: stream_matches(fd, needle, options), data, 3) == list(
        chosen.iter_find(data, needle, **options)
    )
    assert from_pipe(lambda fd: streams.count(stream(fd), needle, **options), data, 3) == chosen.count(
        data, needle, **options
    )


def test_a_mapping_in_parts(monkeypatch, make):
    monkeypatch.setattr(sources, "PART", 1000)
    monkeypatch.setattr(streams, "OFFSETS", 7)
    data = b"aaab" * 1000
    path = make(data)
    for needle, options in itertools.product((b"aa", b"ab", b"b" * 5), WAYS):
        with sources.Source(str(path)) as source:
            expected = list(chosen.iter_find(data, needle, **options))
            wanted = Wanted([needle], options["ignorecase"], False)
            for limit in (None, 9):
                found = source.matches(wanted, limit, options["overlapping"], None)
                assert list(itertools.chain(*found)) == expected[:limit]


def test_an_endless_pipe():
    with subprocess.Popen(YES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
        done = subprocess.run(
            [*COMMAND, "find", "--bytes", "-m", "1", "y"], stdin=endless.stdout, capture_output=True, timeout=60
        )
        endless.stdout.close()
        endless.terminate()
    assert (done.returncode, done.stdout, done.stderr) == (0, b"0\n", b"")


def test_what_is_known_is_printed_before_a_read_that_blocks():
    with subprocess.Popen(
        [*COMMAND, "find", "--bytes", "xx", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for text, answer in ((b"xx", b"0\n"), (b"..x", None), (b"x", b"4\n"), (b"xx", b"6\n")):
            process.stdin.write(text)
            process.stdin.flush()
            if answer:
                assert process.stdout.readline() == answer
        process.stdin.close()
        assert process.wait() == 0


def test_constant_memory():
    """240 MB in an address space that has no room for them."""
    data = (b"x" * 999 + b"\n") * 3000

    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (200 << 20, 200 << 20))

    for command, answer in (
        (["count", "\n"], b"240000\n"),
        (["find", "-m1", "absent"], b""),
        (["find", "--bytes", "absent"], b""),
    ):
        with subprocess.Popen(
            [*COMMAND, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=limit
        ) as process:
            for _ in range(80):
                process.stdin.write(data)
            process.stdin.close()
            assert process.stdout.read() == answer


@proc
def test_what_has_no_size(tmp_path):
    def run(*arguments):
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, timeout=60)
        return done.returncode, done.stdout

    assert run("find", "--bytes", "-m1", "--escapes", r"\0\0", "/dev/zero") == (0, b"0\n")
    assert run("count", "Name:", "/proc/self/status") == (0, b"1\n")
    assert run("count", "x", os.devnull) == (1, b"0\n")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([*COMMAND, "count", "x", fifo], stdout=subprocess.PIPE) as process:
        fifo.write_bytes(b"axbx")
        assert process.stdout.read() == b"2\n"


@pytest.mark.parametrize("shared", [0, 1, 7, 100_001])
def test_all_reads_are_of_a_size_that_every_file_takes(shared):
    """A read of pagemap that isn't of whole entries fails; all of it is half a TiB."""
    if not os.path.exists("/proc/self/pagemap"):
        pytest.skip("this system has no pagemap")
    with open("/proc/self/pagemap", "rb") as file:
        ends = [offset + end for _, end, offset in itertools.islice(streams.windows(stream(file.fileno()), shared), 6)]
    assert ends == sorted(set(ends))


@pytest.mark.parametrize(
    ("command", "output", "rest"),
    [
        (["count", "x", "-"], b"3\n", b""),
        (["find", "--bytes", "x"], b"1\n3\n6\n", b""),
        (["find", "--bytes", "-m", "2", "x"], b"1\n3\n", b"\nlx"),
        (["find", "--bytes", "-m", "9", "x"], b"1\n3\n6\n", b""),
        (["find", "--bytes", "-m", "0", "x"], b"", b" x x\nlx"),
        (["find", "--bytes", "absent"], b"", b""),
        (["count", "x", "-", "-"], b"(standard input):3\n(standard input):0\n", b""),
    ],
)
def test_standard_input_from_where_it_stands(make, command, output, rest):
    """As cat and grep read it; and it is left where they leave it."""
    with make(b"x header\n x x\nlx").open("rb", buffering=0) as file:
        os.lseek(file.fileno(), 9, os.SEEK_SET)
        done = subprocess.run([*COMMAND, *command], stdin=file, capture_output=True, timeout=60)
        assert (done.stdout, done.stderr) == (output, b"")
        assert file.read() == rest


def test_standard_input_that_stands_at_the_end_or_beyond(make):
    with make(b"xx").open("rb", buffering=0) as file:
        for offset in (2, 99):
            os.lseek(file.fileno(), offset, os.SEEK_SET)
            done = subprocess.run([*COMMAND, "count", "x"], stdin=file, capture_output=True, timeout=60)
            assert (done.returncode, done.stdout, done.stderr) == (1, b"0\n", b"")
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == offset
