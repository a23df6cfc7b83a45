"""append and Stage of every kernel."""

from __future__ import annotations

import numpy
import pytest


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
    assert stage.tail == 7
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append(b"xy")
    assert stage.tail == 7
    stage.append(b"")
    stage.append(bytearray(b"!"))
    assert buffer == "abcé12!".encode()
    with pytest.raises(TypeError, match="data"):
        stage.append(5)


def test_a_stage_switches_buffers(kernel):
    first, second = bytearray(4), bytearray(4)
    stage = kernel.Stage(first)
    stage.append(b"abc")
    with pytest.raises(BufferError):
        first.append(0)
    assert stage.switch(second) == 3
    first.append(0)
    stage.append(b"x")
    assert stage.switch(None) == 1
    assert (first, second) == (b"abc\0\0", b"x\0\0\0")
    second.append(0)
    with pytest.raises(ValueError, match="doesn't fit"):
        stage.append(b"x")
    with pytest.raises(BufferError):
        stage.switch(b"read-only")


def test_a_subclass_makes_room(kernel):
    class Drain(kernel.Stage):
        def overflow(self, data):
            self.drained += bytes(self.buffer[: self.switch(self.buffer)])
            self.append(data)

    stage = Drain()
    stage.buffer, stage.drained = bytearray(5), b""
    stage.switch(stage.buffer)
    stage.append_many([b"abc", b"de", b"f", b"ghij"])
    assert stage.drained + stage.buffer[: stage.tail] == b"abcdefghij"
