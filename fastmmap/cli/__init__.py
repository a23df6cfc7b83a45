"""The command `fastmmap`: search, replace and append from a shell.

Status 0: found or changed; 1: nothing found, except for `recover`, where that is 0 too; 2: an error, which is one line
on stderr. An interrupt is 130.
"""

from __future__ import annotations

import sys

from .commands import SILENT, parsed
from .output import OutputClosed, OutputError, complain, keep_numbers, out, say
from .status import ERROR, INTERRUPTED, PIPE_CLOSED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its status."""
    import warnings  # Python has imported it

    closed = keep_numbers()
    before: Any = sys.stdout, warnings.showwarning
    sys.stdout = out
    warnings.showwarning = lambda message, *_: say(str(message))
    try:
        try:
            given = parsed(list(sys.argv[1:] if arguments is None else arguments))
            is_silent = given.command.name in SILENT or (given.command.name == "grep" and given.quiet)
            if 1 in closed and not is_silent:  # reported before the work, not after it
                raise OutputError("standard output is closed")
            status = given.command.run(given)
        except SystemExit as end:
            status = int(end.code or 0)
        out.flush()
        return status
    except (OutputClosed, BrokenPipeError):
        return PIPE_CLOSED
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):  # what became of a file that was being edited
            say(f"interrupted: {note}")
        return INTERRUPTED
    except (OSError, ValueError, MemoryError, OutputError, Warning, ImportError, RuntimeError) as error:
        complain(error)
        return ERROR
    finally:
        sys.stdout, warnings.showwarning = before
