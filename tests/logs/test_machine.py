"""An appender against a model: appends, flushes, syncs, kills, new starts and forks in any order."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import struct
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.lacks import without
from support.marks import staged

import fastmmap

pytestmark = [
    without("os.fork"),
    staged,
]

SIZES = st.sampled_from([0, 1, 10, 100, 250, 300, 301, 5000, 70_000])


def record(writer, number, size):
    return b"<%d %d %s>" % (writer, number, b"x" * size)


class Worker:
    """A process with an appender, which does what it is told until it is killed."""

    def __init__(self, path, **options):
        down, self._tell = os.pipe()
        self._hear, up = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            try:
                os.close(self._tell)
                os.close(self._hear)
                self._work(down, up, fastmmap.Appender(path, **options))
            finally:
                os._exit(1)
        os.close(down)
        os.close(up)

    def _work(self, down, up, log):
        calls = os.fdopen(down, "rb")
        while True:
            method, *arguments = pickle.load(calls)
            if method == "fork":
                child = os.fork()
                if child == 0:
                    log.append_many(arguments[0])
                    os.kill(os.getpid(), signal.SIGKILL) if arguments[1] else log.close()
                    os._exit(0)
                answer = os.waitpid(child, 0)[1]
            else:
                answer = getattr(log, method)
                answer = answer(*arguments) if callable(answer) else answer
            os.write(up, struct.pack("=q", answer or 0))

    def ask(self, *call):
        with os.fdopen(os.dup(self._tell), "wb") as calls:
            pickle.dump(call, calls)
        return struct.unpack("=q", os.read(self._hear, 8))[0]

    def end(self):
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self._tell)
        os.close(self._hear)


class Machine(RuleBasedStateMachine):
    @initialize(stage_size=st.sampled_from([1, 300, 4096]), interval=st.sampled_from([None, 0.001]))
    def begin(self, stage_size, interval):
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "log"
        self.options = {"stage_size": stage_size, "interval": interval}
        self.accepted = {}  # the records of each writer
        self.start()

    def start(self):
        self.writer = len(self.accepted)
        self.accepted[self.writer] = []
        self.worker = Worker(self.path, **self.options)

    def new(self, writer, sizes):
        """The next records of a writer, which it will have accepted."""
        mine = self.accepted[writer]
        records = [record(writer, len(mine) + i, size) for i, size in enumerate(sizes)]
        mine += records
        return records

    @rule(size=SIZES)
    def append(self, size):
        self.worker.ask("append", *self.new(self.writer, [size]))

    @rule(sizes=st.lists(SIZES.filter(lambda size: size < 5001), max_size=5))
    def append_many(self, sizes):
        assert self.worker.ask("append_many", self.new(self.writer, sizes)) == len(sizes)

    @rule(method=st.sampled_from(["flush", "sync"]))
    def flush(self, method):
        self.worker.ask(method)
        assert self.found()[self.writer] == self.accepted[self.writer]

    @rule(sizes=st.lists(SIZES.filter(lambda size: size < 5001), max_size=3), killed=st.booleans())
    def fork(self, sizes, killed):
        child = len(self.accepted)
        self.accepted[child] = []
        assert self.worker.ask("fork", self.new(child, sizes), killed) == (signal.SIGKILL if killed else 0)

    @rule(how=st.sampled_from(["recover", "recover the folder", "open"]))
    def kill(self, how):
        self.worker.end()
        if how != "open":
            fastmmap.recover(self.path if how == "recover" else self.folder)
            self.check()
        self.start()
        self.worker.ask("flush")  # by now it is open, and has recovered
        self.check()

    @rule()
    def close(self):
        self.worker.ask("close")
        assert self.found()[self.writer] == self.accepted[self.writer]
        self.worker.end()
        self.start()

    @invariant()
    def position(self):
        if hasattr(self, "worker"):
            assert self.worker.ask("position") == sum(map(len, self.accepted[self.writer]))

    def found(self):
        """The records in the log, by writers. Nothing else may be there."""
        data, found = self.path.read_bytes(), {writer: [] for writer in self.accepted}
        while data:
            end = data.index(b">") + 1
            writer = int(data[1:end].split()[0])
            assert data[:end] == record(writer, len(found[writer]), end - len(record(writer, len(found[writer]), 0)))
            found[writer].append(data[:end])
            data = data[end:]
        return found

    def check(self):
        """After a recovery every record is there. A child of a fork that was killed may not have been recovered yet."""
        fastmmap.recover(self.folder)
        assert self.found() == self.accepted

    def teardown(self):
        if hasattr(self, "worker"):
            self.worker.end()
            fastmmap.recover(self.folder)
            assert self.found() == self.accepted
            assert os.listdir(self.folder) == ["log"]
            shutil.rmtree(self.folder)


Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestMachine = Machine.TestCase
