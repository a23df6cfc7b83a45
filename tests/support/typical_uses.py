"""What users write, for type checkers: `mypy --strict` and pyright read it, nobody runs it."""

from __future__ import annotations

import gzip
import logging
import pathlib
import re
import shutil
import sys
from collections.abc import Iterator

import numpy
from typing_extensions import assert_type

import fastmmap as fm

Offsets = numpy.ndarray[tuple[int], numpy.dtype[numpy.int64]]


def search(path: pathlib.Path, data: bytearray, view: memoryview) -> None:
    assert_type(fm.find(b"data", b"a"), int)
    assert_type(fm.find(path, "a", 10, -1, ignorecase=True, threads=2), int)
    assert_type(fm.rfind(data, 97, end=5), int)
    assert_type(fm.count(view, bytearray(b"a"), overlapping=True), int)
    assert_type(fm.find_all(data, "a", limit=10), Offsets)
    assert_type(fm.find(numpy.zeros(10, numpy.uint8), numpy.frombuffer(b"a", numpy.uint8)), int)
    assert_type(fm.iter_find(data, memoryview(b"a")), Iterator[int])
    for offset in fm.iter_find(path, "a"):
        assert_type(offset, int)


def search_for_many(path: pathlib.Path, data: bytes) -> None:
    needles = fm.Needles(["a", b"b", 99], ignorecase=True)
    assert_type(fm.find(data, ["a", b"b"]), int)
    assert_type(fm.count(path, needles), int)
    assert_type(fm.find_all(data, ("a", "b")), Offsets)
    assert_type(fm.count_each(data, [b"a", b"b"], threads=1), Offsets)
    offsets, which = fm.find_each(path, needles, limit=5)
    assert_type(offsets, Offsets)
    assert_type(which, numpy.ndarray[tuple[int], numpy.dtype[numpy.int32]])
    print(which.tolist(), needles[0], len(needles), list(needles))


def search_by_lines(path: pathlib.Path, data: bytes) -> None:
    def told(done: int, total: int | None) -> None:
        print(done, total)

    for match in fm.grep(path, re.compile(rb"a+"), before=1, after=2, limit=5, progress=told):
        assert_type(match, fm.Match)
        assert_type(match.line, bytes)
        assert_type(match.number + match.offset + match.start + match.end, int)
        assert_type(match.before + match.after, list[bytes])
    list(fm.grep(data, "a", invert=True))
    list(fm.grep(data, [b"a", "b"], ignorecase=True))
    list(fm.grep(data, fm.Needles(["a"])))
    with gzip.open(path) as file:
        assert_type(fm.count(file, b"a", progress=told), int)
    with open(path, "rb") as stream:
        assert_type(fm.find(stream, [b"a", b"b"]), int)
        assert_type(fm.iter_find(stream, "a"), Iterator[int])
        list(fm.grep(stream, b"a"))
    list(fm.grep(sys.stdin.buffer, b"a"))
    with fm.open(path, index="lines.index") as m:
        m.lines.prepare(progress=told)
        m.lines.save(path.with_suffix(".index"))
        assert_type(m.lines.bisect(lambda line: line[:10], b"2026-01-01"), int)
        assert_type(m.lines.bisect(lambda line: int(line) if line.isdigit() else None, 5), int)


def change(data: bytearray) -> None:
    assert_type(fm.replace(data, "old", b"new", 3, start=1, end=None, threads=None), int)
    assert_type(fm.replace(data, {"old": b"new", b"one": "two"}), int)
    assert_type(fm.append(data, 0, "text"), int)


def lines(path: pathlib.Path) -> None:
    starts = fm.line_starts(path, 0, 100)
    assert_type(starts, Offsets)
    fm.gather(path, starts, 4)
    fm.gather(path, [1, 2], [3, 4])


