"""LogHandler in the place of the standard library's handlers: its arguments, its files, and when records are there."""

from __future__ import annotations

import logging
import logging.config
import logging.handlers
import os
import random
import subprocess
import sys
import time

import pytest
from support.commands import DIE
from support.handlers import files, record
from support.marks import each_stage

import fastmmap

pytestmark = each_stage


# --- as the standard library's ---


@pytest.fixture
def newlines(monkeypatch):
    r"""Has the standard library's handlers end lines with \n on Windows, too, as ours do."""

    def open_file(self):
        return open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, newline="\n")

    monkeypatch.setattr(logging.FileHandler, "_open", open_file)


@pytest.mark.usefixtures("newlines")
@pytest.mark.parametrize("seed", range(3))
def test_the_files_are_those_of_rotating_file_handler(path, tmp_path, tmp_path_factory, handler, seed):
    rng = random.Random(seed)
    most, count = rng.choice(((100, 3), (1000, 5), (10_000, 50)))
    other = tmp_path_factory.mktemp("other")
    theirs = logging.handlers.RotatingFileHandler(other / "app.log", maxBytes=most, backupCount=count)
    mine = handler(maxBytes=most, backupCount=count)
    for _ in range(200):
        each = record("x" * rng.choice((0, 1, 50, most // 3, most // 2, most - 1, most, 2 * most)))
        if os.path.getsize(other / "app.log") == 0 and len(each.msg) + 1 >= most:
            continue  # older Pythons rotate an empty file
        theirs.handle(each)
        mine.handle(each)
        if rng.random() < 0.1:
            mine.flush()
    mine.close()
    theirs.close()
    assert files(tmp_path) == files(other)


@pytest.mark.usefixtures("newlines")
@pytest.mark.parametrize("when", ["S", "M", "H", "D", "midnight", "W3"])
@pytest.mark.parametrize("utc", [False, True])
def test_the_files_are_those_of_timed_rotating_file_handler(
    path, tmp_path, tmp_path_factory, handler, monkeypatch, when, utc
):
    now = 1_790_000_000.25
    monkeypatch.setattr(time, "time", lambda: now)
    other = tmp_path_factory.mktemp("other")
    for folder in (tmp_path, other):  # the first rotation depends on when the file was changed last
        (folder / "app.log").touch()
        os.utime(folder / "app.log", (now, now))
    options = {"when": when, "utc": utc, "backupCount": 3}
    theirs = logging.handlers.TimedRotatingFileHandler(other / "app.log", **options)
    mine = handler(**options)
    step = {"S": 0.3, "M": 20, "H": 1000}.get(when, 40_000 if when != "W3" else 200_000)
    for number in range(40):
        now += step
        for each in (theirs, mine):
            each.handle(record(f"{number} at {now}", created=now))
    mine.close()
    theirs.close()
    assert len(files(other)) == 4
    assert files(tmp_path) == files(other)


def test_time_and_size(path, tmp_path, handler, monkeypatch):
    """A date that is taken gets a number; the oldest go, whatever they are called."""
    now = 1_790_000_000.25
    monkeypatch.setattr(time, "time", lambda: now)
    path.touch()
    os.utime(path, (now, now))
    mine = handler(when="D", maxBytes=100, backupCount=5, utc=True)
    for number in range(24):
        if number == 12:
            now += 86_400
        mine.handle(record(f"{number:02} {'x' * 60}", created=now))
    mine.close()
    found = files(tmp_path)
    assert found.pop("app.log")[:2] == b"23"
    dates = ("2026-09-21", "2026-09-22")
    assert sorted(found) == [f"app.log.{dates[1]}{end}" for end in (".006", ".007", ".008", ".009", ".010")]
    assert [found[name][:2] for name in sorted(found)] == [b"%02d" % number for number in range(18, 23)]


def test_what_it_is(handler, path):
    mine = handler()
    assert isinstance(mine, logging.FileHandler)
    assert mine.baseFilename == str(path)
    assert "app.log" in repr(mine)
    assert mine.stream.name == str(path)


@pytest.mark.parametrize("make", [str, os.fsencode, lambda path: path], ids=["str", "bytes", "PathLike"])
def test_kinds_of_paths(path, handler, make):
    handler(filename=make(path)).handle(record("one"))


def test_a_relative_path(tmp_path, handler, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = handler(filename="app.log")
    mine.handle(record("one"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    mine.handle(record("two"))
    mine.close()
    assert (tmp_path / "app.log").read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"mode": "r"}, ValueError, "mode must be one of 'a', 'w', 'x', not 'r'"),
        ({"maxBytes": -1}, ValueError, "maxBytes must be at least 0, not -1"),
        ({"backupCount": -1}, ValueError, "backupCount must be at least 0, not -1"),
        ({"maxBytes": 1.5}, TypeError, "float"),
        ({"maxBytes": "1M"}, TypeError, "str"),
        ({"when": "never"}, ValueError, "NEVER"),
        ({"when": 5}, TypeError, "when must be a str or None, not 'int'"),
        ({"when": "W9"}, ValueError, "W9"),
        ({"when": "S", "interval": 0}, ValueError, "interval must be at least 1, not 0"),
        ({"encoding": "no such"}, LookupError, "no such"),
        ({"encoding": "utf-16"}, ValueError, "encoding='utf-16' marks the beginning of each text"),
        ({"encoding": "utf-8-sig"}, ValueError, "encoding='utf-8-sig' marks"),
        ({"errors": "no such"}, LookupError, "no such"),
        ({"flush_level": "LOUD"}, ValueError, "LOUD"),
        ({"flush_level": 1.5}, TypeError, "1.5"),
        ({"filename": 3}, TypeError, "int"),
    ],
)
def test_bad_arguments(tmp_path, handler, options, error, words):
    with pytest.raises(error, match=words):
        handler(**options)
    assert os.listdir(tmp_path) == []


def test_modes(path, handler):
    path.write_bytes(b"old\n")
    with pytest.raises(FileExistsError):
        handler(mode="x")
    mine = handler(mode="a")
    mine.handle(record("one"))
    mine.close()
    assert path.read_bytes() == b"old\none\n"
    mine = handler(mode="w")
    mine.handle(record("two"))
    mine.close()
    mine.handle(record("three"))  # as FileHandler, it opens the file again
    mine.close()
    assert path.read_bytes() == b"two\nthree\n"
    mine = handler(mode="w", maxBytes=1000, backupCount=1)
    mine.close()
    assert path.read_bytes() == b"two\nthree\n"


def test_delay(path, handler):
    mine = handler(delay=True)
    mine.flush()
    assert not path.exists()
    mine.handle(record("one"))
    mine.close()
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "utf-16-le", "cp037", None])
def test_encodings(path, handler, encoding):
    mine = handler(encoding=encoding, errors="backslashreplace")
    mine.handle(record("é\ud800 plain €"))
    mine.handle(record("plain"))
    mine.close()
    codec = encoding or __import__("locale").getpreferredencoding(False)
    assert path.read_bytes() == "é\ud800 plain €\nplain\n".encode(codec, "backslashreplace")


