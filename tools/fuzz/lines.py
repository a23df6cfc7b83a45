"""Lines by number and by offset, their starts, ranges and gather, and saved indexes: whole, old, damaged or planted."""

from __future__ import annotations

import io
import itertools
import random
import warnings
from pathlib import Path

import numpy
from support.oracle import lines_of

import fastmmap
from fastmmap.reference.sampling import SAMPLED, TOTALLED
from tools.fuzz import texts


def case(rng: random.Random, folder: Path) -> None:
    letters = rng.choice((b"a\n", b"ab\r\n", b"abcdefgh\n", b"\n", bytes(range(256))))
    text = texts.a_text(rng, letters, [b"\n", b"x" * rng.choice((1, 30, SAMPLED, SAMPLED + 1)), b"\r\n"])
    if rng.random() < 0.1:
        text = texts.enlarged(rng, text)[: 5 * TOTALLED]
    starts(rng, text)
    path = folder / "file"
    path.write_bytes(text)
    with fastmmap.open(path) as m:
        by_number(rng, m, text)
        if text:
            by_offset(rng, m, text)
            m.lines.save(folder / "index")
    if text:
        saved(rng, path, text)


def starts(rng: random.Random, text: bytes) -> None:
    """line_starts and gather of kernels."""
    start, end, _ = slice(*(span := texts.a_span(rng, len(text)))).indices(len(text))
    first = [start] if start < end else []
    expected = first + [i + 1 for i in range(start, end) if text[i] == 10 and i + 1 < end]
    offsets = [rng.randrange(len(text) + 1) for _ in range(rng.choice((0, 1, 5, 40)))]
    lengths = [rng.randrange(min(len(text) - at, 50) + 1) for at in offsets]
    place = texts.placed(rng, text)
    for kernel in texts.kernels(rng, len(text)):
        assert kernel.line_starts(place, *span).tolist() == expected
        data, bounds = kernel.gather(place, offsets, lengths)
        records = [text[at : at + length] for at, length in zip(offsets, lengths)]
        assert (data.tobytes(), bounds.tolist()) == (b"".join(records), [0, *itertools.accumulate(lengths)])
        least = min(lengths, default=0)
        rows = kernel.gather(place, offsets, least)
        assert rows.tobytes() == b"".join(text[at : at + least] for at in offsets)


def by_number(rng: random.Random, m: fastmmap.MappedFile, text: bytes) -> None:
    lines = lines_of(text)
    assert len(m.lines) == len(lines)
    assert [bytes(line) for line in m.lines] == lines
    picked = slice(texts.a_bound(rng, len(lines)), texts.a_bound(rng, len(lines)), rng.choice((None, 1, 2, -1, -3)))
    assert m.lines[picked] == lines[picked]
    numbers = [rng.randrange(-len(lines), len(lines)) for _ in range(rng.choice((0, 1, 9)))] if lines else []
    assert m.lines[numbers] == [lines[number] for number in numbers]
    assert [m.lines[number] for number in numbers] == [lines[number] for number in numbers]
    data, bounds = m.lines.gather(numbers)
    assert [data[a:b].tobytes() for a, b in itertools.pairwise(bounds)] == [lines[number] for number in numbers]
    at = [0, *itertools.accumulate(len(line) + 1 for line in lines)]
    positive = [number % len(lines) for number in numbers]
    offsets = m.lines.offset(numbers)
    assert offsets.tolist() == [at[number] for number in positive]
    assert m.lines.number(numpy.minimum(offsets, max(len(text) - 1, 0))).tolist() == positive
    for bad in (len(lines), -len(lines) - 1):
        try:
            m.lines[bad]
        except IndexError:
            continue
        raise AssertionError(f"there is no line {bad}")


