"""Warnings point at the line of the caller's, whatever of ours and of the standard library stands between."""

from __future__ import annotations

import functools
import sys
import threading
import warnings

import pytest
from support.marks import modes
from support.writers import killed

import fastmmap
from fastmmap import errors

# Functions as the package has them.
OURS = """
import contextlib
from fastmmap.errors import warn

@contextlib.contextmanager
def saying():
    yield
    warn("word")

def plain():
    warn("word")

def in_a_context():
    with saying():
        pass

def in_an_exit_stack():
    with contextlib.ExitStack() as stack:
        stack.enter_context(saying())

def deep():
    in_a_context()

def calling(callback):
    callback()
"""
world = {"__name__": "fastmmap.made_for_this"}
exec(OURS, world)


def places(call):
    """Where the warnings of a call point: files and lines."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [(warning.filename, warning.lineno) for warning in caught]


def here(number=1):
    """The line of the caller's, or one behind it."""
    return __file__, sys._getframe(1).f_lineno + number


@pytest.mark.parametrize("name", ["plain", "in_a_context", "in_an_exit_stack", "deep"])
def test_a_function_of_ours(name):
    function = world[name]

    def call():
        expected.append(here())
        function()

    expected = []
    assert places(call) == expected
    assert places(functools.partial(call)) == expected[:1]


def test_a_context_manager_of_ours():
    def call():
        expected.append(here())
        with world["saying"]():
            pass

    expected = []
    assert places(call) == expected


def test_a_callback_of_the_callers():
    def callback():
        expected.append(here())
        world["in_a_context"]()

    expected = []
    assert places(lambda: world["calling"](callback)) == expected


def test_nobody_of_the_callers():
    """A thread that runs a function of ours has no line of anybody's."""

    def call():
        thread = threading.Thread(target=world["plain"])
        thread.start()
        thread.join()

    ((file, _),) = places(call)
    assert file == "<string>", "the function of ours"


def test_a_warning_is_shown_once_for_each_line():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(3):
            world["deep"]()
        world["deep"]()
        after = here(0)[1]
    assert [warning.lineno for warning in caught] == [after - 2, after - 1]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="word"):
            errors.warn("word")


@modes
def test_recover_and_edits(tmp_path):
    path = tmp_path / "log"
    killed(path)
    (stage,) = tmp_path.glob(".fastmmap-*.stage")
    stage.chmod(0o666)

    def call():
        expected.append(here())
        fastmmap.recover(path)
        expected.append(here())
        fastmmap.recover(tmp_path)
        plan = fastmmap.plan_replace(path, b"absent", b"c")
        expected.append(here())
        plan.apply()
        expected.append(here())
        fastmmap.replace_file(path, b"a", b"bb")

    expected = []
    path.write_bytes(b"a")
    assert sorted(set(places(call))) == expected