def test_a_terminator(path, handler):
    mine = handler()
    mine.terminator = "\r\n"
    mine.handle(record("one"))
    mine.terminator = "\u2028"
    mine.handle(record("two"))
    mine.close()
    assert path.read_bytes() == b"one\r\ntwo\xe2\x80\xa8"


def test_a_formatter_that_makes_bytes(path, handler):
    class Bytes(logging.Formatter):
        def format(self, record):
            return b"\xff%d" % record.levelno

    mine = handler()
    mine.setFormatter(Bytes())
    mine.handle(record("one"))
    mine.close()
    assert path.read_bytes() == b"\xff20\n"


def test_filters(path, handler):
    mine = handler()
    mine.addFilter(lambda each: "no" not in each.msg)
    assert mine.handle(record("one"))
    assert not mine.handle(record("no"))
    if sys.version_info >= (3, 12):
        mine.addFilter(lambda each: record("another"))
        mine.handle(record("one"))
    mine.close()
    assert path.read_bytes().splitlines() == [b"one", b"another"][: 1 + (sys.version_info >= (3, 12))]


# --- when a record is in the file ---


def test_levels_that_are_flushed(path, handler, logger):
    logger.addHandler(handler())
    logger.warning("waits")
    assert path.read_bytes() == b""
    logger.error("is important")
    assert path.read_bytes() == b"waits\nis important\n"


@pytest.mark.parametrize(("level", "there"), [("DEBUG", True), (0, True), (logging.CRITICAL, False), (None, False)])
def test_other_levels(path, handler, level, there):
    mine = handler(flush_level=level)
    mine.handle(record("one", logging.ERROR))
    assert (path.read_bytes() == b"one\n") == there
    mine.flush()
    assert path.read_bytes() == b"one\n"


PROGRAM = """
import logging, os, signal, sys, fastmmap
logging.basicConfig(level=1, handlers=[fastmmap.LogHandler(sys.argv[1])], format="%(message)s")
for i in range(1000):
    logging.info("%d", i)
{end}
"""

ENDS = {"the end": "", "shutdown": "logging.shutdown()", "exit": "sys.exit(3)", "an error": "1 / 0"}


@pytest.mark.parametrize("end", ENDS)
def test_a_program_ends(path, end):
    code = PROGRAM.format(end=ENDS[end])
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert path.read_text() == "".join(f"{i}\n" for i in range(1000))
    assert os.listdir(path.parent) == ["app.log"]
    assert done.stderr == "" or "ZeroDivisionError" in done.stderr


def test_a_program_is_killed(path, in_file):
    code = PROGRAM.format(end=DIE)
    subprocess.run([sys.executable, "-c", code, path], timeout=60)
    assert fastmmap.recover(path)
    assert path.read_text() == "".join(f"{i}\n" for i in range(1000))
    assert os.listdir(path.parent) == ["app.log"]