def by_offset(rng: random.Random, m: fastmmap.MappedFile, text: bytes) -> None:
    at = rng.randrange(len(text))
    number = text.count(b"\n", 0, at)
    start = text.rfind(b"\n", 0, at) + 1
    end = text.find(b"\n", at)
    assert m.line_at(at) == (start, end if end >= 0 else len(text))
    assert m.lines.number(at) == number
    mark = rng.choice((b"\n", b"a", b"aa", b"\r\n", b"aba", None))
    ranges = m.ranges(rng.choice((1, 2, 3, 7, 100, len(text))), align=mark)
    assert [low for low, _ in ranges] == [0, *(high for _, high in ranges[:-1])]
    assert ranges[-1][1] == len(text)
    if mark is not None:
        ends = set(itertools.accumulate(len(piece) + len(mark) for piece in text.split(mark)))
        assert {high for _, high in ranges[:-1]} <= ends, (mark, ranges)


def saved(rng: random.Random, path: Path, text: bytes) -> None:
    """An index in a file: what comes of it is what the text has, or an error that says what is wrong."""
    index = path.with_name("index")
    kind = rng.choice(("whole", "grown", "other", "damaged", "planted"))
    if kind == "grown":
        text += texts.some(rng, b"a\n", 100)
        with path.open("ab") as file:
            file.write(text[path.stat().st_size :])
    elif kind == "other":
        text = texts.mutated(rng, text)[: rng.randrange(1, len(text) + 1)]
        path.write_bytes(text)
    elif kind == "damaged":
        index.write_bytes(damaged(rng, index.read_bytes()))
    elif kind == "planted":
        index.write_bytes(planted(rng, index.read_bytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore" if kind not in ("whole", "grown") else "error")
        try:
            m = fastmmap.open(path, index=index)
        except ValueError as error:
            if kind not in ("damaged", "planted"):
                raise
            texts.check_error(error, "index")
            return
    with m:
        if kind != "planted":
            by_number(rng, m, text)
            return
        try:  # its numbers are lies, which may be told but mustn't lead out of the mapping
            probe(rng, m, len(text))
        except (IndexError, ValueError) as error:
            texts.check_error(error)


def damaged(rng: random.Random, data: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return data[: rng.randrange(len(data))]
    if kind == 1:
        at = rng.randrange(len(data))
        return data[:at] + rng.randbytes(rng.randrange(40)) + data[at:]
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(data))
        data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    return data


def planted(rng: random.Random, data: bytes) -> bytes:
    """An index whose arrays are others, with checksums that fit."""
    with numpy.load(io.BytesIO(data)) as arrays:
        parts = {name: arrays[name].copy() for name in ("facts", "before", "inside")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what doesn't fit is cut
        for _ in range(rng.choice((1, 2, 5))):
            name = rng.choice(list(parts))
            try:
                parts[name] = changed(rng, parts[name])
            except ValueError:  # text that isn't that of a number has no other type: it stays
                continue
    file = io.BytesIO()
    numpy.savez(file, **parts)
    return file.getvalue()


def changed(rng: random.Random, array: numpy.ndarray) -> numpy.ndarray:
    """Shorter, of another type or shape, or with another number from some place on."""
    kind = rng.randrange(5)
    if kind == 0:
        return array[: rng.randrange(len(array) + 1)]
    if kind == 1:
        return array.astype(rng.choice(("u8", "i8", "f8", "u1", "?", "S3", "u2", ">i8", "c16")))
    if kind == 2:
        return array.reshape(rng.choice(((-1, 1), (1, -1))))
    value = rng.choice((0, 1, 255, 65535, 2**31, 2**63 - 1, rng.getrandbits(63)))
    at = rng.randrange(len(array)) if array.ndim == 1 and len(array) else 0
    array[at:] = numpy.array(value).astype(array.dtype)
    return array


def probe(rng: random.Random, m: fastmmap.MappedFile, size: int) -> None:
    """All that goes by an index."""
    number = len(m.lines)
    m.lines.number([0, size - 1, rng.randrange(size)])
    for which in (0, -1, number // 2, rng.randrange(number) if number > 0 else 0):
        m.lines[which]
        m.lines.offset(which)
    m.lines.gather([0, number - 1])
    m.lines[: min(number, 100)]
