"""Arguments of the command line: sorted so that none is misread, and converted to values."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from .output import say

ESCAPES = {b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

# What stands before an argument that is no option, and before an option's value, for argparse: it has ideas of its own
# about what begins with a dash.
MARK = "="


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
            self.error(f"there is no command {command!r}: the commands are {', '.join(commands)}")
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
                        options.append(name if value is None else f"{name}={MARK}{value}")
        if len(needles) > 1:
            self.error("only one NEEDLE is allowed")
        return options + [MARK + other for other in needles + others]

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
        """Whether an option takes a value. An unknown option is an error."""
        if name not in self._option_string_actions:
            self.error(f"there is no option {name}; put an argument that begins with a dash after --")
        return self._option_string_actions[name].nargs != 0

    def _value(self, name: str, left: Iterator[str]) -> str:
        """The next argument, whatever it is."""
        value = next(left, None)
        if value is None:
            self.error(f"option {name} needs a value")
        return value


def unescaped(text: bytes) -> bytes:
    """Text with \\n, \\t, \\0, \\xHH and \\\\ replaced by the bytes that they stand for. ValueError for all others."""

    def byte(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        if escape[:1] == b"x" and len(escape) == 3:
            return bytes.fromhex(escape[1:].decode())
        if escape not in ESCAPES:
            raise ValueError(f"{os.fsdecode(match[0])} is not an escape: the escapes are \\n, \\t, \\0, \\xHH and \\\\")
        return ESCAPES[escape]

    return re.sub(rb"(?s)\\(x[0-9a-fA-F]{2}|.|$)", byte, text)


def plain(argument: str) -> str:
    """An argument without its mark."""
    return argument[len(MARK) :]


def literal(argument: str) -> bytes:
    """An argument as bytes."""
    return os.fsencode(plain(argument))


def whole(text: str) -> int:
    """A number of matches."""
    text = plain(text)
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise argparse.ArgumentTypeError(f"invalid number: {text!r}")
    number = int(text)
    if text.startswith("-"):
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return min(number, sys.maxsize)


def size(text: str) -> int:
    """A number of bytes, as in 1000, 64K, 256M or 1G."""
    text = plain(text)
    units = {"K": 10, "M": 20, "G": 30}
    digits, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 256M")
    return int(digits) << unit
