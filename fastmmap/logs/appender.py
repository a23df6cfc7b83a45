"""Appender: many small records to the end of a file."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from .. import paths
from ..blame import ours
from ..errors import naming
from ..reference.arguments import export, export_data
from .ending import appenders, has_ended
from .layout import LARGEST_HALF
from .stage import NOTHING
from .staging import Open, State
from .storing import Storing

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..mapped import Path
    from ..reference.arguments import Data

SYNCS = (None, "interval", "always")


class Appender(Storing):
    """Appends records to a file: into a stage, which is written to the file by one write(2) when it is full.

    path: of the file, made where it isn't there. sync: when records are safe from a power loss: "always" when append
    returns, "interval" so many seconds later, None when `sync` is called. interval: after how many seconds records are
    visible in the file at the latest; None: when the stage is full, and after `flush`, `sync` and `close`. stage_size:
    how many bytes of records are staged at most. stage_dir: the directory for the stage, that of the file when None.

    Records are bytes-like or str, and nothing is added to them. The stage is a mapped file beside the log, so a killed
    process loses nothing that was appended: the next appender of the file, or `recover`, takes it to the log, once.
    Where that can't be had (a network filesystem, a directory that can't be written to) the stage is memory, with a
    RuntimeWarning that says why, and `survives_kill` is False; so it is for a pipe or a device. Threads may share an
    appender, and processes a file; records are never split, and each appender's stay in order.

    A log that is renamed is written to under its new name, as every open file is, until `reopen`. One that was removed,
    or that another was renamed over, is opened anew at its path before the next write, and made if need be: no record
    goes to a file without a name.

    A write that fails raises OSError and loses nothing: what was accepted is written with the next flush. An append
    that raises hasn't taken its record. When the system fails to sync, what had been written before may be lost, and
    every later call but `close` raises that error.
    """

    def __init__(
        self,
        path: Path,
        *,
        sync: str | None = None,
        interval: float | None = 1.0,
        stage_size: int = 1 << 20,
        stage_dir: Path | None = None,
    ) -> None:
        self._is_over = True  # until it is open
        stage_size = operator.index(stage_size)
        if not 1 <= stage_size <= LARGEST_HALF:
            raise ValueError(f"stage_size must be from 1 to {LARGEST_HALF}, not {stage_size}")
        if sync not in SYNCS:
            raise ValueError(f"sync must be one of {', '.join(map(repr, SYNCS))}, not {sync!r}")
        if interval is not None and not (0 < interval <= threading.TIMEOUT_MAX):
            most = threading.TIMEOUT_MAX
            raise ValueError(f"interval must be None or seconds above 0 and at most {most:.0f}, not {interval!r}")
        if sync == "interval" and interval is None:
            raise ValueError("sync='interval' needs an interval")
        super().__init__()
        folder = None if stage_dir is None else paths.resolved(os.fsdecode(os.fspath(stage_dir)))
        self._prepare(os.fspath(path), sync, interval, stage_size, folder)
        with naming(self.name):
            self._use(self._opened())
            try:
                try:
                    self._open_stage()
                finally:
                    self._say()
            except BaseException:
                self._is_over = True
                self._let_go(remove=True)
                self._log.file.close()
                raise
        self._phase = State.OPEN
        appenders.add(self)

    # --- appending ---

    def append_many(self, records: Iterable[Data]) -> int:
        """Appends each record of an iterable and returns how many there were. An error leaves those before it appended.

        With sync="always" they are made durable together, before it returns.
        """
        if self._durability.policy != "always":
            return super().append_many(records)
        number = 0
        try:
            for record in records:  # whoever makes them may take their time: no lock is held
                with export_data(record) as view, Open(self), self._lock:
                    self._check_open()
                    self._append_through(view)
                number += 1
        finally:
            with self._lock:
                if not self._is_closed and self._durability.is_pending:
                    self._make_durable()
                self._durability.check()
        return number

    def writelines(self, lines: Iterable[Data]) -> None:
        """append_many, for those who expect a file. As there, nothing is added to the lines."""
        self.append_many(lines)

    def write(self, data: Data) -> int:
        """append, for those who expect a file: returns how many bytes were taken."""
        if isinstance(data, str):
            data = str.encode(data)
        if type(data) is bytes:
            self.append(data)
            return len(data)
        with export(data) as view:
            self.append(view)
            return len(view)

    # --- writing ---

    def flush(self) -> None:
        """Writes the stage to the file: what was appended before is visible to its readers."""
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            if self._reopen_is_due:
                self._reopen()
            self._write(NOTHING)
            if self._interval is not None and not self._is_armed:
                self._rest()  # the next append tries to arm it

    def sync(self) -> None:
        """flush, and returns when the file would survive a power loss."""
        with Open(self), self._lock:
            self._check_open()
            self._durability.is_asked = True
            self.flush()
            self._make_durable()

    def reopen(self) -> None:
        """Goes on in the file that the path leads to now, as after a rotation; makes it where there is none.

        What is staged goes to the file as it was open, under whatever name it has now, or to the new one if it has
        none any more. `position` goes on counting. The path is the one that was given, from the directory where the
        appender was made. A signal handler may call it, of SIGHUP for instance, whatever it came into.

        Raises
        ------
        OSError
            The path can't be opened, or the old file can't be written to. The appender goes on as it was, with its
            records. Where only the new stage can't be made, the next append tries again.
        ValueError
            The appender is closed.
        """
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            self._reopen()

    def close(self) -> None:
        """Flushes and closes, and removes the stage. A flush that fails leaves the appender open, with its records."""
        if self._is_closed:
            return
        self._take_over()
        try:
            with self._lock:
                if self._is_closed:
                    return
                try:
                    self._end_stage()
                except ours(OSError, ValueError):
                    if self._is_closed:  # by a signal handler
                        return
                    raise
                self._is_over = True
                self._log.file.close()
                self._durability.check()
        finally:
            self._say_outside()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_is_over", True) or has_ended is None or has_ended():
            return  # what was staged was drained when the interpreter began to end
        try:
            self.close()
        except BaseException:
            self._let_go()
            self._log.file.close()
            raise

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"an Appender can't be copied or pickled, for its stage is its own: open another by the path {self.name!r}"
        )
