"""Errors of signal handlers and callbacks: they come out as they were raised, wherever they came in."""

from __future__ import annotations

import ast
import builtins
import collections
import errno
import inspect
import itertools
import os
from functools import partial
from pathlib import Path

import pytest
from support.at_lines import CLOSING, PACKAGE, STEPS, descriptors, held
from support.stepping import Steps, untried

import fastmmap

pytestmark = [
    # Of what is interrupted as its with statement begins or ends; forgotten, it is closed.
    pytest.mark.filterwarnings("ignore:unclosed scandir iterator:ResourceWarning")
]
if fastmmap.kernel == "python":
    # What is raised while a generator of the reference's is thrown away is lost.
    pytestmark += [pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

# What is caught somewhere in the package, to be explained, retried, or taken for an answer.
ERRORS = [errno.ENOENT, errno.EACCES, errno.EPERM, errno.EAGAIN, errno.EEXIST, errno.EINTR, errno.EINVAL, errno.ENOSYS]


@pytest.fixture(autouse=True)
def no_disk(monkeypatch):
    """What is tried a thousand times doesn't wait for the disk."""
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda fd: None, raising=hasattr(os, name))


def check(error, theirs, number):
    assert error is theirs
    assert (error.errno, error.strerror, error.filename, error.filename2) == (number, "theirs", None, None)
    assert not getattr(error, "__notes__", None)


def at_each_line(job, make, tried=None):
    """Raises an error at one step after the other of a job, as a handler does.

    A step is a line of ours or of os.path's, or a call from there of what is written in C, as it returns. Places
    that have been tried aren't tried again. Yields whether it may have cost a descriptor.
    """
    subject = make()
    places = STEPS.places(partial(job, subject))
    yield False
    assert len(places) > 20
    numbers = list(untried(places, collections.Counter() if tried is None else tried))
    for number, code in zip(numbers, itertools.cycle(ERRORS)):
        theirs, subject, raised = OSError(code, "theirs"), make(), None

        def raise_it(theirs=theirs):
            raise theirs

        try:
            came = STEPS.run(partial(job, subject), number, raise_it)
        except BaseException as error:
            came, raised = True, error
        # The reference may lose it in the end of a generator; else it comes out.
        if raised is not None or (came and fastmmap.kernel != "python"):
            check(raised, theirs, code)
        del raised
        # A trace function that raises within an except clause costs Python 3.11 a reference to its frame.
        loses = theirs.__context__ is not None
        theirs.__traceback__ = theirs.__context__ = None
        yield loses


OLD, NEW = b"the cat sat\n" * 5, b"the leopard sat\n" * 5


def edit(path):
    fastmmap.replace_file(path, "cat", "leopard", backup=".orig", progress=lambda done, total: None, threads=1)


def plan(path):
    made = fastmmap.plan_replace(path, "cat", "leopard")
    assert made.preview(1)
    made.apply(threads=1)


EDITS = {
    "with a backup": edit,
    "by a link": lambda path: fastmmap.replace_file(f"{path}.link", "cat", "leopard", durable=False, threads=1),
    "not durable": lambda path: fastmmap.replace_file(path, "cat", "leopard", durable=False, threads=1),
    "in both cases": lambda path: fastmmap.replace_file(path, "CAT", "leopard", ignorecase=True, threads=1),
    "in both cases, some": lambda path: fastmmap.replace_file(path, "CAT", "leopard", 5, ignorecase=True, threads=1),
    "a plan": plan,
}


def test_at_each_line_of_an_edit(new_files, memory_path):
    path, tried = memory_path / "file", collections.Counter()

    def make():
        for name in os.listdir(memory_path):
            os.unlink(memory_path / name)
        path.write_bytes(OLD)
        os.symlink("file", f"{path}.link")
        return path

    for job in EDITS.values():
        job(make())  # what is imported once
        before = held()
        for loses in at_each_line(job, make, tried):
            assert path.read_bytes() in (OLD, NEW)
            assert set(os.listdir(memory_path)) <= {"file", "file.link", "file.orig"}
            assert os.path.islink(f"{path}.link")
            if "file.orig" in os.listdir(memory_path):
                assert (memory_path / "file.orig").read_bytes() == OLD
            if descriptors() != before:
                assert held() == before or loses
                before = descriptors()


