"""run: every part is done once, by the threads there are, and nobody works on when the call is over."""

from __future__ import annotations

import _thread
import inspect
import itertools
import os
import random
import threading
import time

import pytest

import fastmmap
from fastmmap import _backend, parallel
from fastmmap.reference import parallel as reference

native_only = pytest.mark.skipif(not _backend.NATIVE, reason="the reference has one thread")


@pytest.fixture(params=[_backend.run, reference.run], ids=["run", "reference"])
def run(request):
    return request.param


def numbers(count):
    return [(part,) for part in range(count)]


@pytest.mark.parametrize("name", ["run", "check_wanted"])
def test_it_is_the_references(name):
    ours, definition = getattr(_backend, name), getattr(reference, name)
    assert inspect.getdoc(ours) == inspect.getdoc(definition)
    assert list(inspect.signature(ours).parameters) == list(inspect.signature(definition).parameters)


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 8, 100])
def test_each_part_is_done_once_and_has_its_place(run, threads):
    for count in (0, 1, 2, 3, 50):
        begun = []
        results = run(lambda part, begun=begun: begun.append(part) or -part, numbers(count), threads)
        assert results == [-part for part in range(count)]
        assert sorted(begun) == list(range(count))


def test_both_give_the_same(run):
    rng = random.Random(3)
    for _ in range(300):
        count, bad, good = rng.randrange(1, 20), rng.randrange(20), rng.randrange(20)

        def work(part, bad=bad):
            if part == bad:
                raise ValueError(part)
            return part

        outcomes = []
        for function, threads in ((reference.run, 1), (run, rng.randrange(1, 5))):
            try:
                outcomes.append(function(work, numbers(count), threads, lambda result, good=good: result >= good))
            except ValueError as error:
                outcomes.append(error.args)
        # In the calling thread an error behind what is enough may be a signal handler's, and isn't lost.
        assert outcomes[0] == outcomes[1] or (good < bad and outcomes[1] == (bad,))


def test_the_error_of_the_first_part_is_raised_and_no_later_part_begun(run):
    begun = []

    def work(part):
        begun.append(part)
        if part >= 3:
            raise OSError(part)

    for threads in (1, 4):
        begun.clear()
        with pytest.raises(OSError, match=r"^3$"):
            run(work, numbers(1000), threads)
        assert len(begun) < 20


@native_only
def test_errors_of_others_are_its_context():
    """In a thread of its own: an error that this one is left with, by a test that traces, would be the context."""
    barrier = threading.Barrier(2)
    caught = []

    def work(part):
        barrier.wait(60)
        raise OSError(part)

    def call():
        try:
            _backend.run(work, numbers(2), 2)
        except OSError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert caught[0].args == (0,)
    assert caught[0].__context__.args == (1,)


@native_only
def test_an_interrupt_of_the_calling_thread_comes_first():
    caller, barrier = threading.get_ident(), threading.Barrier(2)

    def work(part):
        barrier.wait(60)
        raise KeyboardInterrupt if threading.get_ident() == caller else OSError(part)

    for _ in range(20):
        with pytest.raises(KeyboardInterrupt):
            _backend.run(work, numbers(2), 2)


@native_only
def test_nobody_is_at_work_when_it_raises():
    caller = threading.get_ident()
    at_work, ended = [], []

    def work(part):
        at_work.append(part)
        if threading.get_ident() == caller and len(at_work) > 3:
            raise KeyboardInterrupt
        time.sleep(0.002)
        ended.append(part)

    for _ in range(20):
        at_work.clear(), ended.clear()
        with pytest.raises(KeyboardInterrupt):
            _backend.run(work, numbers(1000), 4)
        assert len(at_work) == len(ended) + 1
        assert len(at_work) < 100


@native_only
@pytest.mark.parametrize("scans", [False, True])
def test_long_work_of_a_helper_ends_with_an_interrupt(make, scans):
    """It ends because nobody wants it any more, and in no other way: the file is sparse, and takes seconds to scan."""
    if scans and fastmmap.kernel == "python":
        pytest.skip("re looks up only between matches")
    path = make()
    os.truncate(path, 1 << 36)
    caller, helping = threading.get_ident(), threading.Event()

    def work(part):
        if threading.get_ident() == caller:
            assert helping.wait(60)
            raise KeyboardInterrupt
        helping.set()
        while True:
            if scans:
                fastmmap.count(mapped, b"x", threads=1)
            else:
                _backend.check_wanted()

    with fastmmap.open(path) as mapped, pytest.raises(KeyboardInterrupt):
        _backend.run(work, numbers(2), 2)


@native_only
@pytest.mark.parametrize("error", [RuntimeError, MemoryError, OSError])
@pytest.mark.parametrize("had", [0, 1, 2])
def test_the_threads_there_are_do_it_all(monkeypatch, error, had):
    from fastmmap import _parallel

    start, started = _parallel.start_new_thread, []

    def start_some(function, arguments):
        if len(started) == had:
            raise error("no more")
        started.append(start(function, arguments))

    monkeypatch.setattr(_parallel, "start_new_thread", start_some)
    begun = []
    assert _backend.run(lambda part: begun.append(part) or part, numbers(100), 8) == list(range(100))
    assert sorted(begun) == list(range(100))
    assert len(started) == had


