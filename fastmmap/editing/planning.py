"""Plans of edits: what would change, before anything does."""

from __future__ import annotations

import operator
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, SupportsIndex

from ..parallel import workers
from ..unfinished import refuse_unfinished_edit
from .edit import Replacement, count_matches, replace_with
from .model import Edit
from .preparing import Asked, edit_of, note, opened, options_of, target_of
from .preview import Change, changes
from .rewrite import check_same
from .survey import first_match

if TYPE_CHECKING:
    from ..paths import Path
    from ..progress import Progress
    from ..reference.arguments import Data, Pairs
    from .preparing import Seen


@dataclass(frozen=True)
class Plan:
    r"""What `replace_file` would do, as `plan_replace` found it. It is frozen, and touches nothing before `apply`.

    Attributes
    ----------
    path : str
        The file that would be edited: the target, where a symbolic link was given.
    count : int
        How many matches would be replaced.
    counts : tuple of int
        How many of each pair: of {old: new, ...} a number for each, in its order; else one.
    old_size, new_size : int
        How many bytes the file has, and would have then.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("notes.txt").write_bytes(b"my colour, your colour\n")
    23
    >>> plan = fastmmap.plan_replace("notes.txt", "colour", "color")
    >>> plan.count, plan.old_size, plan.new_size
    (2, 23, 21)
    >>> plan.apply().count
    2
    """

    path: str
    count: int
    counts: tuple[int, ...]
    old_size: int
    new_size: int
    _edit: Edit = field(repr=False)
    _status: os.stat_result = field(repr=False)

    def preview(self, n: int = 10) -> list[Change]:
        r"""The first changes, with their lines before and after.

        Parameters
        ----------
        n : int, default 10
            How many changes at most.

        Returns
        -------
        list of Change
            In the order of the file. Matches in one line are one change.

        Raises
        ------
        OSError
            The file isn't what it was when the plan was made, or can't be read.
        ValueError
            `n` is negative.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> pathlib.Path("notes.txt").write_bytes(b"one\nmy colour\n")
        14
        >>> change, = fastmmap.plan_replace("notes.txt", "colour", "color").preview()
        >>> change.number, change.before, change.after
        (1, b'my colour', b'my color')
        """
        n = operator.index(n)
        if n < 0:
            raise ValueError(f"the number of changes must not be negative: {n}")
        with opened(self.path) as original:
            check_same(original.status, self._status, "The file changed since the plan was made: make a new plan")
            return changes(original.data, self._edit, n)

    def apply(
        self,
        *,
        in_place: bool = False,
        durable: bool | None = None,
        backup: str | None = None,
        journal: Path | None = None,
        force: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Replacement:
        r"""Does what was planned, as `replace_file` does.

        Parameters
        ----------
        in_place : bool, default False
            Whether the file itself is edited, instead of a new one put in its place.
        durable : bool or None, default None
            Whether to wait until the disk has what is written. None is True for a new file, and False in place.
        backup : str or None, default None
            What is added to the file's name for the old file to be kept under, as in ".orig". An older backup is
            replaced with `force` alone. None keeps none. In place there is none.
        journal : str, bytes, os.PathLike or None, default None
            Where the journal of an edit in place is made. None: beside the file.
        force : bool, default False
            Whether a file that is read-only is edited, too, an older backup replaced, and a file edited in place on a
            filesystem where that may not survive a kill.
        threads : int or None, default None
            How many threads may work, as for `find`.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, with the bytes of the new file that are written and
            that will be. What it raises ends the edit.

        Returns
        -------
        Replacement
            What was done.

        Raises
        ------
        OSError
            The file isn't what it was when the plan was made; and whatever `replace_file` raises.
        TypeError, ValueError
            An option is wrong, as for `replace_file`.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> pathlib.Path("notes.txt").write_bytes(b"my colour\n")
        10
        >>> fastmmap.plan_replace("notes.txt", "colour", "color").apply(durable=False).count
        1
        """
        seen: Seen = []
        try:
            options = options_of(self.path, Asked(in_place, durable, backup, journal, force, threads, progress))
            return replace_with(self.path, self._edit, self._status, options, seen)
        except KeyboardInterrupt as interrupt:
            note(interrupt, self.path, seen)
            raise


def plan_replace(
    path: Path,
    old: Data | Pairs,
    new: Data | None = None,
    count: SupportsIndex = -1,
    *,
    ignorecase: bool = False,
    progress: Progress | None = None,
) -> Plan:
    r"""Says what `replace_file` would do: how many matches, which sizes, which lines. Nothing is touched.

    Parameters
    ----------
    path : str, bytes or os.PathLike
        The file.
    old : bytes-like or str; or mapping {old: new, ...}
        What would be replaced, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
    new : bytes-like, str or None
        What by. It is left out beside a mapping.
    count : int, default -1
        How many matches at most, from the start. A negative number: all.
    ignorecase : bool, default False
        Whether ASCII letters of what would be replaced match in both cases, as for `replace_file`.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, with the bytes that are looked through, at most ten times
        a second and at the end.

    Returns
    -------
    Plan
        With `count`, `counts`, `old_size`, `new_size`, `preview(n)` and `apply()`.

    Raises
    ------
    OSError
        The file can't be read, or is no regular file. `apply` raises what only an edit is refused for.
    TypeError, ValueError
        An argument has the wrong type, or `old` is empty.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("notes.txt").write_bytes(b"my colour, your colour\n")
    23
    >>> fastmmap.plan_replace("notes.txt", "colour", "color").count
    2
    >>> fastmmap.plan_replace("notes.txt", {"my": "our", "your": "our", "colour": "color"}).counts
    (1, 1, 2)
    >>> fastmmap.plan_replace("notes.txt", "COLOUR", "color", ignorecase=True).preview(1)[0].after
    b'my color, your color'
    """
    edit, target = edit_of(old, new, count, ignorecase), target_of(path)
    with opened(target) as original:
        refuse_unfinished_edit(target, original.status)
        threads, size = workers(None), len(original.data)
        first = first_match(original.data, edit, threads)
        counts = count_matches(original.data, edit, first, threads, progress)
        grown = edit.matching.grown(counts)
        return Plan(target, sum(counts), tuple(counts), size, size + grown, edit, original.status)
