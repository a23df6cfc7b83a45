"""LogHandler: logging's records by an appender, in one file for any number of processes, which may rotate it."""

from __future__ import annotations

import codecs
import logging
import math
import operator
import os
from logging.handlers import BaseRotatingHandler
from typing import TYPE_CHECKING, Any

from .rotating import RotatingAppender
from .rotation import rotation_of

if TYPE_CHECKING:
    import datetime

    from ..paths import Path

_MODES = ("a", "w", "x")


def _setting(name: str, words: str) -> Any:
    """A setting of the rotation, which may be changed. There is no such attribute where the rotation has none."""

    def get(self: LogHandler) -> Any:
        return getattr(self._rotation, name)

    def put(self: LogHandler, value: Any) -> None:
        setattr(self._rotation, name, value)

    return property(get, put, doc=words)


class LogHandler(BaseRotatingHandler):
    r"""Writes logging's records to a file, as FileHandler does, through an `Appender`.

    Any number of processes may log to one file, and rotate it: exactly one of them does, and no record is lost, split
    or written to a file that was rotated. It is a `logging.FileHandler` and takes its place everywhere: in dictConfig,
    behind a QueueHandler or MemoryHandler, in gunicorn.

    Parameters
    ----------
    filename : str, bytes or os.PathLike
        The file, made if it isn't there.
    maxBytes : int, default 0
        The size in bytes that a file stays below. 0: any size.
    backupCount : int, default 0
        How many older files are kept. 0: all where `when` is given; else the file isn't rotated, as in the standard
        library.
    when : str or None, default None
        When the file is rotated: "S", "M", "H", "D", "midnight", or "W0" (Monday) to "W6", as for
        `logging.handlers.TimedRotatingFileHandler`. With `maxBytes` it is rotated earlier where it is full.
    encoding : str or None, default "utf-8"
        How text is encoded. None: as the locale says.
    errors : str or None, default None
        What becomes of text that can't be encoded, as for `str.encode`. None: "strict".
    flush_level : int, str or None, default logging.ERROR
        Records of this level and above are in the file when the call that logs them returns, with all before them.
        Others are within a second, or after `flush`. None: none.
    mode : "a", "w" or "x", default "a"
        "w" empties the file first, unless it is to be rotated; "x" is a FileExistsError where there is one.
    delay : bool, default False
        Whether the file is opened with the first record.
    interval : int, default 1
        How many of the units of `when` a file is for.
    utc : bool, default False
        Whether `when` and the dates in names mean UTC.
    atTime : datetime.time or None, default None
        The time of day for "midnight" and "W0" to "W6".

    Attributes
    ----------
    namer, rotator : callable or None
        How older files are named and made, as for the standard library's handlers; a rotator may compress.
    stream : Appender
        What the records go to; None before it is opened, and when the handler is closed.

    Raises
    ------
    OSError
        The file can't be opened.
    ValueError, TypeError, LookupError
        An argument is none of those above. An encoding that marks the beginning of a text, as UTF-16 does, can't be
        used for records: name UTF-16-LE.

    Notes
    -----
    A killed process loses nothing that was logged: what isn't in the file waits in a stage beside it, as for an
    `Appender`, and another process that logs to the file takes it there, or the next one, or `recover`.

    A file that was renamed, removed or replaced by another program is opened anew at its path before the next write;
    `copytruncate` works as well. A record that can't be formatted or written goes to `handleError`, as in the standard
    library. A rotation that fails does so too; its record, and those after it, go on in the file as it is.

    With several processes a file may be rotated before it is full by what they have staged: an eighth of maxBytes or
    1 MiB for each. One process rotates where RotatingFileHandler does.

    Examples
    --------
    >>> import fastmmap, logging, pathlib
    >>> handler = fastmmap.LogHandler("app.log", maxBytes=10_000_000, backupCount=5)
    >>> handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    >>> log = logging.getLogger("app")
    >>> log.addHandler(handler)
    >>> log.error("it is %s", "late")
    >>> pathlib.Path("app.log").read_text()
    'ERROR it is late\n'
    >>> log.removeHandler(handler)
    >>> handler.close()
    """

    stream: RotatingAppender | None  # type: ignore[assignment]

    # What the handlers of the standard library have that it stands for.
    maxBytes = _setting("max_bytes", "The size in bytes that a file stays below, an int. It may be changed.")
    backupCount = _setting("backupCount", "How many older files are kept, an int. It may be changed.")
    when = _setting("when", "When the file is rotated, a str in capitals.")
    interval = _setting("interval", "How many seconds a file is for, an int.")
    suffix = _setting("suffix", "The format of dates in names, a str for time.strftime. It may be changed.")
    extMatch = _setting("extMatch", "What the dates in names match, a pattern of re. It isn't used.")
    utc = _setting("utc", "Whether dates are those of UTC, a bool.")
    atTime = _setting("atTime", "The time of day of a rotation, a datetime.time or None.")
    rolloverAt = _setting("rolloverAt", "When the time of the file is over, in seconds since the epoch, a float.")

    def __init__(
        self,
        filename: Path,
        *,
        maxBytes: int = 0,
        backupCount: int = 0,
        when: str | None = None,
        encoding: str | None = "utf-8",
        errors: str | None = None,
        flush_level: int | str | None = logging.ERROR,
        mode: str = "a",
        delay: bool = False,
        interval: int = 1,
        utc: bool = False,
        atTime: datetime.time | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode must be one of {', '.join(map(repr, _MODES))}, not {mode!r}")
        maxBytes, backupCount = _natural("maxBytes", maxBytes), _natural("backupCount", backupCount)
        if when is not None and not isinstance(when, str):
            raise TypeError(f"when must be a str or None, not {type(when).__name__!r}")
        if _natural("interval", interval) == 0:
            raise ValueError("interval must be at least 1, not 0")
        self._encoding, self._errors = _codec(encoding, errors)
        # Handler.format does nothing else: with each record that is a twentieth of what this handler takes.
        self._formatter_alone = type(self).format is logging.Handler.format
        ascii = bytes(range(128))
        self._is_plain = ascii.decode("ascii").encode(self._encoding, "ignore") == ascii
        # A handler of the standard library's knows what a level is called.
        self._flush_from = math.inf if flush_level is None else logging.NullHandler(flush_level).level
        self.flush_level = flush_level
        self.baseFilename = os.path.abspath(os.fsdecode(os.fspath(filename)))
        self._until = math.inf  # the time of the file, in seconds since the epoch: see ByTime
        more: dict[str, Any] = {"interval": interval, "utc": utc, "atTime": atTime} if when is not None else {}
        self._rotation = rotation_of(self, maxBytes, backupCount, when, **more)
        if mode == "w" and (maxBytes or when is not None):
            mode = "a"
        self._first_mode = mode
        super().__init__(self.baseFilename, mode, encoding=self._encoding, delay=delay, errors=self._errors)

    def _open(self) -> Any:
        """The appender, for FileHandler's methods. `mode` is for the first time: later it goes on in the file."""
        if self._first_mode != "a":
            with open(self.baseFilename, f"{self._first_mode}b"):
                self._first_mode = "a"
        return RotatingAppender(self.baseFilename, self._rotation)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record, after a rotation if one is due.

        Parameters
        ----------
        record : logging.LogRecord
            What was logged. A formatter may return bytes, which are written as they are, with the terminator.

        Examples
        --------
        >>> import fastmmap, logging
        >>> with fastmmap.Appender("app.log"):
        ...     handler = fastmmap.LogHandler("app.log")
        >>> handler.emit(logging.makeLogRecord({"msg": "one"}))
        >>> handler.close()
        """
        try:
            stream = self.stream
            if type(stream) is not RotatingAppender:
                if stream is not None:  # which setStream was given
                    logging.StreamHandler.emit(self, record)
                    return
                stream = self.stream = self._open()
            formatter = self._formatter_alone and self.formatter
            text = formatter.format(record) if formatter else self.format(record)
            if record.created >= self._until:
                stream.make_room(0)
                self._append(stream, text)
            elif not (self._is_plain and stream._take_line(text, self.terminator)):
                self._append(stream, text)
            level = record.levelno
            if level is not None and level >= self._flush_from:
                stream.flush()
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def _append(self, stream: RotatingAppender, text: str | bytes) -> None:
        """Appends a line that may need a rotation. What that has failed with is raised once the line is safe."""
        stream.append(self._encoded(text))
        stream.raise_failure()

    def _encoded(self, text: str | bytes) -> bytes:
        """A line of text, or of bytes that a formatter has made."""
        if isinstance(text, bytes):
            return text + self.terminator.encode(self._encoding)
        return (text + self.terminator).encode(self._encoding, self._errors)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Whether the file would be rotated before a record is written to it.

        Parameters
        ----------
        record : logging.LogRecord
            What would be logged.

        Returns
        -------
        bool
            Whether the file is full, or its time is over.

        Examples
        --------
        >>> import fastmmap, logging
        >>> handler = fastmmap.LogHandler("app.log")
        >>> handler.shouldRollover(logging.makeLogRecord({"msg": "one"}))
        False
        >>> handler.close()
        """
        if self.stream is None:
            self.stream = self._open()
        return self.stream.is_due(len(self._encoded(self.format(record))))

    def doRollover(self) -> None:
        """Rotates the file now, if the handler rotates at all.

        Raises
        ------
        OSError
            The file can't be renamed, or a rotator has failed. Records go on in the file as it is.

        Examples
        --------
        >>> import fastmmap, logging, os
        >>> handler = fastmmap.LogHandler("app.log", maxBytes=1000, backupCount=2)
        >>> handler.emit(logging.makeLogRecord({"msg": "one"}))
        >>> handler.doRollover()
        >>> os.path.exists("app.log.1")
        True
        >>> handler.close()
        """
        self.acquire()
        try:
            if self.stream is None:
                self.stream = self._open()
            self.stream.roll_over()
        finally:
            self.release()


def _natural(name: str, value: int) -> int:
    number = operator.index(value)
    if number < 0:
        raise ValueError(f"{name} must be at least 0, not {number}")
    return number


def _codec(encoding: str | None, errors: str | None) -> tuple[str, str]:
    """An encoding and its error handler, by their names. LookupError for unknown ones."""
    if encoding is None:
        import locale

        encoding = locale.getpreferredencoding(False)
    errors = "strict" if errors is None else errors
    codecs.lookup_error(errors)
    if len("aa".encode(encoding)) != 2 * len("a".encode(encoding)):
        raise ValueError(f"encoding={encoding!r} marks the beginning of each text: name one without")
    return encoding, errors
