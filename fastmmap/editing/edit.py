"""Edits of files: by a new one, old or new, never a mix; or in place, finished whatever comes in between."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, SupportsIndex

from ..errors import naming
from ..logs.recovering import refuse_open_log
from ..progress import Reporter
from .in_place import edit_in_place
from .preparing import Asked, edit_of, note, opened, options_of, target_of
from .resuming import resume
from .rewrite import check_same, rewrite
from .survey import first_match

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from ..paths import Path
    from ..progress import Progress
    from ..reference.arguments import Data, Pairs
    from .model import Edit, Options
    from .preparing import Seen


@dataclass(frozen=True)
class Replacement:
    r"""What `replace_file` or `Plan.apply` did. It is frozen, and int() of it is its count.

    Attributes
    ----------
    path : str
        The file that was edited: the target, where a symbolic link was given.
    count : int
        How many matches were replaced.
    old_size, new_size : int
        How many bytes the file had, and has now.
    strategy : str
        "none": the file wasn't touched, because nothing matched or `old` and `new` are the same. "rewrite": a new file
        took its place. "in_place": it was edited itself.
    seconds : float
        How long it took.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("notes.txt").write_bytes(b"my colour, your colour\n")
    23
    >>> done = fastmmap.replace_file("notes.txt", "colour", "color")
    >>> done.count, done.old_size, done.new_size, done.strategy
    (2, 23, 21, 'rewrite')
    """

    path: str
    count: int
    old_size: int
    new_size: int
    strategy: str
    seconds: float

    def __int__(self) -> int:
        return self.count


def replace_file(
    path: Path,
    old: Data | Pairs,
    new: Data | None = None,
    count: SupportsIndex = -1,
    *,
    in_place: bool = False,
    ignorecase: bool = False,
    durable: bool | None = None,
    backup: str | None = None,
    journal: Path | None = None,
    force: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Replacement:
    r"""Replaces `old` by `new`, of any length, in a file. Readers find the old file or the new one, never a mix.

    The new file is written beside the old one and takes its place in one step, so a crash or a full disk leaves the old
    or the new, too. Mode, owner, extended attributes and holes are kept; a symbolic link's target is edited. Without a
    match the file isn't touched. Matches are taken from left to right and don't overlap, as in bytes.replace; those of
    several pairs are what find_each finds. What has been replaced isn't searched again.

    With in_place=True the file itself is edited, without a second copy: its inode, owner and links stay, and the disk
    needs room for what it grows by and a journal of at most 16 MiB. Meanwhile the file is a mix. When the call is
    killed, fails or is interrupted, the same call, the next replace_file, or `recover` goes on where it was.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file.
    old : bytes-like or str; or mapping {old: new, ...}
        What to replace, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
    new : bytes-like, str or None
        What to replace it by. It is left out beside a mapping.
    count : int, default -1
        How many matches are replaced at most, from the start. A negative number: all.
    in_place : bool, default False
        Whether the file itself is edited, instead of a new one put in its place.
    ignorecase : bool, default False
        Whether ASCII letters of what is replaced match in both cases. Other letters don't. `new` is put as it is given.
        Of pairs that differ in case alone the first counts.
    durable : bool or None, default None
        Whether to wait until the disk has what is written. None is True for a new file, and False in place. Without, a
        power loss may leave an empty file, or in place one that can't be brought to its end. A kill is harmless always.
    backup : str or None, default None
        What is added to the file's name for the old file to be kept under, as in ".orig". An older backup is replaced
        with `force` alone. None keeps none. In place there is none.
    journal : str, bytes, os.PathLike or None, default None
        Where the journal of an edit in place is made, on another disk for instance. None: beside the file.
    force : bool, default False
        Whether a file that is read-only is edited, too; an older backup is replaced; and a file is edited in place on a
        filesystem (network, FUSE, 9p) where that may not survive a kill.
    threads : int or None, default None
        How many threads may work, as for `find`.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, with the bytes of the new file that are written and that
        will be, or in place with those that are moved and edited, at most ten times a second and at the end. What it
        raises ends the edit.

    Returns
    -------
    Replacement
        What was done: `path`, `count`, `old_size`, `new_size`, `strategy`, `seconds`.

    Raises
    ------
    OSError
        Before the work, with the way out in its words: the file is the log of an Appender that is open, a mount point,
        read-only, or has several hard links, which would come apart; the file or its directory is immutable or
        append-only; its owner can't be kept; its directory can't be written to; the backup's name is too long, or that
        of an older one; there is too little space; somebody else edits it in place; or an edit in place of it was left,
        and the file has changed since. Later: an attribute can't be kept, the file changed meanwhile, or the system
        reports something else. The file is unchanged and nothing is left beside it, but for two kinds of error: when
        flushing the directory fails, the new file is there, and a power loss may bring back the old; and one that comes
        while a file is edited in place says that it is half edited.
    TypeError, ValueError
        An argument has the wrong type or doesn't go with the others, `old` is empty, `threads` is below 1, `backup`
        can't be part of a name, or the pairs of an edit in place have more than 4 MiB.
    KeyboardInterrupt
        After Ctrl-C. A note on it (`__notes__`) says what became of the file.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("notes.txt").write_bytes(b"my colour, your colour\n")
    23
    >>> fastmmap.replace_file("notes.txt", "colour", "color", backup=".orig").count
    2
    >>> pathlib.Path("notes.txt").read_text()
    'my color, your color\n'
    >>> fastmmap.replace_file("notes.txt", {"my": "your", "your": "my"}).count
    2
    >>> pathlib.Path("notes.txt").read_text()
    'your color, my color\n'
    >>> fastmmap.replace_file("notes.txt", "color", "colour", in_place=True).strategy
    'in_place'
    >>> fastmmap.replace_file("notes.txt", "MY", "our", ignorecase=True).count
    1
    >>> pathlib.Path("notes.txt").read_text()
    'your colour, our colour\n'
    """
    seen: Seen = []  # no call, which an interrupt could come into
    try:
        edit, target = edit_of(old, new, count, ignorecase), target_of(path)
        options = options_of(target, Asked(in_place, durable, backup, journal, force, threads, progress))
        return replace_with(target, edit, None, options, seen)
    except KeyboardInterrupt as interrupt:
        note(interrupt, path, seen)
        raise


def count_matches(
    source: MappedFile, edit: Edit, first: int, threads: int, progress: Progress | None = None
) -> list[int]:
    """How many matches each pair has, given the first of all."""
    start = len(source) if first < 0 else first
    return edit.matching.count(source, start, edit.most, threads, progress)


def replace_with(target: str, edit: Edit, expected: os.stat_result | None, options: Options, seen: Seen) -> Replacement:
    began = time.perf_counter()
    with naming(target, always=True):
        seen.append((target, os.stat(target)))
        resumed = resume(target, options)
        if resumed is not None and resumed.is_same(edit):
            old_size = resumed.plan.old_size
            taken = time.perf_counter() - began
            return Replacement(target, resumed.count, old_size, resumed.new_size, "in_place", taken)
        refuse_open_log(target)  # and what its dead writers have left is there to be edited
    with opened(target) as original:
        if expected is not None:
            check_same(original.status, expected, "The file changed since the plan was made: make a new plan")
        size = new_size = len(original.data)
        first = first_match(original.data, edit, options.threads)
        if first >= 0 and edit.matching.changes:
            strategy, work = ("in_place", edit_in_place) if options.in_place else ("rewrite", rewrite)
            count, new_size = work(original, edit, first, options)
        else:
            strategy = "none"
            count = sum(count_matches(original.data, edit, first, options.threads))
            if options.progress is not None:
                Reporter(options.progress, size).end()
    return Replacement(target, count, size, new_size, strategy, time.perf_counter() - began)
