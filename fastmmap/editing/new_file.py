"""A new file in a folder: complete before it has its name, and gone on any error."""

from __future__ import annotations

import errno
import os
from typing import Any

from .. import beside, system
from ..blame import ignoring, is_ours, ours
from ..descriptors import Open
from ..paths import is_taken
from .refusing import refuse_name


class NewFile:
    """A new file in a folder, gone on any error. Where the system can do so, it has no name before it is complete."""

    _named = False

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._path = os.path.join(folder, f"{beside.PREFIX}{os.urandom(8).hex()}")
        refuse_name(self._path, "The new file")
        self._file = Open()

    @property
    def fd(self) -> int:
        return self._file.fd

    def create(self) -> None:
        """Makes it, which is the first that is done within the with statement: so it is gone whatever happens."""
        self._named = True  # before it is so: an interrupt may come between
        self._named = beside.create_into(self._file, self._folder, self._path)

    def replace(self, target: str) -> None:
        """Gives the file its place."""
        self._name()
        system.rename(self._path, target)
        self._named = False

    def call(self, path: str) -> None:
        """Gives the file a name that must be free: FileExistsError where it isn't."""
        if self._named:
            if is_taken(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            system.rename(self._path, path)
            self._named = False
        else:
            system.name_file(self.fd, path)

    def exchange(self, target: str, backup: str) -> None:
        """Gives the file its place, and the old one the name `backup`. On any error the old one has its place again."""
        if is_same(backup, target):
            system.remove(backup)  # what an edit left that was killed; renaming would do nothing
        self._name()
        try:
            if system.exchange(self._path, target):
                system.rename(self._path, backup)
            else:  # where names can't be exchanged, the old file has two for a moment
                system.remove(backup)
                system.link(target, backup)
                system.rename(self._path, target)
        except BaseException:
            if self._is_ours():
                if is_same(backup, target):
                    system.remove(backup)
            elif is_taken(self._path):
                system.exchange(self._path, target)
            raise

    def _name(self) -> None:
        if not self._named:
            self._named = True  # before it is so: an interrupt may come between
            system.name_file(self.fd, self._path)

    def _is_ours(self) -> bool:
        """Whether the name is that of the new file. After an exchange it is the old one's."""
        if not self._file:  # it is closed: removing it has failed before
            return False
        with ignoring(FileNotFoundError):
            return os.path.samestat(os.lstat(self._path), os.fstat(self.fd))
        return False

    def __enter__(self) -> NewFile:
        return self

    def __exit__(self, *exception: Any) -> None:
        try:
            if self._named and self._is_ours():
                system.remove(self._path)
            self._named = False
        finally:
            self._file.close()

    def __del__(self) -> None:
        """A signal handler may have raised in __exit__, or before its first step."""
        if self._named:
            self.__exit__()


class explained:
    """Says in an OSError of ours what it means for the edit; given numbers, in those alone."""

    __slots__ = ("_numbers", "_text")

    def __init__(self, text: str, *numbers: int) -> None:
        self._text, self._numbers = text, numbers

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if isinstance(error, OSError) and is_ours(error) and (not self._numbers or error.errno in self._numbers):
            raise OSError(error.errno, f"{error.strerror}: {self._text}") from None


def is_same(path: str, other: str) -> bool:
    """Whether two paths are names of one file."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except ours(OSError):
        return False
