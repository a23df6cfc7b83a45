"""Memory that processes share by name, and that no disk holds."""

from __future__ import annotations

import operator
import os

from . import system
from .errors import naming
from .mapped import MappedFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SharedFile(MappedFile):
    """Memory that processes share by a name: what `open_shared` returns, a MappedFile in mode "r+".

    Parameters
    ----------
    name : str
        The name, without a folder.
    size : int or None, default None
        How many bytes to map. What isn't there yet is made, of zeros, in that size; what is smaller grows. None: all of
        what is there.

    Raises
    ------
    FileNotFoundError
        `size` is None, and nothing has that name.
    OSError
        It belongs to another user, or there is no memory for it.
    TypeError, ValueError
        The name is no str or can't be that of a file, or `size` is negative.

    Examples
    --------
    >>> import fastmmap, os
    >>> with fastmmap.open_shared(f"fastmmap-example-{os.getpid()}", 10) as m:
    ...     m[:3] = b"one"
    ...     m.unlink()
    """

    def __init__(self, name: str, size: int | None = None) -> None:
        if not isinstance(name, str):
            raise TypeError(f"the name of shared memory must be a str, not {type(name).__name__!r}")
        if not name or name in (".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"the name of shared memory must be a file name without a folder: {name!r}")
        size = None if size is None else operator.index(size)
        if size is not None and size < 0:
            raise ValueError(f"size must not be negative: {size}")
        with naming(name):
            fd = system.open_shared(name, size)
            try:
                super().__init__(fd, "r+", size=size)
            finally:
                os.close(fd)
        self.name = name

    def unlink(self) -> None:
        """Takes the name away: nobody can open it any more. The memory goes with the last mapping of it.

        Nothing else ever takes it away, neither close nor the end of a process.

        Raises
        ------
        FileNotFoundError
            The name is gone already.

        Examples
        --------
        >>> import fastmmap, os
        >>> with fastmmap.open_shared(f"fastmmap-example-{os.getpid()}", 10) as m:
        ...     m.unlink()
        """
        with naming(self.name):
            system.remove_shared(self.name)

    def __reduce__(self) -> Any:
        return type(self), (self.name, len(self))


def open_shared(name: str, size: int | None = None) -> SharedFile:
    """Maps memory that processes share by its name. It is on no disk, and lasts until its `unlink` or a reboot.

    It is the memory of shm_open(3) and of multiprocessing.shared_memory, but no tracker removes it. Only processes of
    this user can open what is made.

    Parameters
    ----------
    name : str
        The name, without a folder.
    size : int or None, default None
        How many bytes to map. What isn't there yet is made, of zeros, in that size; what is smaller grows. None: all of
        what is there.

    Returns
    -------
    SharedFile
        A MappedFile, in mode "r+", with a method `unlink`.

    Raises
    ------
    FileNotFoundError
        `size` is None, and nothing has that name.
    OSError
        It belongs to another user, or there is no memory for it.
    TypeError, ValueError
        The name is no str or can't be that of a file, or `size` is negative.

    Examples
    --------
    >>> import fastmmap, os
    >>> name = f"fastmmap-example-{os.getpid()}"
    >>> with fastmmap.open_shared(name, 10) as m, fastmmap.open_shared(name) as same:
    ...     m[:3] = b"one"
    ...     same[:3]
    ...     m.unlink()
    b'one'
    """
    return SharedFile(name, size)
