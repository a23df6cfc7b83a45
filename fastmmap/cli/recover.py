"""fastmmap recover: brings to its end what was killed, edits in place and appends."""

from __future__ import annotations

import argparse
from typing import Any

from .files import on_each_file, prefix
from .options import plain
from .status import ERROR, FOUND


def add(commands: Any) -> None:
    """Its arguments."""
    parser = commands.add_parser("recover", help="bring to its end what was killed: edits in place, and appends",
                                 description="Status 0: nothing is left to recover, whether or not there was "
                                 "something. Edits that go on, and living writers, are left alone.")  # fmt: skip
    parser.add_argument("files", metavar="PATH", nargs="+", type=plain, help="a file that was edited in place, or "
                        "its journal; a log; or a directory: all with journals or stages in it")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Status FOUND also if there was nothing to recover: for a service manager that isn't a failure."""
    return FOUND if on_each_file(recover_in, options) != ERROR else ERROR


def recover_in(options: argparse.Namespace, file: str) -> bool:
    from ..recovering import recover  # now: no other command needs what edits are made of

    done = recover(file)
    print(f"{prefix(options, file)}{'recovered' if done else 'nothing to recover'}")
    return done