@native_only
def test_a_thread_that_comes_too_late_does_nothing(monkeypatch):
    from fastmmap import _parallel

    start, late, begun = _parallel.start_new_thread, [], []
    monkeypatch.setattr(_parallel, "start_new_thread", lambda function, arguments: late.append((function, arguments)))
    assert _backend.run(lambda part: begun.append(part) or part, numbers(10), 3) == list(range(10))
    done = threading.Semaphore(0)
    assert len(late) == 2
    for function, arguments in late:
        start(lambda function=function, arguments=arguments: (function(*arguments), done.release()), ())
        assert done.acquire(timeout=60)
    assert begun == list(range(10))


@native_only
def test_a_greenlet_in_the_place_of_a_thread_is_not_waited_for(monkeypatch):
    """It would run in the calling thread, in the middle of a part, and perhaps never go on."""
    from fastmmap import _parallel

    greenlets, begun = [], []

    def work(part):
        begun.append(part)
        for function, arguments in greenlets:
            function(*arguments)
        return part

    monkeypatch.setattr(
        _parallel, "start_new_thread", lambda function, arguments: greenlets.append((function, arguments))
    )
    assert _backend.run(work, numbers(10), 3) == begun == list(range(10))
    assert len(greenlets) == 2


@native_only
def test_a_call_within_a_call():
    """From each part of each thread, more deeply than there are threads: nobody waits for himself."""

    def nested(depth):
        return sum(_backend.run(lambda part: nested(depth - 1) if depth else part, numbers(3), 3))

    assert nested(4) == 3**5


@native_only
def test_each_thread_has_a_view_of_its_own_and_none_is_left():
    buffer, seen = bytearray(100), {}
    barrier = threading.Barrier(3)

    def work(view, part):
        assert isinstance(view, memoryview)
        seen.setdefault(threading.get_ident(), set()).add(id(view))
        barrier.wait(60)
        if part == 2:
            raise OSError(part)

    with pytest.raises(OSError, match="2") as caught:
        _backend.run(work, numbers(3), 3, None, buffer)
    assert len(seen) == 3
    assert len(set.union(*seen.values())) == 3
    buffer.append(1)  # a BufferError while views live, and `caught` keeps the frames
    del caught
    assert _backend.run(lambda view, part: view, numbers(3), 3, None, b"bytes") == [b"bytes"] * 3


@native_only
def test_what_a_memoryview_can_not_show_is_given_as_it_is():
    import numpy

    dates = numpy.zeros(10, dtype="datetime64[s]")
    assert _backend.run(lambda view, part: view is dates, numbers(2), 2, None, dates) == [True, True]
    scalar = _backend.load("scalar")
    assert scalar.count(numpy.zeros(1 << 22, dtype="datetime64[s]"), b"\0", threads=2) == 1 << 25


def test_a_mapping_that_is_closed_in_the_middle_of_a_call(make):
    """The memory stays until the call is done."""
    if not _backend.NATIVE:
        pytest.skip("a mapping of the reference stands on the mmap module")
    mapped = fastmmap.open(make(b"x" * 1000))

    def work(view, part):
        mapped.close()
        return fastmmap.count(view, b"x")

    assert _backend.run(work, numbers(20), 3, None, mapped) == [1000] * 20


@native_only
def test_seams_are_the_same_for_all_even_if_the_bytes_change(monkeypatch):
    """Two threads look for one bound, and find others: what the first has found is where both cut."""
    monkeypatch.setattr(parallel, "BLOCK", 10)
    answers = itertools.cycle((-1, 9, -1))
    seams = parallel.Seams(lambda *arguments, **options: next(answers), b"", b"ab", 0, 30)
    first = seams.within(b"", 0)
    looked = seams._look
    seams._look = lambda view, bound: pytest.fail("it is known")  # type: ignore[method-assign]
    assert seams.within(b"", 0) == first
    seams._look = lambda view, bound: seams._bounds.setdefault(2, looked(view, bound)) and 25  # another was faster
    assert seams.within(b"", 1)[1] == seams._bounds[2] != 25


@native_only
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_by_a_part_does_what_its_parents_threads_had_begun():
    """The parent's other thread is in a part at that moment, and goes on with it only after the fork."""
    caller = threading.get_ident()
    begun, forked = threading.Event(), threading.Event()
    child = []

    def work(part):
        if threading.get_ident() != caller:
            begun.set()
            assert forked.wait(60)
        elif not child and begun.wait(60):
            child.append(os.fork())
            if child[0]:
                forked.set()
        return part

    results = _backend.run(work, numbers(10), 2)
    if child[0] == 0:
        os._exit(0 if results == list(range(10)) else 1)
    assert results == list(range(10))
    assert os.waitpid(child[0], 0)[1] == 0


@native_only
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_by_another_thread_can_call_too():
    begun, forked = threading.Event(), threading.Event()

    def work(part):
        begun.set()
        return forked.wait(60)

    results = []
    thread = threading.Thread(target=lambda: results.extend(_backend.run(work, numbers(4), 3)))
    thread.start()
    assert begun.wait(60)
    child = os.fork()
    if child == 0:
        os._exit(0 if _backend.run(lambda part: part, numbers(10), 3) == list(range(10)) else 1)
    forked.set()
    thread.join()
    assert results == [True] * 4
    assert os.waitpid(child, 0)[1] == 0


@native_only
def test_threads_end_with_their_call():
    before = _thread._count()
    for _ in range(50):
        _backend.run(lambda part: part, numbers(20), 8)
    deadline = time.monotonic() + 60
    while _thread._count() > before:
        assert time.monotonic() < deadline
        time.sleep(0.001)
