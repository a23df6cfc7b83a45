"""fastmmap recover: writes what killed writers have left in their stages to the logs."""

from __future__ import annotations

import argparse
from typing import Any

from ..recovering import recover
from .files import on_each_file, prefix
from .options import plain
from .status import ERROR, FOUND


def add(commands: Any) -> None:
    """Its arguments."""
    parser = commands.add_parser("recover", help="write what killed writers left in their stages to the logs",
                                 description="Status 0: nothing is left to recover, whether or not there was "
                                 "something. Living writers are left alone.")  # fmt: skip
    parser.add_argument("files", metavar="PATH", nargs="+", type=plain, help="a log, or a directory: all logs with "
                         "stages in it")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Status FOUND also if there was nothing to recover: for a service manager that isn't a failure."""
    return FOUND if on_each_file(recover_in, options) != ERROR else ERROR


def recover_in(options: argparse.Namespace, file: str) -> bool:
    done = recover(file)
    print(f"{prefix(options, file)}{'recovered' if done else 'nothing to recover'}")
    return done