@pytest.mark.parametrize("planned", [False, True])
def test_an_interrupt_at_each_line_says_what_became_of_the_file(memory_path, planned):
    path = memory_path / "file"
    path.write_bytes(OLD)
    entries = {code: line_of_try(code) for code in (fastmmap.replace_file.__code__, fastmmap.Plan.apply.__code__)}
    steps = Steps(lambda code: code.co_filename.startswith(PACKAGE) and code not in CLOSING)

    def make():
        path.write_bytes(OLD)
        if planned:
            return partial(fastmmap.plan_replace(path, "cat", "leopard").apply, durable=False, threads=1)
        return partial(fastmmap.replace_file, path, "cat", "leopard", durable=False, threads=1)

    def interrupt():
        raise KeyboardInterrupt

    said = set()
    make()()  # what is imported once
    places = steps.places(make())
    for number in untried(places, collections.Counter()):
        _, code, line, *_ = places[number - 1]
        # Before the try statement nothing has begun; what is raised behind it is raised once more.
        if code in entries and line - code.co_firstlineno <= entries[code]:
            continue
        try:
            assert not steps.run(make(), number, interrupt)
        except KeyboardInterrupt as caught:
            (note,) = caught.__notes__
            assert note == f"{path} is {'unchanged' if path.read_bytes() == OLD else 'replaced'}"
            said.add(note)
            caught.__traceback__ = caught.__context__ = None
    assert len(said) == 2
    assert len(places) > 100


def line_of_try(code):
    """How many lines of a function come before its try statement's body."""
    lines = inspect.getsource(code).splitlines()
    return next(i for i, line in enumerate(lines) if line.strip() == "try:")


def use(path):
    with fastmmap.open(path, "r+") as m:
        m.append(b"more\n")
        m.resize(10)
        m.resize(100)
        m.flush()
        m.advise("sequential")
        m.find(b"x")
    fastmmap.count(path, "cat")
    with fastmmap.open(path, size=5):
        pass


def append(path):
    with fastmmap.Appender(path, interval=None, stage_size=100) as log:
        log.append(b"one\n")
        log.append(b"r" * 90 + b"\n")
        log.append(b"L" * 200 + b"\n")
        log.flush()
        log.sync()


@pytest.mark.parametrize("job", [use, append, fastmmap.recover])
def test_at_each_line_of_what_else_works_on_files(new_files, memory_path, job):
    path = memory_path / "file"

    if job is append and fastmmap.kernel == "python":
        pytest.skip("the reference doesn't promise that")

    def make():
        path.write_bytes(OLD)
        return path

    job(make())
    before = held()
    for loses in at_each_line(job, make):
        if job is use and descriptors() != before:
            assert held() == before or loses
            before = descriptors()
    assert fastmmap.recover(memory_path) in (True, False)
    assert os.listdir(memory_path) == ["file"]


@pytest.mark.parametrize("number", ERRORS)
def test_a_callback_s(make, tmp_path, number):
    path, error = make(OLD), OSError(number, "theirs")

    def progress(done, total):
        raise error

    with pytest.raises(OSError, match="theirs") as caught:
        fastmmap.replace_file(path, "cat", "leopard", progress=progress)
    check(caught.value, error, number)
    with pytest.raises(OSError, match="theirs") as caught:
        fastmmap.plan_replace(path, "cat", "leopard").apply(progress=progress)
    check(caught.value, error, number)
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


SYSTEM_S = {"OSError", "Untrusted", "StageError", "MappedFileError", *(
    name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, OSError)
)}  # fmt: skip

