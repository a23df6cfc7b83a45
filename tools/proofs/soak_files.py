"""The calls of soak.py that make files: edits, logs, handlers, and shared memory."""

from __future__ import annotations

import asyncio
import copy
import logging
import operator
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

import fastmmap
from fastmmap import _backend, system
from fastmmap.logs.follow import Follower

from .soak_cases import TEXT, Case, case, drained, pickled, refused

RECORD = logging.LogRecord("soak", logging.INFO, __file__, 1, "a record of %d words", (5,), None)


def edits(folder: Path) -> Iterator[Case]:
    """replace_file, plans and what they return."""
    path, other = folder / "edited", folder / "other"
    path.write_bytes(TEXT)
    other.write_bytes(TEXT)

    def there_and_back(**options: object) -> None:
        fastmmap.replace_file(path, b"cat", b"leopard", **options)
        fastmmap.replace_file(path, b"leopard", b"cat", **options)

    yield case("replace_file", there_and_back, durable=False, every=100)
    yield case("replace_file (durable)", there_and_back, durable=True, every=1000)
    yield case("replace_file (in place)", there_and_back, in_place=True, every=100)
    yield case("replace_file (nothing)", fastmmap.replace_file, path, b"absent", b"x", every=20)
    yield case("replace_file (pairs)", fastmmap.replace_file, path, {b"cat": b"dog", b"dog": b"cat"}, every=100)
    yield refused("replace_file (absent)", FileNotFoundError, fastmmap.replace_file, folder / "absent", b"a", b"b")
    yield refused("replace_file (empty)", ValueError, fastmmap.replace_file, path, b"", b"b")
    os.link(other, folder / "linked")
    yield Case("replace_file (linked)", fastmmap.replace_file, (other, b"cat", b"dog"), every=20, refused=(OSError,))
    yield case("plan_replace", fastmmap.plan_replace, path, b"cat", b"dog", every=20)
    plan = fastmmap.plan_replace(path, b"cat", b"dog")
    yield case("Plan", copy.copy, plan)
    yield case("Plan.preview", plan.preview, 3, every=20)
    yield case("Plan.apply", lambda: fastmmap.plan_replace(path, b"cat", b"cat").apply(), every=100)
    for name, thing in {
        "Plan": plan, "Change": plan.preview(1)[0], "Replacement": fastmmap.replace_file(path, b"absent", b""),
    }.items():  # fmt: skip
        yield case(f"{name}.__repr__", repr, thing)
        yield case(f"{name}.__eq__", operator.eq, thing, copy.copy(thing))
        yield case(f"{name}.__hash__", hash, thing)
        yield case(name, copy.copy, thing)
    yield case("Replacement.__int__", int, fastmmap.replace_file(path, b"absent", b""))
    yield case("recover", fastmmap.recover, path, every=20)
    yield case("recover (a folder)", fastmmap.recover, folder, every=20)
    yield refused("recover (absent)", FileNotFoundError, fastmmap.recover, folder / "absent")


def logs(folder: Path) -> Iterator[Case]:
    """Appender, with its stage in a file and in memory, and follow."""
    path = folder / "log"

    def opened_and_closed() -> None:
        with fastmmap.Appender(path, interval=None, stage_size=1000) as log:
            log.append(b"record\n")
        os.truncate(path, 0)

    def forgotten() -> None:
        fastmmap.Appender(path, interval=None, stage_size=1000).append(b"record\n")
        os.truncate(path, 0)

    def in_a_child() -> None:
        with fastmmap.Appender(path, interval=None) as log, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that this process has several threads
            child = os.fork()
            if child == 0:
                log.append(b"of the child\n")
                log.flush()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        os.truncate(path, 0)

    yield case("Appender", opened_and_closed, every=100)
    yield case("Appender.__del__", forgotten, every=100)
    yield case("Appender (a fork)", in_a_child, every=2000)
    yield refused("Appender (absent)", FileNotFoundError, fastmmap.Appender, folder / "absent" / "log")
    yield refused("Appender (size)", ValueError, fastmmap.Appender, path, stage_size=0)
    for kind in ("", " (memory)"):
        if kind:
            system.is_local, kept = (lambda fd: False), system.is_local
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # that the stage is memory
                log = fastmmap.Appender(path, interval=None, stage_size=10_000)
        finally:
            if kind:
                system.is_local = kept
        with log:
            yield from of_an_appender(log, path, kind)
    for name, arguments in {"append": (b"x",), "append_many": ([b"x"],), "write": (b"x\n",), "flush": ()}.items():
        yield refused(f"Appender.{name} (closed)", ValueError, getattr(log, name), *arguments)
    path.write_bytes(b"a line\n" * 10)
    yield from of_followers(path)


