"""The list of commands, and which of them a command line is for."""

from __future__ import annotations

import sys

from .options import HELP, Command, Given, Option

TYPE_CHECKING = False
if TYPE_CHECKING:  # tools that collect a program's imports find them here
    from collections.abc import Sequence

    from . import append as append
    from . import completion as completion
    from . import count as count
    from . import demo as demo
    from . import follow as follow
    from . import grep as grep
    from . import info as info
    from . import lines as lines
    from . import recover as recover
    from . import replace as replace

# The module of each, which is imported when it is asked for: each would cost every start of the command a millisecond.
MODULES = {
    "grep": "grep",
    "find": "grep",
    "count": "count",
    "replace": "replace",
    "lines": "lines",
    "append": "append",
    "follow": "follow",
    "recover": "recover",
    "info": "info",
    "demo": "demo",
    "completion": "completion",
}

# Those that write nothing to standard output, which may be closed then.
SILENT = ("append",)

VERSION = Option("--version", "show the version, and the kernel that is used")

_TOP = Command("", "", lambda given: 0)


def command_of(name: str) -> Command:
    """A command by its name, or by another name that it has."""
    module = __import__(f"{__package__}.{MODULES[name]}", fromlist=["COMMAND"])
    command: Command = module.COMMAND
    return command


def commands() -> list[Command]:
    """All of them."""
    return [command_of(name) for name in MODULES if name == MODULES[name]]


def parsed(arguments: Sequence[str]) -> Given:
    """What a command line has given. An error in it is one line on standard error, and status 2."""
    place, ended = (0, False) if arguments and not arguments[0].startswith("-") else _place_of_command(arguments)
    name = arguments[place]
    if name not in MODULES:
        _TOP.fail(f"there is no command {name!r}: the commands are {', '.join(MODULES)}")
    before = [*arguments[: place - 1], "--"] if ended else arguments[:place]
    return command_of(name).given([*before, *arguments[place + 1 :]])


def _place_of_command(arguments: Sequence[str]) -> tuple[int, bool]:
    """Where the command stands, which options of its own may stand before; and whether "--" has ended those.

    Any letter is one option, or takes a value whichever command it is for: so those of all commands are known.
    """
    if arguments == ["-h"]:
        _show_overview()
    options = [option for each in commands() for option in each.options]
    known = Command("", "", _TOP.run, options=[VERSION, *options])
    left, ended = iter(arguments), False
    for argument in left:
        if argument == "--":
            if next(left, None) is None:
                _TOP.fail("a COMMAND is missing")
            ended = True
            break
        if argument == "-" or not argument.startswith("-"):
            break
        name = argument.partition("=")[0]
        if len({option.value is None for option in options if name in option.names}) > 1:
            _TOP.fail(f"option {name} is another one for another command: put it behind the command")
        for option, _ in known.split(argument, left):
            if option is VERSION:
                _show_version()
            if option is HELP:
                _show_overview()
    else:
        _TOP.fail("a COMMAND is missing")
    return len(arguments) - len(list(left)) - 1, ended


def _show_version() -> None:
    from .. import __version__
    from .kernels import chosen

    sys.stdout.write(f"fastmmap {__version__}, kernel {chosen.name}\n")
    raise SystemExit(0)


def _show_overview() -> None:
    from .help import overview

    sys.stdout.write(overview(commands(), [VERSION, HELP]))
    raise SystemExit(0)
