"""Appender: many small records to the end of a file."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

from . import _system
from ._backend import chosen
from .mapped import MappedFile
from .reference.arguments import export

if TYPE_CHECKING:
    from typing_extensions import Self

    from .reference.append import Stage
    from .reference.arguments import Data
else:
    Stage = chosen.Stage

# Records of this many bytes and more go to the file with what is in the stage, not through it.
LARGE = 1 << 16


class Appender(Stage):
    """Appends records to a file through a stage of `stage_size` bytes, drained with one write(2) when it is full.

    Records are bytes-like or str, and nothing is added to them. `flush` makes them visible to readers of the file,
    `sync` returns when they would survive a power loss, `close` flushes. The stage is memory of this process, so what
    wasn't flushed is lost with it: `survives_kill` is False. Threads may share an appender; a record is never split,
    and each appender's records stay in order.

    A write that fails raises OSError and loses nothing: what was accepted before is written with the next flush. An
    append that raises hasn't taken its record; one that returns has, even a large one of which the system wrote a part.
    """

    survives_kill = False
    _fd = -1

    def __init__(self, path: str | os.PathLike[str], *, stage_size: int = 1 << 20) -> None:
        if stage_size < 1:
            raise ValueError(f"stage_size must be at least 1, not {stage_size}")
        self.name = os.fspath(path)
        self._unwritten: list[memoryview] = []  # drained from the stage, not yet in the file
        self._drained = 0
        self._lock = threading.RLock()
        with _system.naming(self.name):
            # One half takes records while the other is written, so appending goes on without the drain's lock. They
            # are private ("c"): a forked child must not store into its parent's.
            self._halves = [MappedFile(None, "c", size=stage_size) for _ in range(2)]
            super().__init__(self._halves[0])
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        _appenders.add(self)

    @property
    def closed(self) -> bool:
        """Whether close was called."""
        return self._fd < 0

    @property
    def position(self) -> int:
        """How many bytes this appender has accepted."""
        return self._drained + self.tail

    @property
    def size(self) -> int:
        """How long the file is, with what waits in the stage."""
        with self._lock:
            self._check_open()
            return os.fstat(self._fd).st_size + sum(map(len, self._unwritten)) + self.tail

    def write(self, data: Data) -> int:
        """append, for those who expect a file: returns how many bytes were taken."""
        if isinstance(data, str):
            data = data.encode()
        self.append(data)
        with export(data) as view:
            return len(view)

    def overflow(self, data: Data) -> None:
        """A record that doesn't fit: the stage is drained first, and a large record follows it directly."""
        with self._lock, export(data.encode() if isinstance(data, str) else data) as view:
            self.flush()
            if len(view) < min(LARGE, len(self._halves[0])):
                Stage.append(self, view)
                return
            self._drained += len(view)
            written = 0
            try:
                while written < len(view):
                    written += _system.write_some(self._fd, view[written:])
            except BaseException as error:
                self._unwritten.append(memoryview(bytes(view[written:])))
                if not isinstance(error, OSError):
                    raise  # an OSError waits for the next flush, which tries again: the record is accepted

    def flush(self) -> None:
        """Writes the stage to the file: what was appended before is visible to its readers."""
        with self._lock:
            self._check_open()
            self._write()
            self._switch()
            self._write()

    def sync(self) -> None:
        """flush, and returns when the file would survive a power loss."""
        with self._lock, _system.naming(self.name):
            self.flush()
            _system.make_durable(self._fd)

    def close(self) -> None:
        """Flushes and closes. A flush that fails leaves the appender open, with its records."""
        with self._lock:
            if self._fd < 0:
                return
            self._write()
            self._switch(last=True)  # from here on no record is accepted
            try:
                self._write()
            except BaseException:
                self.switch(self._halves[0])
                raise
            fd, self._fd = self._fd, -1
            for half in self._halves:
                half.close()
            os.close(fd)

    def _check_open(self) -> None:
        if self._fd < 0:
            raise ValueError(f"the appender of {self.name!r} is closed")

    def _switch(self, last: bool = False) -> None:
        """Goes on in the other half, or in none; what is in this one waits to be written.

        Nothing may wait already: it could be in the half that takes records from now on.
        """
        self._halves.reverse()
        used = self.switch(None if last else self._halves[0])
        self._drained += used
        if used:
            self._unwritten.append(self._halves[1].view()[:used])

    def _write(self) -> None:
        """Writes what waits. Where that fails, exactly the rest goes on waiting."""
        with _system.naming(self.name):
            while self._unwritten:
                view = self._unwritten[0]
                self._unwritten[0] = view[_system.write_some(self._fd, view) :]
                if not self._unwritten[0]:
                    self._unwritten.pop(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if self._fd >= 0:
            self.close()


_appenders: weakref.WeakSet[Appender] = weakref.WeakSet()


def _forget_in_child() -> None:
    """After a fork the parent writes what is staged; the child starts with an empty stage of its own."""
    for appender in _appenders:
        appender._lock = threading.RLock()
        appender._unwritten.clear()
        appender.switch(appender._halves[0])


os.register_at_fork(after_in_child=_forget_in_child)