def of_an_appender(log: fastmmap.Appender, path: Path, kind: str) -> Iterator[Case]:
    for name, arguments in {
        "append": (b"record\n",), "append_many": ([b"one\n", "two\n"],), "write": ("text\n",), "isatty": (),
        "writelines": ([b"one\n", b"two\n"],), "fileno": (), "readable": (), "writable": (), "seekable": (),
        "__enter__": (), "__repr__": (),
    }.items():  # fmt: skip
        yield case(f"Appender.{name}{kind}", getattr(log, name), *arguments)
        log.flush()
        os.truncate(path, 0)
    yield case(f"Appender.write{kind} (a part)", lambda: (log.write(b"a "), log.write(b"line\n")))
    for name in ("closed", "encoding", "errors", "position", "size", "survives_kill"):
        yield case(f"Appender.{name}{kind}", operator.attrgetter(name), log)
    yield case(f"Appender.flush{kind}", lambda: (log.append(b"x"), log.flush()), every=10)
    yield case(f"Appender.append{kind} (large)", log.append, bytes(1 << 17), every=1000)
    os.truncate(path, 0)
    yield case(f"Appender.sync{kind}", log.sync, every=100)
    yield case(f"Appender.reopen{kind}", log.reopen, every=100)
    yield refused(f"Appender.__reduce_ex__{kind}", TypeError, copy.copy, log)
    yield refused(f"Appender.__reduce__{kind}", TypeError, log.__reduce__)
    small = {"interval": None, "stage_size": 10}
    yield case(f"Appender.close{kind}", lambda: fastmmap.Appender(path, **small).close(), every=100)
    yield case(
        f"Appender.__exit__{kind}", lambda: fastmmap.Appender(path, **small).__exit__(None, None, None), every=100
    )


def of_followers(path: Path) -> Iterator[Case]:
    options = {"start": 0, "timeout": 0}
    yield case("follow", drained, fastmmap.follow, path, every=100, **options)
    yield case("follow (forgotten)", fastmmap.follow, path, every=100, **options)
    yield case("follow (absent)", drained, fastmmap.follow, path.with_name("absent"), timeout=0, every=100)
    yield refused("follow (start)", ValueError, fastmmap.follow, path, start="middle")

    async def one() -> bytes:
        with fastmmap.follow(path, **options) as lines:
            return await anext(lines)

    yield case("Follower.__anext__", lambda: asyncio.run(one()), every=1000)
    yield case("Follower", lambda: Follower(path, 0, 0).close(), every=100)
    yield case("Follower.close", lambda: fastmmap.follow(path, **options).close(), every=100)
    yield case("Follower.__exit__", lambda: fastmmap.follow(path, **options).__exit__(None, None, None), every=100)
    with fastmmap.follow(path, **options) as lines:
        for name in ("__iter__", "__aiter__", "__enter__", "__repr__"):
            yield case(f"Follower.{name}", getattr(lines, name))
        yield case("Follower.position", operator.attrgetter("position"), lines)
        yield case("Follower.__next__", next, lines, b"", every=100)
    yield refused("Follower.__next__ (closed)", (ValueError, StopIteration), next, lines)


def handlers(folder: Path) -> Iterator[Case]:
    """LogHandler: made and closed, emitting, rotating."""
    path = folder / "handled"
    logging.raiseExceptions = False  # what can't be formatted would be told each time
    yield case("LogHandler", lambda: fastmmap.LogHandler(path).close(), every=100)
    yield refused("LogHandler (when)", ValueError, fastmmap.LogHandler, path, when="never")
    handler = fastmmap.LogHandler(path, maxBytes=100_000, backupCount=2)
    yield case("LogHandler.emit", handler.emit, RECORD)
    yield case("LogHandler.shouldRollover", handler.shouldRollover, RECORD)
    yield case("LogHandler.doRollover", handler.doRollover, every=200)
    for name in ("when", "backupCount", "maxBytes", "interval", "atTime", "utc", "suffix", "extMatch", "rolloverAt"):
        yield case(f"LogHandler.{name}", lambda name=name: getattr(handler, name, None))
    yield case("LogHandler.handle (inherited)", handler.handle, RECORD)
    yield case("LogHandler.flush (inherited)", handler.flush, every=10)
    handler.close()


def shared(folder: Path) -> Iterator[Case]:
    """Memory with a name."""
    name = f"fastmmap-soak-{os.getpid()}"

    def made_and_removed() -> None:
        with fastmmap.open_shared(name, 5000) as memory:
            memory.unlink()

    yield case("open_shared", made_and_removed, every=20)
    yield refused("open_shared (absent)", FileNotFoundError, fastmmap.open_shared, name)
    with fastmmap.open_shared(name, 5000) as memory:
        yield case("open_shared (again)", lambda: fastmmap.open_shared(name).close(), every=20)
        yield case("SharedFile", lambda: type(memory)(name).close(), every=20)
        yield case("SharedFile.__reduce__", lambda: pickled(memory).close(), every=20)
        memory.unlink()
        yield Case("SharedFile.unlink", memory.unlink, refused=(FileNotFoundError,))
    for kernel in map(_backend.load, _backend.kernels()):
        yield case(f"find ({kernel.name})", kernel.find, TEXT, b"dog")
        yield case(f"count ({kernel.name})", kernel.count, TEXT, [b"dog", b"cat"], every=20)