# Nobody's code runs in these but theirs.
PROGRAM = {Path(PACKAGE) / "cli", Path(PACKAGE) / "demo"}


def names_in(node):
    return {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}


def test_no_except_takes_what_may_be_another_s():
    """It says `ours(...)`, or tidies up and raises what it has caught; nothing is suppressed but by `ignoring`."""
    taken = []
    for path in sorted(path for path in Path(PACKAGE).rglob("*.py") if path.parent not in PROGRAM):
        for node in ast.walk(ast.parse(path.read_text())):
            place = f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', 0)}"
            if isinstance(node, ast.ExceptHandler) and node.type is not None and names_in(node.type) & SYSTEM_S:
                asks = isinstance(node.type, ast.Call) and node.type.func.id == "ours"
                last = node.body[-1]
                if not asks and not (isinstance(last, ast.Raise) and last.exc is None):
                    taken.append(place)
            if isinstance(node, ast.Call) and names_in(node.func) & {"suppress"} and names_in(node) & SYSTEM_S:
                taken.append(place)
    assert taken == []


def test_no_question_of_os_path_takes_an_error_for_an_answer():
    """fastmmap/paths.py has those that don't."""
    taking = {"realpath", "isdir", "isfile", "islink", "ismount", "exists", "lexists", "isjunction", "walk"}
    asked = []
    for path in sorted(Path(PACKAGE).rglob("*.py")):
        if path.parent not in PROGRAM and path.name != "paths.py":
            calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            found = [each for each in calls if isinstance(each, ast.Attribute) and names_in(each) == {"os"}]
            asked += [f"{path.name}:{each.lineno}" for each in found if each.attr in taking]
    assert asked == []


def test_a_callback_s_that_is_written_in_c(make):
    """It has no frame of its own."""
    path = make(OLD * 10_000)
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        fastmmap.replace_file(path, "cat", "dog", progress=os.dup2, threads=1)
    assert caught.value.filename is None


class Raising:
    """An argument whose methods raise."""

    def __init__(self, error):
        self.error = error

    def __index__(self):
        raise self.error

    def __fspath__(self):
        raise self.error

    def __iter__(self):
        yield b"a record\n"
        raise self.error


class Path_(Raising, os.PathLike):
    """One that is taken for a path."""


@pytest.mark.parametrize("number", ERRORS)
def test_an_argument_s(make, tmp_path, number):
    path = make(OLD)
    error = OSError(number, "theirs")
    bad, bad_path = Raising(error), Path_(error)
    m = fastmmap.open(path, "r+")
    logs = [fastmmap.Appender(tmp_path / f"log{i}", sync=sync) for i, sync in enumerate((None, "always"))]
    for call in (
        lambda: fastmmap.open(path, size=bad),
        lambda: fastmmap.open(bad_path),
        lambda: fastmmap.open_shared("fastmmap-test-raising", bad),
        lambda: fastmmap.count(bad_path, "cat"),
        lambda: fastmmap.find(path, "cat", bad),
        lambda: fastmmap.replace_file(bad_path, "cat", "dog"),
        lambda: fastmmap.replace_file(path, "cat", "dog", bad),
        lambda: fastmmap.replace_file(path, "cat", "dog", threads=bad),
        lambda: fastmmap.plan_replace(bad_path, "cat", "dog"),
        lambda: fastmmap.recover(bad_path),
        lambda: fastmmap.Appender(bad_path),
        lambda: fastmmap.Appender(path, stage_dir=bad_path),
        lambda: fastmmap.Appender(path, stage_size=bad),
        lambda: m.resize(bad),
        lambda: m.line_at(bad),
        lambda: m[bad],
        *(lambda log=log: log.append_many(bad) for log in logs),
    ):
        with pytest.raises(OSError, match="theirs") as caught:
            call()
        check(caught.value, error, number)
        error.__traceback__ = None
    m.close()
    for log in logs:
        log.close()
        assert Path(log.name).read_bytes() == b"a record\n"
    assert path.read_bytes() == OLD
