"""append and Stage of every kernel."""

from __future__ import annotations

import os
import sys

import numpy
import pytest
from support.marks import cut_while_mapped

import fastmmap


def test_append(kernel):
    buffer = bytearray(10)
    assert kernel.append(buffer, 0, b"abc") == 3
    assert kernel.append(buffer, 3, "dé") == 6
    assert kernel.append(buffer, 6, memoryview(b"1234")) == 10
    assert kernel.append(buffer, 10, b"") == 10
    assert buffer == "abcdé1234".encode()
    assert kernel.append(buffer, 1, numpy.array([258], dtype="<u2")) == 3
    assert buffer[:4] == b"a\x02\x01d"


def test_append_of_the_buffer_itself(kernel):
    buffer = bytearray(b"abcdef")
    assert kernel.append(buffer, 2, memoryview(buffer)[:4]) == 6
    assert buffer == b"ababcd"


def test_append_much(kernel):
    data = bytes(range(256)) * 20_000
    buffer = bytearray(len(data) + 3)
    assert kernel.append(buffer, 3, data) == len(buffer)
    assert buffer[3:] == data


@pytest.mark.parametrize(
    ("buffer", "position", "data", "error", "words"),
    [
        (bytearray(4), 2, b"abc", ValueError, "don't fit"),
        (bytearray(4), 5, b"", ValueError, "outside"),
        (bytearray(4), -1, b"a", ValueError, "outside"),
        (bytearray(4), 2**70, b"a", ValueError, "outside"),
        (bytearray(4), None, b"a", TypeError, "position"),
        (bytearray(4), 1.0, b"a", TypeError, None),
        (bytearray(4), 0, 97, TypeError, "data"),
        (bytearray(4), 0, None, TypeError, "data"),
        (b"abcd", 0, b"a", BufferError, None),
        ("abcd", 0, b"a", TypeError, "fastmmap.open"),
        (memoryview(bytearray(4))[::2], 0, b"a", BufferError, "contiguous"),
    ],
)
def test_append_refuses(kernel, buffer, position, data, error, words):
    with pytest.raises(error, match=words):
        kernel.append(buffer, position, data)
    if isinstance(buffer, bytearray):
        assert buffer == bytes(4)


def test_a_stage_takes_records_until_it_is_full(kernel):
    buffer = bytearray(8)
    stage = kernel.Stage(buffer)
    stage.append(b"abc")
    stage.append("é")
    assert stage.append_many([b"1", b"2"]) == 2
    assert stage._tail == 7
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append(b"xy")
    assert stage._tail == 7
    stage.append(b"")
    stage.append(bytearray(b"!"))
    assert buffer == "abcé12!".encode()
    with pytest.raises(TypeError, match="data"):
        stage.append(5)


def test_a_stage_switches_at_its_turn(kernel):
    """Who comes too late does nothing, and keeps no buffer."""
    first, second = bytearray(4), bytearray(4)
    stage = kernel.Stage(first)
    filling = stage._filling
    assert stage._switch(second, filling=filling - 1) == stage._switch(second, filling=filling + 1) == -1
    second.append(0)
    assert stage._switch(second, filling=filling) == -1, "nothing is stored: somebody has written it elsewhere"
    second.append(0)
    stage.append(b"ab")
    assert (stage._filling, stage._tail, first) == (filling, 2, b"ab\0\0")
    assert stage._switch(second, rests=True, filling=filling) == 2
    assert (stage._filling, stage._tail) == (filling + 1, 0)
    assert not stage._take(b"")


@cut_while_mapped
def test_a_stage_switches_to_memory_that_was_cut(kernel, tmp_path):
    """Its word is read: where its file is gone, that is an error, and the stage stays where it was."""
    if kernel.name == "python":
        pytest.skip("the reference reads without the guard")
    path = tmp_path / "file"
    path.write_bytes(bytes(8192))
    stage = kernel.Stage(bytearray(4))
    with fastmmap.open(path, "r+") as mapping:
        os.truncate(path, 0)
        with pytest.raises(fastmmap.MappedFileError, match="truncated"):
            stage._switch(mapping, 64, 128, word=8)
        os.truncate(path, 8192)
        mapping.resize(0)  # which no view keeps from it
    stage.append(b"abcd")
    assert stage._tail == 4


def test_a_stage_counts_what_went_elsewhere(kernel):
    stage = kernel.Stage(bytearray(4))
    stage.append(b"abc")
    stage._count(1000)
    assert (stage._stored, stage._tail) == (1003, 3)


def test_a_stage_switches_buffers(kernel):
    first, second = bytearray(4), bytearray(4)
    stage = kernel.Stage(first)
    stage.append(b"abc")
    with pytest.raises(BufferError):
        first.append(0)
    assert stage._switch(second) == 3
    first.append(0)
    stage.append(b"x")
    assert stage._switch(None) == 1
    assert (first, second) == (b"abc\0\0", b"x\0\0\0")
    second.append(0)
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append(b"x")
    with pytest.raises(BufferError):
        stage._switch(b"read-only")


