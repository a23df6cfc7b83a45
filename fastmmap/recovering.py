"""Brings to its end what was killed: edits in place, and appends."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from .beside import Untrusted
from .blame import ours
from .editing.resuming import journals_in, recover_edit, recover_journal
from .errors import warn
from .logs.recovering import recover_log, recover_stages
from .paths import is_directory, is_taken, resolved

if TYPE_CHECKING:
    from .paths import Path


def recover(path: Path) -> bool:
    r"""Brings to its end what was killed: an edit of a file in place, and the appends of dead writers of a log.

    The next replace_file of the file, or the next Appender of the log, does the same. Edits that go on, and stages of
    writers that live, are left alone.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file, whose journal or stages are in its directory; or a journal that is elsewhere; or a directory, a
        `stage_dir` for instance, for all journals and stages in it.

    Returns
    -------
    bool
        Whether anything was done.

    Raises
    ------
    FileNotFoundError
        There is no such file, and no stage of it.
    OSError
        The file isn't what its journal says: its size, or bytes about the place where the edit was left, have changed
        since. Nothing is touched then. Or a journal is damaged; the file of a journal, or of a stage with records, is
        gone; or the system fails. Others in a directory are recovered nevertheless.

    Warns
    -----
    RuntimeWarning
        A stage or journal can't be trusted and is left alone; or a stage is from before the machine was restarted, of
        which nothing is known, and is set aside under another name.

    Examples
    --------
    >>> import fastmmap
    >>> with fastmmap.Appender("app.log") as log:
    ...     log.append("one\n")
    >>> fastmmap.recover("app.log")
    False
    """
    name = os.fsdecode(os.fspath(path))
    if not name:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    real = resolved(name)
    if is_directory(real):
        done, failure, unsaid = False, None, []
        for journal in journals_in(real):
            try:
                done |= recover_journal(journal)
            except ours(Untrusted) as error:
                unsaid.append(str(error.strerror))
            except ours(OSError) as error:
                failure = failure or error
        done |= recover_stages(real)
        for text in unsaid:
            warn(text)
        if failure is not None:
            raise failure
        return done
    edited = is_taken(real) and recover_edit(real)
    appended = recover_log(real)
    if appended is None and not edited:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return edited or bool(appended)
