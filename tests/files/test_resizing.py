"""resize, append and mode "w+": a mapping ends where its file does, and a file isn't emptied in vain."""

from __future__ import annotations

import contextlib
import errno
import os
import random

import pytest
from support.lacks import resource
from support.marks import resized_while_mapped
from support.stepping import Steps

import fastmmap
from fastmmap import growing, resizing, system
from fastmmap._backend import NATIVE
from fastmmap.reference import mapping

FILES = {module.__file__ for module in (growing, resizing, system, mapping)}
STEPS = Steps(lambda code: code.co_filename in FILES, ("line", "c_return"))

# A native mapping refuses who looks while the system moves it, in the same thread at once.
REFUSED = (BufferError,) if NATIVE else ()

CHANGES = {
    "grow": lambda m: m.resize(50_000),
    "shrink": lambda m: m.resize(5000),
    "append": lambda m: m.append(b"x" * 20_000),
}


@resized_while_mapped
@pytest.mark.parametrize("change", CHANGES)
def test_who_looks_while_it_changes_sees_it_before_or_after(memory_path, change):
    """At any line and behind any call, as another thread or a signal handler does."""
    path = memory_path / "file"
    text = b"x\n" * 15_000
    looked = 0
    for number in range(1, 500):
        path.write_bytes(text)
        with fastmmap.open(path, "r+") as m:
            seen = []

            def look(m=m, seen=seen):
                with contextlib.suppress(*REFUSED):
                    seen.append((len(m), m[:], m[-1], m[3]))

            if not STEPS.run(lambda m=m: CHANGES[change](m), number, look):
                break
            looked += len(seen)
            if not seen:
                continue
            length, whole, last, fourth = seen[0]
            assert length == len(whole) in (len(text), len(m))
            assert whole in (text, m[:])
            assert (last, fourth) == (whole[-1], whole[3])
    assert looked > 10


@pytest.mark.parametrize("allocates", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "theirs"), KeyboardInterrupt()])
@pytest.mark.parametrize("change", CHANGES)
def test_a_mapping_ends_where_its_file_does(memory_path, monkeypatch, change, error, allocates):
    """Whatever a handler raises, at any line and behind any call: a change is done or it isn't."""
    if not allocates:
        monkeypatch.setattr(system.native, "fallocate", lambda *arguments: False)
    monkeypatch.setattr(growing, "_QUIET", 0)
    path = memory_path / "file"
    for number in range(1, 500):
        path.write_bytes(b"x\n" * 15_000)
        with fastmmap.open(path, "r+") as m:
            len(m.lines)
            ended = raises_at(number, error, lambda: CHANGES[change](m))
            status = path.stat()
            assert len(m) == status.st_size
            assert status.st_blocks * 512 <= -(-status.st_size // 65536) * 65536
            assert m.count(b"x") == path.read_bytes().count(b"x")
            assert len(m.lines) == len(m.line_starts())
            if not ended and status.st_size == 30_000:
                CHANGES[change](m)
                assert len(m) == path.stat().st_size != 30_000
        if ended:
            break
    assert 20 < number < 500


def raises_at(number, error, change):
    """Has a change raise an error at its n-th step, a line of ours or a call's return. Whether it ended before."""

    def raise_it():
        raise error

    try:
        return not STEPS.run(change, number, raise_it)
    except type(error) as raised:
        assert raised is error  # noqa: PT017
        return False


@pytest.mark.parametrize("size", [1 << 62, (1 << 63) - 1, 4 << 20])
def test_a_file_is_not_emptied_for_what_has_no_room(small_disk, size):
    path = small_disk / "file"
    path.write_bytes(b"abc\n")
    fd = os.open(path, os.O_RDWR)
    for file in (path, fd):
        with pytest.raises(OSError, match="No space left|too large"):
            fastmmap.open(file, "w+", size=size)
        assert path.read_bytes() == b"abc\n"
    os.close(fd)


def test_what_a_file_had_is_room_for_what_it_is_to_have(small_disk):
    path = small_disk / "file"
    path.write_bytes(b"a" * 700_000)
    with fastmmap.open(path, "w+", size=1_000_000) as m:
        assert m[:] == bytes(1_000_000)


@pytest.mark.skipif(not NATIVE, reason="the mmap module maps nothing beyond the end")
def test_a_file_is_not_emptied_for_what_can_not_be_mapped(make):
    path = make(b"abc")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 33, hard))
    try:
        with pytest.raises(OSError, match="file"):
            fastmmap.open(path, "w+", size=1 << 34)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert path.read_bytes() == b"abc"


# --- refresh ---


@pytest.mark.parametrize("mode", ["r", "r+"])
def test_what_others_add_is_mapped(make, mode):
    path = make(b"one\ntw")
    with fastmmap.open(path, mode) as m:
        assert m.lines[:] == [b"one", b"tw"]
        assert m.refresh() == 6
        for written, lines in ((b"o\nthree\n", [b"one", b"two", b"three"]), (b"4", [b"one", b"two", b"three", b"4"])):
            with path.open("ab") as file:
                file.write(written)
            assert m.refresh() == len(m) == path.stat().st_size
            assert m.lines[:] == lines
        if not system.CUTS_MAPPED:
            return
        os.truncate(path, 5)
        assert (m.refresh(), m[:]) == (5, b"one\nt")
        assert m.lines[:] == [b"one", b"t"]
        os.truncate(path, 0)
        assert (m.refresh(), m.lines[:]) == (0, [])
        path.write_bytes(b"new\n")
        assert (m.refresh(), m.lines[:]) == (4, [b"new"])


def test_an_index_that_grows_with_the_file(make):
    """By pieces of all sizes, beyond the entries of the index."""
    rng = random.Random(4)
    text = b"first\n"
    path = make(text)
    with fastmmap.open(path) as m:
        for _ in range(40):
            piece = b"".join(b"x" * rng.randint(0, 200) + b"\n" for _ in range(rng.choice((0, 1, 30, 900))))
            piece = piece[: rng.randint(0, len(piece))]
            text += piece
            with path.open("ab") as file:
                file.write(piece)
            m.refresh()
            if rng.random() < 0.7:
                lines = text.split(b"\n")
                assert m.lines[:] == (lines[:-1] if lines[-1] == b"" else lines)


def test_what_cannot_be_refreshed(make):
    path = make(b"one\ntwo\n")
    with fastmmap.open(path, "c") as m, pytest.raises(TypeError, match="'c'"):
        m.refresh()
    with fastmmap.open(path, size=3) as m, pytest.raises(ValueError, match="part"):
        m.refresh()
    with fastmmap.open(path) as m:
        view = m.view()
        assert m.refresh() == 8
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(BufferError):
            m.refresh()
        assert m[:] == b"one\ntwo\n"
        view.release()
        assert m.refresh() == 12
    with pytest.raises(ValueError, match="closed"):
        m.refresh()
    with fastmmap.open(None, size=5) as m:
        assert m.refresh() == 5