def test_a_subclass_makes_room(kernel):
    class Drain(kernel.Stage):
        def _overflow(self, data):
            self.drained += bytes(self.buffer[: self._switch(self.buffer)])
            self.append(data)

    stage = Drain()
    stage.buffer, stage.drained = bytearray(5), b""
    stage._switch(stage.buffer)
    stage.append_many([b"abc", b"de", b"f", b"ghij"])
    assert stage.drained + stage.buffer[: stage._tail] == b"abcdefghij"


def word_of(buffer, at):
    return int.from_bytes(buffer[at : at + 8], sys.byteorder)


def test_a_stage_within_a_buffer_tells_how_far_it_is(kernel):
    """Records go to [start, end) alone, and the word beside them grows by their lengths."""
    buffer = bytearray(40)
    buffer[8:16] = (7 << 32).to_bytes(8, sys.byteorder)
    stage = kernel.Stage()
    assert stage._switch(buffer, 16, 24, word=8) == 0
    stage.append(b"abc")
    assert word_of(buffer, 8) == (7 << 32) + 3
    assert stage.append_many([b"de", b"", b"f"]) == 3
    stage.append(memoryview(b"gh"))
    assert word_of(buffer, 8) == (7 << 32) + 8
    assert not stage._take(b"i")
    assert buffer == bytes(8) + (8 + (7 << 32)).to_bytes(8, sys.byteorder) + b"abcdefgh" + bytes(16)
    assert stage._switch(buffer, 32, word=24) == 8
    stage.append("ä")
    assert (word_of(buffer, 24), buffer[32:]) == (2, "ä".encode() + bytes(6))
    assert stage._switch(None) == 2


@pytest.mark.parametrize(
    ("start", "end", "word"),
    [
        (-1, None, None), (5, 4, None), (0, 17, None), (17, None, None), (0, 8, 4), (0, 8, 0), (8, 16, 8), (8, 16, 16),
        (8, 16, -8), (1, 16, 0), (16, 16, 24),
    ],
)  # fmt: skip
def test_a_stage_has_no_place_outside_its_buffer(kernel, start, end, word):
    buffer = bytearray(16)
    stage = kernel.Stage(buffer)
    stage.append(b"kept")
    with pytest.raises(ValueError, match="outside"):
        stage._switch(buffer, start, end, word)
    assert stage._tail == 4
    stage.append(b"!")
    assert buffer.startswith(b"kept!\0")
    stage._switch(None)
    buffer.clear()  # no export is left


def test_a_resting_stage_lets_records_overflow(kernel):
    stage = kernel.Stage(bytearray(8))
    assert stage._rest()
    assert not stage._take(b"")
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append(b"a")
    stage._wake()
    assert stage._take(b"a")
    assert not stage._rest()
    assert stage._take(b"b")
    assert stage._rest(anyway=True)
    assert stage.append_many([]) == 0
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append_many([b"c"])
    stage._wake()
    assert stage.append_many((b"c", "d")) == 2
    assert stage._tail == 4
    stage._switch(None)
    stage._wake()
    assert not stage._take(b"")


def test_a_stage_has_a_largest_record(kernel):
    stage = kernel.Stage(bytearray(100))
    stage._largest = 3
    assert stage._take(b"abc")
    assert not stage._take(b"abcd")
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append_many([b"a", b"abcd"])
    assert stage._tail == 4


class Sequence(list):
    pass


@pytest.mark.parametrize("kind", [list, tuple, Sequence, iter])
@pytest.mark.parametrize("number", [0, 1, 63, 64, 65, 128, 1000])
def test_append_many_of_all_kinds(kernel, kind, number):
    """Lists and tuples are stored in runs. What isn't bytes, or doesn't fit, ends a run wherever it is."""

    class Drain(kernel.Stage):
        drained = b""

        def _overflow(self, data):
            self.drained += bytes(self.buffer[: self._switch(self.buffer)])
            if not self._take(data):
                self.drained += bytes(data)

    records = [b"%d " % i * (i % 7) for i in range(number)]
    for i in range(0, number, 31):
        records[i] = memoryview(records[i])
    for i in range(17, number, 50):
        records[i] = b"L" * 99
    stage = Drain()
    stage.buffer = bytearray(64)
    stage._switch(stage.buffer)
    assert stage.append_many(kind(records)) == number
    assert stage.drained + stage.buffer[: stage._tail] == b"".join(records)


def test_append_many_keeps_what_came_before_an_error(kernel):
    stage = kernel.Stage(bytearray(100))
    with pytest.raises(TypeError, match="data"):
        stage.append_many([b"a", "b", 5, b"c"])

    def records():
        yield b"c"
        raise KeyError

    with pytest.raises(KeyError):
        stage.append_many(records())
    assert stage._tail == 3
    with pytest.raises(TypeError):
        stage.append_many(7)


def test_append_many_appends_by_a_subclass_s_append(kernel):
    class Lines(kernel.Stage):
        def append(self, data):
            super().append(data + b"\n")

    buffer = bytearray(6)
    assert Lines(buffer).append_many([b"ab", b"cd"]) == 2
    assert buffer == b"ab\ncd\n"


def test_a_list_that_grows_while_it_is_appended(kernel):
    class Growing(kernel.Stage):
        def _overflow(self, data):
            records.extend([b"x"] * 3)

    stage, records = Growing(bytearray(8)), [b"a", b"too long to fit"]
    assert stage.append_many(records) == 5
    assert stage._tail == 4
