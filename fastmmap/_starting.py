"""`python -m fastmmap`: Python imports the package before it comes to `__main__`, and ends by a traceback if it can't.

So what that import is to answer is said here: the same as for the installed command, by the same code.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing itself imports for milliseconds, in which an interrupt is still a traceback
if TYPE_CHECKING:
    from typing import Any


class Answering:
    """Around the package's imports. They are what they are without it, unless Python is about to run the package."""

    def __enter__(self) -> None:
        self._command = _command() if _is_to_be_run() else None
        if self._command is not None:
            self._command.heed_interrupts()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if self._command is not None and isinstance(error, Exception):
            raise SystemExit(self._command.refuse(error)) from None


def is_command() -> bool:
    """Whether the command imports the package, which needs little of it."""
    return getattr(sys.modules.get("_fastmmap_command"), "running", False) or _is_to_be_run()


def _is_to_be_run() -> bool:
    """Whether this is `python -m fastmmap`, still in search of what to run: "-m" is the program's name until then."""
    arguments: list[str] = getattr(sys, "argv", [])
    if arguments[:1] != ["-m"]:
        return False
    # What its arguments follow is the module's name, perhaps with options before it: -Im fastmmap, -mfastmmap.
    module = sys.orig_argv[-len(arguments)] if len(arguments) <= len(sys.orig_argv) else ""
    if module.startswith("-"):
        module = module.partition("m")[2]
    return module in (__package__, f"{__package__}.__main__")


def _command() -> Any:
    """The module where the command starts; None where the package's folder alone was copied."""
    try:
        import _fastmmap_command
    except ModuleNotFoundError:
        return None
    return _fastmmap_command
