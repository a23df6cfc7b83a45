"""Shared by commands that go through files: the order, the status, and the prefix of each line."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from .output import complain, out
from .status import ERROR, FOUND, NOT_FOUND


def on_each_file(run: Callable[[argparse.Namespace, str], bool], options: argparse.Namespace) -> int:
    """Runs a command on one file after the other; after one that fails it goes on with the rest."""
    found = failed = False
    for file in options.files:
        try:
            found |= run(options, file)
        except BrokenPipeError:
            raise
        except (OSError, ValueError, Warning) as error:  # PYTHONWARNINGS=error raises what is a warning otherwise
            out.flush()
            complain(error)
            failed = True
    return ERROR if failed else FOUND if found else NOT_FOUND


def prefix(options: argparse.Namespace, file: str) -> str:
    """The file's name, where there are several."""
    return f"{file}:" if len(options.files) > 1 else ""


def how(options: argparse.Namespace) -> dict[str, bool]:
    """How a needle matches."""
    return {"overlapping": options.overlapping, "ignorecase": options.ignore_case}
