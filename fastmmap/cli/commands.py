"""The list of commands, and the parser of the command line."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

from .. import __version__, kernel
from . import append, count, demo, find, follow, recover, replace
from .options import MARK, Parser, literal, plain, unescaped

# What runs each, and returns the status.
COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "find": find.run,
    "count": count.run,
    "replace": replace.run,
    "append": append.run,
    "follow": follow.run,
    "recover": recover.run,
    "demo": demo.run,
}

# Those that write nothing to standard output, which may be closed then.
SILENT = ("append",)


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line. An error in it is one line on standard error, and status 2."""
    top, commands = _parsers()
    name, others = top.split(arguments, commands)
    command = commands[name]
    options, more = top.parse_known_args([name, *command.arranged(others)])
    if more:
        command.error(f"one argument too many: {more[0].removeprefix(MARK)}")
    if getattr(options, "files", None) == []:
        if os.isatty(0):
            command.error("FILE is missing; - stands for standard input")
        options.files = ["-"]
    if name == "append" and not options.text and (options.escape or options.newline):
        option = "-E" if options.escape else "-n"
        command.error(f"option {option} needs a TEXT argument: standard input is appended as it is")
    for name in ("needle", "old", "new", "text"):
        given = getattr(options, name, None)
        if given is not None and options.escape:
            try:
                given = [unescaped(text) for text in given] if name == "text" else unescaped(given)
            except ValueError as error:
                command.error(f"{name.upper()}: {error}")
            setattr(options, name, given)
        if given == b"" and name in ("needle", "old"):
            command.error(f"{name.upper()} is empty; a NUL byte, which no argument can hold, is \\0 with --escape")
    return options


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command, and those of its commands."""
    top = Parser(prog="fastmmap", description="Search, replace in and append to big files.",
                 epilog="Options may stand anywhere before --.")  # fmt: skip
    top.add_argument("--version", action="version", version=f"fastmmap {__version__}, kernel {kernel}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")

    escape = Parser(add_help=False)
    escape.add_argument("-E", "--escape", action="store_true", help=r"\n, \t, \0, \xHH and \\ in NEEDLE, OLD, "
                        "NEW and TEXT stand for those bytes")  # fmt: skip

    needle = Parser(add_help=False, parents=[escape])
    needle.add_argument("needle", metavar="NEEDLE", type=literal, help="what to look for, literally")
    needle.add_argument("files", metavar="FILE", nargs="*", type=plain, help="a file, or - for standard input; "
                        "without FILE, standard input is searched unless it is a terminal")  # fmt: skip
    needle.add_argument("-e", "--needle", metavar="NEEDLE", dest="given", help="the NEEDLE, if it begins with a "
                        "dash")  # fmt: skip
    needle.add_argument("-i", "--ignore-case", action="store_true", help="ASCII letters match in either case")
    needle.add_argument("--overlapping", action="store_true", help="matches may overlap")

    find.add(commands, needle)
    count.add(commands, needle)
    replace.add(commands, escape)
    append.add(commands, escape)
    follow.add(commands)
    recover.add(commands)
    demo.add(commands)
    return top, dict(commands.choices)
