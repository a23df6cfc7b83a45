"""What an edit is made of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..descriptors import Open
    from ..mapped import MappedFile
    from ..progress import Progress
    from .matching import Matching


@dataclass(frozen=True)
class Edit:
    """What is to be replaced by what, and how often: `most` is -1 for all."""

    matching: Matching
    most: int


@dataclass(frozen=True)
class Part:
    """A stretch of the source on whose bounds no match lies, and how many matches are replaced in it: the first ones.

    grown: by how many bytes they make it longer. peak: by how many at most on the way there, if that was asked for.
    """

    start: int
    end: int
    number: int
    grown: int
    peak: int = 0

    @property
    def new_length(self) -> int:
        """How many bytes it has once they are replaced."""
        return self.end - self.start + self.grown


@dataclass(frozen=True)
class Original:
    """The file to be edited, open."""

    path: str
    file: Open
    status: os.stat_result
    data: MappedFile

    @property
    def fd(self) -> int:
        return self.file.fd

    def close(self) -> None:
        """Lets go of it before it is replaced: Windows replaces no file that is mapped, or open everywhere."""
        self.data.close()
        self.file.close()


@dataclass(frozen=True)
class Options:
    """How a file is to be edited: see replace_file. backup and journal are whole paths here."""

    in_place: bool
    durable: bool
    backup: str | None
    journal: str | None
    force: bool
    threads: int
    progress: Progress | None
