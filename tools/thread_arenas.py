"""The objects that thread_stress.py has many threads share, what they do with them, and what is checked.

An arena is one object, or a few. Its `calls` are what any thread may do with it at any time: each returns whether its
answer was right. `end` is called when no thread does any of that any more, and returns what is wrong then.
"""

from __future__ import annotations

import collections
import logging
import os
import queue
import random
import re
import threading
from collections.abc import Callable
from pathlib import Path

import thread_calls

import fastmmap
from fastmmap.mapped import MappedFile

Calls = dict[str, Callable[[random.Random], bool]]

LINES = 3000
TEXT = b"".join(b"%05d the cat and the other cat, %s\n" % (i, b"dog" * (i % 7 == 0)) for i in range(LINES))
STARTS = [match.start() for match in re.finditer(rb"(?m)^.", TEXT)]
CATS, DOGS = [[match.start() for match in re.finditer(word, TEXT)] for word in (b"cat", b"dog")]
WIDTH = len(b"00000 the cat and the other cat, \n")
DOG_LINES = [line for line in TEXT.splitlines() if line.endswith(b"dog")]

# What a call may be refused with: the object is closed, or another thread is at it.
CLOSED = "closed"
BUSY = "already executing"


class Arena:
    """One object that threads share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls: Calls = {}

    def end(self) -> list[str]:
        """What is wrong, when all threads are done."""
        return []


class Reading(Arena):
    """One mapping that is read in every way, and in its own place by each thread written to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        path = folder / "read"
        path.write_bytes(TEXT)
        self.m = m = fastmmap.open(path)
        self.handed: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self.shared = self.new_iterator()
        self.calls = {
            "find": lambda r: m.find(b"cat", at := r.choice(CATS)) == at,
            "rfind": lambda r: m.rfind(b"cat", 0, (at := r.choice(CATS)) + 3) == at,
            "count": lambda r: m.count(b"cat", threads=r.choice((1, 2))) == len(CATS),
            "find_all": lambda r: m.find_all(b"dog").tolist() == DOGS,
            "iter_find": lambda r: list(m.iter_find(b"dog")) == DOGS,
            "in": lambda r: b"cat" in m and b"horse" not in m,
            "line_starts": lambda r: m.line_starts().tolist() == STARTS,
            "gather": lambda r: bytes(m.gather([(at := r.choice(CATS))], 3)[0]) == TEXT[at : at + 3],
            "lines by number": lambda r: m.lines[i := r.randrange(LINES)] == TEXT[STARTS[i] :].partition(b"\n")[0],
            "numbers of lines": lambda r: m.lines.number(STARTS[i := r.randrange(LINES)]) == i,
            "lines that others let go": self.hand_on,
            "an item": lambda r: m[i := r.randrange(len(TEXT))] == TEXT[i],
            "a slice": lambda r: m[(i := r.randrange(len(TEXT))) : i + 100] == TEXT[i : i + 100],
            "a view": lambda r: m.view()[-5:] == TEXT[-5:],
            "seek and read": lambda r: self.read(r),
            "grep": lambda r: [match.line for match in m.grep(re.compile(rb"do[g]$"))] == DOG_LINES,
            "one iterator of all": self.from_shared,
        }

    def new_iterator(self):
        """The offsets of the cats, each of which one thread gets."""
        return iter(self.m.iter_find(b"cat")), collections.deque()

    def from_shared(self, rng: random.Random) -> bool:
        offsets, got = shared = self.shared
        try:
            got.append(next(offsets))
        except StopIteration:
            if self.shared is shared:
                self.shared = self.new_iterator()
            return True
        except ValueError as error:
            return BUSY in str(error)
        return len(got) <= len(CATS) and got[-1] in CATS

    def hand_on(self, rng: random.Random) -> bool:
        """Views of one mapping's lines, which any thread lets go."""
        start = rng.randrange(LINES)
        for number, line in enumerate(self.m.lines):
            if number > 40:
                break
            self.handed.put(line)
        right = True
        for _ in range(40):
            try:
                line = self.handed.get_nowait()
            except queue.Empty:
                break
            right &= bytes(line[5:9]) == b" the"
        return right and start >= 0

    def read(self, rng: random.Random) -> bool:
        """The position is all threads': what is read stands somewhere."""
        self.m.seek(WIDTH * rng.randrange(LINES // 8))
        return self.m.read(40) in TEXT

    def end(self) -> list[str]:
        while not self.handed.empty():
            self.handed.get()
        self.shared = self.new_iterator()
        held = [] if self.m.view().nbytes == len(TEXT) else ["the mapping has another length"]
        self.m.close()
        return held


class MadeReady(Arena):
    """Needles and patterns that are made ready by whoever comes first: new ones all the time."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.made = self.new()
        self.calls = {
            "find_each": self.find_each,
            "count_each": lambda r: fastmmap.count_each(TEXT, self.fresh(r)[0]).tolist() == [len(CATS), len(DOGS), 0],
            "count many": lambda r: fastmmap.count(TEXT, self.fresh(r)[0]) == len(CATS) + len(DOGS),
            "replace many": self.replace,
            "grep by a pattern": lambda r: (
                len(list(fastmmap.grep(TEXT, self.fresh(r)[1], threads=1))) == len(DOG_LINES)
            ),
        }

    def new(self):
        name = b"%x" % random.getrandbits(60)
        return fastmmap.Needles([b"cat", b"dog", name]), re.compile(rb"(?:do[g]|%s)$" % name)

    def fresh(self, rng: random.Random):
        made = self.made
        if rng.random() < 0.1:
            self.made = self.new()
        return made

    def find_each(self, rng: random.Random) -> bool:
        offsets, which = fastmmap.find_each(TEXT, self.fresh(rng)[0])
        return offsets[which == 1].tolist() == DOGS

    def replace(self, rng: random.Random) -> bool:
        own = bytearray(TEXT)
        number = fastmmap.replace(own, {b"cat": b"dog", b"dog": b"cat"})
        return number == len(CATS) + len(DOGS) and own.count(b"cat") == len(DOGS)


class Large(Arena):
    """Calls that have threads of their own, side by side."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        text = bytearray(thread_calls.TEXT)
        self.calls = {f"large: {name}": self.once(call, text) for name, call in thread_calls.searches().items()}

    @staticmethod
    def once(call: Callable[[bytearray], object], text: bytearray) -> Callable[[random.Random], bool]:
        # A buffer of its own: bytearray counts its exports, and CPython's doesn't do so safely in threads.
        return lambda rng: bool(call(bytearray(text)))


class Closing(Arena):
    """A mapping that some close while others read: they are right, or it is closed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "closed"
        self.path.write_bytes(TEXT)
        self.m: MappedFile = fastmmap.open(self.path)
        self.calls = {
            "close": self.close,
            "find in what is closed": lambda r: self.ask(lambda m: m.find(b"dog") == DOGS[0]),
            "count in what is closed": lambda r: self.ask(lambda m: m.count(b"cat", threads=2) == len(CATS)),
            "slice of what is closed": lambda r: self.ask(lambda m: m[:] == TEXT),
            "item of what is closed": lambda r: self.ask(lambda m: m[5] == TEXT[5]),
            "lines of what is closed": lambda r: self.ask(lambda m: m.lines[7] == TEXT.splitlines()[7]),
            "iterate over what is closed": lambda r: self.ask(lambda m: list(m.iter_find(b"dog")) == DOGS),
        }

    def ask(self, question: Callable[[MappedFile], bool]) -> bool:
        try:
            return question(self.m)
        except ValueError as error:
            return CLOSED in str(error)

    def close(self, rng: random.Random) -> bool:
        before, self.m = self.m, fastmmap.open(self.path)
        before.close()
        return before.closed

    def end(self) -> list[str]:
        self.m.close()
        return []


class Resizing(Arena):
    """A mapping that some make longer and shorter: the others see whole records, or are refused for a moment."""

    RECORD = b"a cat in each record\n"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "resized"
        self.path.write_bytes(self.RECORD * 1000)
        self.m = fastmmap.open(self.path, "r+")
        self.calls = {
            "append to a mapping": lambda r: self.change(lambda: self.m.append(self.RECORD)),
            "resize": lambda r: self.change(lambda: self.m.resize(len(self.RECORD) * r.randrange(900, 1100))),
            "refresh": lambda r: self.change(lambda: self.m.refresh()),
            "count in what grows": lambda r: self.see(lambda: 800 < self.m.count(b"cat") < 100_000),
            "len of what grows": lambda r: len(self.m) % len(self.RECORD) == 0,
            "slice of what grows": lambda r: self.see(lambda: self.m[: len(self.RECORD)] == self.RECORD),
            "lines of what grows": lambda r: self.see(lambda: self.m.lines[3] == self.RECORD[:-1]),
            "find in what grows": lambda r: self.see(lambda: self.m.rfind(b"cat") % len(self.RECORD) == 2),
        }

    @staticmethod
    def see(question: Callable[[], bool]) -> bool:
        try:
            return question()
        except BufferError:  # the system was asked for memory, for more than a second
            return True
        except IndexError as error:  # it was cut at each try to count the lines
            return "out of range" in str(error)
        except ValueError as error:  # the lines were counted in more, or less, than there is now
            return any(text in str(error) for text in ("isn't one of", "aren't those of"))

    @staticmethod
    def change(call: Callable[[], object]) -> bool:
        try:
            call()
        except BufferError:  # somebody looks at it
            return True
        except ValueError as error:  # it has grown, or was cut, between the looks
            return "ends at byte" in str(error)
        return True

    def end(self) -> list[str]:
        size = len(self.m)
        records = self.m[:].replace(bytes(len(self.RECORD)), self.RECORD)
        self.m.close()
        wrong = [] if records == self.RECORD * (size // len(self.RECORD)) else ["a record isn't whole"]
        return wrong + ([] if os.path.getsize(self.path) == size else ["the file has another size than its mapping"])


class Appending(Arena):
    """One appender, to which all threads append, and that some flush and reopen; and somebody follows the log."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "log"
        self.log = log = fastmmap.Appender(self.path, interval=0.01, stage_size=1 << 14)
        self.follower = fastmmap.follow(self.path, start=0, timeout=0)
        self.following, self.lines = threading.Lock(), collections.Counter()
        self.numbers: dict[int, int] = collections.defaultdict(int)  # of each thread's records
        self.calls = {
            **self.stores(log),
            "flush": lambda r: log.flush() is None,
            "position and size": lambda r: log.position >= 0 and log.size >= 0 and not log.closed,
            "follow": self.follow,
        }

    def stores(self, log: fastmmap.Appender) -> Calls:
        return {
            "append": lambda r: self.append(log.append, 1),
            "append_many": lambda r: self.append(lambda records: log.append_many([records]), 1),
            "append_many, many": lambda r: self.append(lambda records: log.append_many(records.splitlines(True)), 9),
            "append a large record": lambda r: self.append(log.append, 3000),
            "another appender": self.another,
            "reopen": lambda r: r.random() < 0.9 or log.reopen() is None,
            "sync": lambda r: r.random() < 0.9 or log.sync() is None,
        }

    def append(self, store: Callable[[bytes], object], lines: int) -> bool:
        me = threading.get_ident()
        first = self.numbers[me]
        self.numbers[me] += lines
        store(b"".join(b"%d %d\n" % (me, first + i) for i in range(lines)))
        return True

    def another(self, rng: random.Random) -> bool:
        """Appenders that come and go, of the same log, which an edit mustn't touch meanwhile."""
        with fastmmap.Appender(self.path, interval=None, stage_size=1 << 10) as other:
            self.append(other.append, 1)
            try:
                fastmmap.replace_file(self.path, b"no such text", b"")
            except OSError as error:
                return "open" in str(error)
        return False

    def follow(self, rng: random.Random) -> bool:
        if not self.following.acquire(False):
            return True
        try:
            for line in self.follower:
                self.lines[line] += 1
        finally:
            self.following.release()
        return True

    def end(self) -> list[str]:
        self.log.close()
        self.follow(random.Random())
        self.follower.close()
        written = collections.Counter(self.path.read_bytes().splitlines(True))
        expected = {b"%d %d\n" % (me, i) for me, number in self.numbers.items() for i in range(number)}
        wrong = [f"{len(expected)} records, {len(written)} of them in the log"] if expected != set(written) else []
        wrong += [f"{line!r} {number} times" for line, number in written.items() if number > 1][:3]
        return wrong + (["what was followed is not what was written"] if self.lines != written else [])


class Printing(Appending):
    """The same, to which all write lines in pieces: each is one record. (An append would store what others began.)"""

    def stores(self, log: fastmmap.Appender) -> Calls:
        return {
            "write": lambda r: self.append(log.write, 1),
            "write in pieces": lambda r: self.append(lambda line: (log.write(line[:5]), log.write(line[5:])), 1),
            "print": lambda r: self.append(lambda line: print(line[:-1].decode(), file=log), 1),
        }


class Logging(Arena):
    """One handler of logging, which rotates its file."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "rotated.log"
        self.handler = fastmmap.LogHandler(self.path, maxBytes=1 << 15, backupCount=10_000)
        self.done = collections.deque()
        self.calls = {"log": self.log, "flush a handler": lambda r: self.handler.flush() is None}

    def log(self, rng: random.Random) -> bool:
        text = f"{threading.get_ident()} {len(self.done)} {rng.getrandbits(60)}"
        self.handler.handle(logging.LogRecord("stress", logging.INFO, "", 0, text, None, None))
        self.done.append(text)
        return True

    def end(self) -> list[str]:
        self.handler.close()
        files = [path for path in self.folder.iterdir() if path.name.startswith(self.path.name)]
        written = sorted(line.decode() for path in files for line in path.read_bytes().splitlines())
        return [] if written == sorted(self.done) else [f"{len(self.done)} were logged, {len(written)} are there"]


class Editing(Arena):
    """One file that threads edit and search: it is always one of two texts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.path = folder / "edited"
        self.texts = [b"one two three\n" * 2000, b"eins two three\n" * 2000]
        self.path.write_bytes(self.texts[0])
        self.calls = {
            "replace_file": lambda r: self.edit(b"one", b"eins", threads=2),
            "replace_file back": lambda r: self.edit(b"eins", b"one"),
            "plan_replace": lambda r: int(fastmmap.plan_replace(self.path, b"one", b"eins").count) in (0, 2000),
            "search a path": lambda r: fastmmap.count(self.path, b"two") == 2000,
        }

    def edit(self, old: bytes, new: bytes, **options: int) -> bool:
        try:
            return int(fastmmap.replace_file(self.path, old, new, durable=False, **options)) in (0, 2000)
        except OSError:  # another thread has put its file in the place of this one
            return True

    def end(self) -> list[str]:
        return [] if self.path.read_bytes() in self.texts else ["the file is neither of its texts"]


ARENAS = (Reading, MadeReady, Large, Closing, Resizing, Appending, Printing, Logging, Editing)
