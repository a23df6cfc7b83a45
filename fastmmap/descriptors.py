"""Descriptors that no exception of a signal handler's loses."""

from __future__ import annotations

import os
from typing import Any


class Open(list[int]):
    """A list of descriptors, open until the end of a with statement or until it is forgotten, whatever is raised where.

    `_system.open_into` fills it. Each is taken out and closed in one step of the interpreter's, so that none is closed
    twice: its number may be another file's by then.
    """

    @property
    def fd(self) -> int:
        """The one descriptor."""
        return self[0]

    def close(self) -> None:
        """Closes them; closing twice does nothing."""
        for _ in map(os.close, map(self.pop, [-1] * len(self))):
            pass

    def __enter__(self) -> Open:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if os is not None:  # when Python ends, it closes everything
            self.close()
