"""An appender's end: forgotten, in a cycle, or open when the interpreter ends; it is never copied."""

from __future__ import annotations

import copy
import errno
import gc
import os
import pickle
import sys
import weakref

import pytest
from support.at_lines import descriptors
from support.marks import each_stage, staged
from support.programs import run
from support.standing_in import as_system

import fastmmap
from fastmmap import system


@each_stage
def test_a_forgotten_appender_is_no_longer_waited_for(tmp_path):
    path = tmp_path / "log"
    log = fastmmap.Appender(path, interval=0.03)
    log.append(b"x")
    kept = weakref.ref(log)
    del log
    gc.collect()
    assert kept() is None
    assert path.read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["log"]


@staged
def test_a_forgotten_appender_that_can_not_drain(tmp_path, in_file, steps, monkeypatch):
    """It keeps no descriptor, and its records are in its stage yet."""
    path = tmp_path / "log"
    before = descriptors()
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: said.append(unraisable.exc_value.errno))
    log = fastmmap.Appender(path, interval=None)
    log.append(b"record\n")

    @as_system
    def full(fd, pieces):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(system, "write_pieces", full)
        del log
        gc.collect()
    assert said == [errno.ENOSPC]
    assert descriptors() == before
    assert fastmmap.recover(path)
    assert path.read_bytes() == b"record\n"


@each_stage
def test_a_cycle_that_holds_an_appender(tmp_path):
    log = fastmmap.Appender(tmp_path / "log", interval=None)
    log.append(b"x")
    log.itself = log
    del log
    gc.collect()
    assert (tmp_path / "log").read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["log"]


@each_stage
def test_drained_at_the_end_of_the_interpreter(tmp_path):
    """Also what other handlers of the end append, those that run after ours too."""
    code = (
        "import atexit, sys\n"
        "atexit.register(lambda: log.append(b'registered first, runs last\\n'))\n"
        "import fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1])\n"
        "atexit.register(lambda: log.append(b'registered last, runs first\\n'))\n"
        "log.append(b'at work\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"at work\nregistered last, runs first\nregistered first, runs last\n"
    assert os.listdir(tmp_path) == ["log"]


@each_stage
@pytest.mark.parametrize("options", [{}, {"interval": None}, {"sync": "always"}])
def test_an_appender_that_is_opened_at_the_end_of_the_interpreter(tmp_path, options):
    """In an exit handler that runs after ours: what it appends goes to the file itself."""
    code = (
        "import atexit, sys\n"
        "def last():\n"
        "    import fastmmap\n"
        "    sys.log = fastmmap.Appender(sys.argv[1], **eval(sys.argv[2]))\n"
        "    sys.log.append_many([b'one\\n', 'two\\n'])\n"
        "atexit.register(last)\n"
        "import fastmmap\n"
    )
    assert run(code, tmp_path / "log", options) == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert os.listdir(tmp_path) == ["log"]


@each_stage
def test_descriptors_do_not_leak(tmp_path):
    before = descriptors()
    for i in range(30):
        with fastmmap.Appender(tmp_path / "log", interval=None) as log:
            log.append(b"x" * i)
            log.sync()
        with pytest.raises(IsADirectoryError):
            fastmmap.Appender(tmp_path)
        fastmmap.recover(tmp_path)
    assert descriptors() == before


def test_an_appender_is_neither_copied_nor_pickled(tmp_path):
    with fastmmap.Appender(tmp_path / "log") as log:
        for use in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match=r"can't be copied or pickled.*open another one with the path .*log"):
                use(log)


def test_nothing_is_said_at_the_end_of_an_open_appender(tmp_path):
    """Also of one in a cycle, which is collected when modules are gone already."""
    code = (
        "import sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1])\n"
        "log.itself = log\n"
        "log.append(b'one\\n')\n"
        "sys.modules['kept'] = [log]\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\n"
