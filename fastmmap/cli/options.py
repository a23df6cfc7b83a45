"""The command's arguments: what they are, and that none means anything else than it says."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from .. import __version__, kernel
from .output import say

# How many changes a dry run shows.
SHOWN = 20

ESCAPES = {b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

# What stands before an argument that is no option, and before an option's value, for argparse: it has ideas of its own
# about what begins with a dash.
_MARK = "="


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, and takes no abbreviations."""

    def __init__(self, **options: Any) -> None:
        super().__init__(allow_abbrev=False, **options)

    def error(self, message: str) -> NoReturn:
        command = self.prog.partition(" ")[2]
        say(f"{command}{command and ': '}{message} (see {self.prog} --help)")
        sys.exit(2)

    def split(self, arguments: Sequence[str], commands: dict[str, Parser]) -> tuple[str, list[str]]:
        """The command, which options of its own may stand before, and all arguments but it.

        An option of this parser's own that comes first is the end, as --help is.
        """
        known = Parser(prog=self.prog)
        for parser in (*commands.values(), self):
            known._option_string_actions.update(parser._option_string_actions)
        left, command = iter(arguments), None
        for argument in left:
            if argument == "-" or not argument.startswith("-"):
                command = argument
                break
            if argument == "--":
                command = next(left, None)
                break
            for name, _ in known._split(argument, left):
                if name in self._option_string_actions:
                    self.parse_args([name])
        if command is None:
            self.error("a COMMAND is missing")
        if command not in commands:
            self.error(f"there is no command {command!r}: there are {', '.join(commands)}")
        behind = list(left)
        return command, [*arguments[: len(arguments) - len(behind) - 1], *behind]

    def arranged(self, arguments: Sequence[str]) -> list[str]:
        """Options first, with their values, then what is none, marked: so they may stand in any order.

        Behind "--" nothing is an option. A needle that is an option's value (-e) is put where the needle stands.
        """
        options: list[str] = []
        needles: list[str] = []
        others: list[str] = []
        left = iter(arguments)
        for argument in left:
            if argument == "--":
                others.extend(left)
            elif argument == "-" or not argument.startswith("-"):
                others.append(argument)
            else:
                for name, value in self._split(argument, left):
                    if value is not None and "-e" in self._option_string_actions[name].option_strings:
                        needles.append(value)
                    else:
                        options.append(name if value is None else f"{name}={_MARK}{value}")
        if len(needles) > 1:
            self.error("one NEEDLE at a time")
        return options + [_MARK + other for other in needles + others]

    def _split(self, argument: str, left: Iterator[str]) -> Iterator[tuple[str, str | None]]:
        """The options that an argument has, each by a name and the value that it is given."""
        if argument.startswith("--"):
            name, given, value = argument.partition("=")
            if given:
                if not self._takes(name):
                    self.error(f"option {name} takes no value")
                yield name, value
            else:
                yield name, self._value(name, left) if self._takes(name) else None
            return
        for place in range(1, len(argument)):
            name = "-" + argument[place]
            if self._takes(name):
                # By its long name, whose value may be empty, or begin with a dash.
                long = self._option_string_actions[name].option_strings[-1]
                yield long, argument[place + 1 :] or self._value(name, left)
                return
            yield name, None

    def _takes(self, name: str) -> bool:
        """Whether an option takes a value. One that there isn't is the end."""
        if name not in self._option_string_actions:
            self.error(f"there is no option {name}; what is no option and begins with a dash goes behind --")
        return self._option_string_actions[name].nargs != 0

    def _value(self, name: str, left: Iterator[str]) -> str:
        """The next argument, whatever it is."""
        value = next(left, None)
        if value is None:
            self.error(f"option {name} needs a value")
        return value


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of a command line. What is wrong with it is one line, and the end with status 2."""
    top, commands = _parsers()
    name, others = top.split(arguments, commands)
    command = commands[name]
    options, more = top.parse_known_args([name, *command.arranged(others)])
    if more:
        command.error(f"one argument too many: {more[0].removeprefix(_MARK)}")
    if getattr(options, "files", None) == []:
        if os.isatty(0):
            command.error("a FILE is missing, or - for standard input")
        options.files = ["-"]
    if name == "append" and not options.text and (options.escape or options.newline):
        option = "-E" if options.escape else "-n"
        command.error(f"option {option} is for a TEXT that is an argument: standard input is appended as it is")
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


def unescaped(text: bytes) -> bytes:
    """Text with \\n, \\t, \\0, \\xHH and \\\\ replaced by the bytes that they stand for. ValueError for all others."""

    def byte(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        if escape[:1] == b"x" and len(escape) == 3:
            return bytes.fromhex(escape[1:].decode())
        if escape not in ESCAPES:
            raise ValueError(f"{os.fsdecode(match[0])} is no escape: there are \\n, \\t, \\0, \\xHH and \\\\")
        return ESCAPES[escape]

    return re.sub(rb"(?s)\\(x[0-9a-fA-F]{2}|.|$)", byte, text)


def _plain(argument: str) -> str:
    """An argument without its mark."""
    return argument[len(_MARK) :]


def _bytes(argument: str) -> bytes:
    return os.fsencode(_plain(argument))


def whole(text: str) -> int:
    """A number of matches."""
    text = _plain(text)
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise argparse.ArgumentTypeError(f"invalid number: {text!r}")
    number = int(text)
    if text.startswith("-"):
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return min(number, sys.maxsize)


def size(text: str) -> int:
    """A number of bytes, as in 1000, 64K, 256M or 1G."""
    text = _plain(text)
    units = {"K": 10, "M": 20, "G": 30}
    digits, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 256M")
    return int(digits) << unit


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    """The parser of the whole command, and those of its commands."""
    top = Parser(prog="fastmmap", description="Search, replace in and append to big files.",
                 epilog="Options may stand anywhere; behind -- nothing is one.")  # fmt: skip
    top.add_argument("--version", action="version", version=f"fastmmap {__version__}, kernel {kernel}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")

    escape = Parser(add_help=False)
    escape.add_argument("-E", "--escape", action="store_true", help=r"\n, \t, \0, \xHH and \\ in what is looked for, "
                        "put in its place or appended stand for those bytes")  # fmt: skip

    needle = Parser(add_help=False, parents=[escape])
    needle.add_argument("needle", metavar="NEEDLE", type=_bytes, help="what to look for, literally")
    needle.add_argument("files", metavar="FILE", nargs="*", type=_plain, help="a file, or - for standard input, which "
                        "is searched where none is given, unless it is a terminal")  # fmt: skip
    needle.add_argument("-e", "--needle", metavar="NEEDLE", dest="given", help="the NEEDLE, which may begin with a "
                        "dash then")  # fmt: skip
    needle.add_argument("-i", "--ignore-case", action="store_true", help="ASCII letters match in either case")
    needle.add_argument("--overlapping", action="store_true", help="matches may overlap")

    find = commands.add_parser("find", parents=[needle], help="print the byte offset of every match")
    find.add_argument("-m", "--max-count", metavar="N", type=whole, help="stop after N matches in a file")

    commands.add_parser("count", parents=[needle], help="print the number of matches")

    replace = commands.add_parser("replace", parents=[escape], help="replace OLD by NEW, of any length, in files")
    replace.add_argument("old", metavar="OLD", type=_bytes, help="what to replace, literally")
    replace.add_argument("new", metavar="NEW", type=_bytes, help="what to put in its place")
    replace.add_argument("files", metavar="FILE", nargs="+", type=_plain)
    replace.add_argument("-m", "--max-count", metavar="N", type=whole, default=-1, help="replace at most N in a file")
    replace.add_argument("--no-sync", action="store_true", help="don't wait for the disk: faster, but a power loss "
                         "may leave an empty file")  # fmt: skip
    replace.add_argument("--backup", metavar="SUFFIX", type=_plain, help="keep the old file under its name "
                         "and SUFFIX")  # fmt: skip
    replace.add_argument("--force", action="store_true", help="edit files that are read-only, too")
    replace.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and show what would change: "
                         f"the first {SHOWN} lines")  # fmt: skip

    append = commands.add_parser("append", parents=[escape], help="append text, or standard input, to a file, which is "
                                 "made if need be")  # fmt: skip
    append.add_argument("file", metavar="FILE", type=_plain)
    append.add_argument("text", metavar="TEXT", nargs="*", type=_bytes, help="standard input where none is given")
    append.add_argument("-n", "--newline", action="store_true", help="end each TEXT with a newline")

    recover = commands.add_parser("recover", help="take what killed writers have left in their stages to their logs",
                                  description="Status 0: nothing is left to be done, whether there was something or "
                                  "not. Writers that live are left alone.")  # fmt: skip
    recover.add_argument("files", metavar="PATH", nargs="+", type=_plain, help="a log, or a directory: all logs with "
                         "stages in it")  # fmt: skip

    demo = commands.add_parser("demo", help="race this package against plain files and the mmap module")
    demo.add_argument("file", metavar="FILE", nargs="?", type=_plain, help="a text to use, which isn't changed; made "
                      "when not given")  # fmt: skip
    demo.add_argument("--size", metavar="SIZE", type=size, default=256 << 20, help="of the text made, as in 256M")
    return top, dict(commands.choices)
