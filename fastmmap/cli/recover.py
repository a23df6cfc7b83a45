"""fastmmap recover: brings to its end what was killed, edits in place and appends."""

from __future__ import annotations

from .files import on_each_file, prefix
from .options import Argument, Command, Given
from .status import ERROR, FOUND


def run(given: Given) -> int:
    """Status FOUND also if there was nothing to recover: for a service manager that isn't a failure."""
    given.files = given.paths
    return FOUND if on_each_file(recover_in, given) != ERROR else ERROR


def recover_in(given: Given, file: str) -> bool:
    from ..recovering import recover  # now: no other command needs what edits are made of

    done = recover(file)
    print(f"{prefix(given, file)}{'recovered' if done else 'nothing to recover'}")
    return done


COMMAND = Command(
    "recover",
    "Bring to its end what was killed: edits in place, and appends",
    run,
    [Argument("PATH", "a file that was edited in place, or its journal; a log; or a folder: all with journals or "
              "stages in it", many=True, by_name=True)],
    about="Status 0: nothing is left to recover, whether or not there was something. Edits that go on, and living "
    "writers, are left alone.",
    examples=[("fastmmap recover app.log", "after a kill -9"), ("fastmmap recover /var/log/app", "all that is there")],
)  # fmt: skip
