"""Appender: many small records to the end of a file."""

from __future__ import annotations

import operator
import os
from _thread import TIMEOUT_MAX, get_ident
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from .. import paths
from ..blame import ours
from ..errors import naming
from ..reference.arguments import export_data
from .as_file import AsFile
from .ending import has_ended, kept, remember
from .layout import LARGEST_HALF
from .stage import NOTHING
from .staging import Open, State

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..paths import Path
    from ..reference.arguments import Data

SYNCS = (None, "interval", "always")


class Appender(AsFile):
    r"""Appends records to a file, fast: into a stage, which one write(2) takes to the file when it is full.

    A record is bytes-like or a str, and nothing is added to it, no newline either. Threads may share an appender, and
    processes a file: records are never split, and those of each appender stay in order. Records of 64 KiB and more go
    to the file directly, with what is staged before them.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file, made if it isn't there. It may also be a pipe or a device.
    sync : None, "interval" or "always", default None
        When records are safe from a power loss: when `sync` is called; `interval` seconds later; when append returns.
    interval : float or None, default 1.0
        After how many seconds records are in the file at the latest, for its readers to see. None: when the stage is
        full, and after `flush`, `sync` and `close`.
    stage_size : int, default 1 MiB
        How many bytes of records are staged at most: from 1 to 2 GiB.
    stage_dir : str, bytes or os.PathLike, or None, default None
        The directory for the stage, on a filesystem of this machine. None: that of the file. All writers of a file
        should name the same one.

    Attributes
    ----------
    name : str or bytes
        The path, as it was given.

    Raises
    ------
    OSError
        The file can't be opened or made, or holds up an earlier writer's records that can't be taken to it.
    ValueError
        `sync`, `interval` or `stage_size` is out of its range, or sync="interval" has no interval.

    Warns
    -----
    RuntimeWarning
        The stage can't be a file (on a network filesystem, in a directory that can't be written to), and why. It is
        memory then, and `survives_kill` is False. So it is, without a warning, for a pipe or a device.

    Notes
    -----
    The stage is a mapped file beside the log, so a killed process loses nothing that was appended: the next appender of
    the file takes it to the log, once, or `recover` does.

    A log that is renamed is written to under its new name, as every open file is, until `reopen`. One that was removed,
    or that another was renamed over, is opened anew at its path before the next write, and made if need be: no record
    goes to a file without a name.

    A write that fails raises OSError and loses nothing: what was accepted is written with the next flush. An append
    that raises hasn't taken its record. When the system fails to sync, what had been written before may be lost, and
    every later call but `close` raises that error. An appender that is closed raises ValueError.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> with fastmmap.Appender("app.log") as log:
    ...     log.append("one\n")
    ...     log.append_many(["two\n", b"three\n"])
    2
    >>> pathlib.Path("app.log").read_bytes()
    b'one\ntwo\nthree\n'
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
        if interval is not None and not (0 < interval <= TIMEOUT_MAX):
            raise ValueError(
                f"interval must be None or seconds above 0 and at most {TIMEOUT_MAX:.0f}, not {interval!r}"
            )
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
        remember(self)

    # --- appending ---

    def append_many(self, records: Iterable[Data]) -> int:
        r"""Appends each record of an iterable. A list or tuple of bytes is the fastest way to append.

        Parameters
        ----------
        records : iterable of bytes-like or str
            The records, to which nothing is added.

        Returns
        -------
        int
            How many records there were.

        Raises
        ------
        TypeError, OSError, ValueError
            As `append` does, and whatever the iterable raises. The records before are appended; `position` tells how
            many bytes were taken.

        Notes
        -----
        With sync="always" the records are made durable together, before it returns.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.append_many(f"line {i}\n" for i in range(1000))
        1000
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

    # --- writing ---

    def flush(self) -> None:
        r"""Writes the stage to the file: readers of the file see all that was appended before.

        Raises
        ------
        OSError
            The file can't be written to, or an earlier sync has failed. Nothing is lost: the next flush tries again.
        ValueError
            The appender is closed.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> log = fastmmap.Appender("app.log")
        >>> log.append("one\n")
        >>> log.flush()
        >>> pathlib.Path("app.log").read_text()
        'one\n'
        >>> log.close()
        """
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            if self._reopen_is_due:
                self._reopen()
            self._store_unended(get_ident())  # that of other threads is in the midst of a print
            self._write(NOTHING)
            if self._interval is not None and not self._is_armed:
                self._rest()  # the next append tries to arm it

    def sync(self) -> None:
        r"""Flushes, and returns when all that was appended before would survive a power loss.

        Raises
        ------
        OSError
            The file can't be written to; or the system can't sync it, and then what was written since the last sync may
            be lost, and every later call but `close` raises this error again.
        ValueError
            The appender is closed.

        Examples
        --------
        >>> import fastmmap
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.append("one\n")
        ...     log.sync()
        """
        with Open(self), self._lock:
            self._check_open()
            self._durability.is_asked = True
            self._store_unended()
            self.flush()
            self._make_durable()

    def reopen(self) -> None:
        r"""Goes on in the file that the path leads to now, as after a rotation. It is made where there is none.

        What is staged goes to the file as it was open, under whatever name it has now, or to the new one if it has
        none any more. `position` goes on counting. The path is the one that was given, from the directory where the
        appender was made. A signal handler may call this, of SIGHUP for instance, whatever it came into.

        Raises
        ------
        OSError
            The path can't be opened, or the old file can't be written to. The appender goes on as it was, with its
            records. Where only the new stage can't be made, the next append tries again.
        ValueError
            The appender is closed.

        Examples
        --------
        >>> import fastmmap, os
        >>> with fastmmap.Appender("app.log") as log:
        ...     log.append("one\n")
        ...     os.rename("app.log", "app.log.1")
        ...     log.reopen()
        ...     log.append("two\n")
        >>> os.path.getsize("app.log.1"), os.path.getsize("app.log")
        (4, 4)
        """
        with Open(self), self._lock:
            self._check_open()
            self._durability.check()
            self._store_unended()
            self._reopen()

    def close(self) -> None:
        """Flushes, closes, and removes the stage. Closing twice does nothing.

        A with statement closes the appender at its end.

        Raises
        ------
        OSError
            The flush failed: the appender stays open, with its records, and may be closed again. Or an earlier sync has
            failed: the appender is closed.

        Examples
        --------
        >>> import fastmmap
        >>> log = fastmmap.Appender("app.log")
        >>> log.close()
        >>> log.closed
        True
        """
        if self._is_closed:
            return
        self._take_over()
        try:
            with self._lock:
                if self._is_closed:
                    return
                try:
                    self._store_unended()
                    self._end_stage()
                except ours(OSError, ValueError):
                    if self._is_closed:  # by a signal handler
                        return
                    raise
                self._is_over = True
                self._log.file.close()
                kept.pop(id(self), None)
                self._durability.check()
        finally:
            self._say_outside()

    def __repr__(self) -> str:
        state = "closed" if self._is_over else "open"
        return f"<fastmmap.Appender {self.name!r}, {self.position} bytes accepted, {state}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        is_open = not getattr(self, "_is_over", True)
        if kept is None or (is_open and has_ended()):
            return  # what was staged was drained when the interpreter began to end
        try:
            if is_open:
                self.close()
        except BaseException:
            self._let_go()
            self._log.file.close()
            raise
        finally:
            kept.pop(id(self), None)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(f"an Appender can't be copied or pickled: open another one with the path {self.name!r}")