def files(path: str) -> None:
    with fm.open(path) as m:
        assert_type(m, fm.MappedFile)
        assert_type(m.find("a"), int)
        assert_type(m.rfind("a", 0, 10), int)
        assert_type(m.count("a", ignorecase=True), int)
        assert_type(m.find_all(b"a", limit=None), Offsets)
        assert_type(m.find([b"a", b"b"]), int)
        assert_type(m.count_each([b"a", b"b"]), Offsets)
        assert_type(m.iter_find("a"), Iterator[int])
        assert_type(m.line_starts(), Offsets)
        assert_type(m.line_at(5), tuple[int, int])
        assert_type(m.ranges(4, align=None), list[tuple[int, int]])
        assert_type("a" in m, bool)
        assert_type(len(m), int)
        assert_type(m.read(10), bytes)
        assert_type(m.readline(), bytes)
        assert_type(m.seek(0), int)
        assert_type(m.closed, bool)
        assert_type(m.backend, str)
        assert_type(m.lines, fm.Lines)
        assert_type(m.refresh(), int)
        assert_type(len(m.lines), int)
        assert_type(m.lines[1_000_000], bytes)
        assert_type(m.lines[-1].decode(), str)
        assert_type(m.lines[5:9], list[bytes])
        assert_type(m.lines[[1, 2]], list[bytes])
        assert_type(m.lines[numpy.arange(3)], list[bytes])
        assert_type(m[0], int)
        assert_type(m[1:3], bytes)
        numpy.frombuffer(m, dtype=numpy.uint8)
        fm.find(m, "a")
        memoryview(m)
        with open("copy", "wb") as copy:
            shutil.copyfileobj(m, copy)
    with fm.open(pathlib.Path(path), "r+", size=100, offset=10, drop_behind=True) as m:
        m[0] = 1
        m[1:3] = b"ab"
        assert_type(m.replace("old", "new", 1), int)
        assert_type(m.replace({"old": "new"}, start=5), int)
        assert_type(m.append("text"), int)
        m.resize(200)
        m.flush(0, 10, wait=False)
        m.advise("sequential")
    fm.open(None, size=10).close()
    fm.open(3).close()
    shared = fm.open_shared("name", 10)
    shared.unlink()


def edit(path: pathlib.Path) -> None:
    def progress(done: int, total: int) -> None:
        print(done, total)

    done = fm.replace_file(path, "old", b"new", 1, durable=False, backup=".orig", force=True, progress=progress)
    assert_type(done, fm.Replacement)
    assert_type(done.count, int)
    assert_type(done.path, str)
    assert_type(int(done), int)
    plan = fm.plan_replace("file", "old", "new")
    assert_type(plan, fm.Plan)
    assert_type(plan.new_size, int)
    assert_type(plan.counts, tuple[int, ...])
    assert_type(fm.plan_replace(path, {"old": b"new"}, count=3), fm.Plan)
    assert_type(fm.replace_file(path, {b"old": "new"}, durable=False), fm.Replacement)
    assert_type(fm.replace_file(path, "old", "", in_place=True, journal=path, durable=True), fm.Replacement)
    assert_type(fm.replace_file(path, {"old": "new"}, in_place=True, ignorecase=True), fm.Replacement)
    assert_type(fm.plan_replace(path, "old", "new", ignorecase=True), fm.Plan)
    assert_type(fm.plan_replace(path, "old", "new").apply(in_place=True), fm.Replacement)
    assert_type(fm.recover(path), bool)
    assert_type(plan.preview(3), list[fm.Change])
    assert_type(plan.preview()[0].before, bytes)
    assert_type(plan.apply(threads=1), fm.Replacement)


def log(path: pathlib.Path) -> None:
    with fm.Appender(path, sync="interval", interval=0.5, stage_size=1 << 16, stage_dir="/tmp") as log:
        assert_type(log, fm.Appender)
        log.append(b"one\n")
        log.append("two\n")
        assert_type(log.append_many(f"{i}\n" for i in range(3)), int)
        assert_type(log.write("four\n"), int)
        log.writelines([b"five\n", "six\n"])
        print("seven", file=log)
        assert_type(log.fileno(), int)
        assert_type(log.isatty(), bool)
        assert_type(log.encoding, str)
        log.flush()
        log.sync()
        log.reopen()
        assert_type(log.position, int)
        assert_type(log.size, int)
        assert_type(log.survives_kill, bool)
        print("seven", file=log)
    assert_type(fm.recover(path), bool)


def errors(path: pathlib.Path) -> None:
    try:
        fm.count(path, "a")
    except fm.MappedFileError as error:
        assert_type(error.offset, int)
        assert_type(error.reason, str)
    assert_type(fm.kernel, str)
    assert_type(fm.kernels(), list[str])
    assert_type(fm.__version__, str)


def handler(path: pathlib.Path) -> None:
    made = fm.LogHandler(path, maxBytes=1000, backupCount=2, when="midnight", flush_level="WARNING")
    assert_type(made, fm.LogHandler)
    logging.basicConfig(handlers=[made])
    made.rotator = lambda source, dest: None
    made.doRollover()


def follow(path: pathlib.Path) -> None:
    with fm.follow(path, start=(3, 100), timeout=0.5) as lines:
        for line in lines:
            assert_type(line, bytes)
        assert_type(lines.position, "tuple[int, int] | None")
    fm.follow(str(path), start="end")
    fm.follow(bytes(path), start=0)


async def follow_asynchronously(path: pathlib.Path) -> None:
    async for line in fm.follow(path):
        assert_type(line, bytes)
