"""The command line: what a command takes, and what it was given.

Options may stand anywhere before "--", also before the command. A letter is one option with one meaning, whichever
command it is for; nothing is abbreviated. argparse takes as long to import as a small file takes to search, and has
ideas of its own about what begins with a dash.
"""

from __future__ import annotations

import os
import sys

from .output import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, NoReturn


class Given:
    """What a command line has given: an attribute for each option and argument of its command."""

    command: Command

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Each is named as its option, or as `Argument.key` says."""

        def __setattr__(self, name: str, value: Any) -> None:
            """Commands set what follows from the rest."""


class Option:
    """An option. `names` are "-m --max-count"; `value` names its value, which `kind` converts; a flag has none.

    many: it may be given several times, and is a list. choices: what its value may be, for completion and the help.
    """

    def __init__(
        self,
        names: str,
        help: str,
        value: str | None = None,
        kind: Callable[[str], Any] = str,
        *,
        many: bool = False,
        default: Any = None,
    ) -> None:
        self.names = names.split()
        self.help, self.value, self.kind, self.many = help, value, kind, many
        self.default = [] if many else default if value is not None else False
        self.choices: tuple[str, ...] = getattr(kind, "choices", ())

    @property
    def key(self) -> str:
        """The attribute of what was given."""
        long = next((name for name in self.names if name.startswith("--")), self.names[0])
        return long.lstrip("-").replace("-", "_")


class Argument:
    """What is no option: `least` of it at least; any number where it is `many`.

    unless: options in whose place it stands. fits: what it must look like, to be told from what comes behind it.
    by_name: whether it can't be "-", standard input.
    """

    def __init__(self, name: str, help: str, *, least: int = 1, many: bool = False, **more: Any) -> None:
        self.name, self.help, self.least, self.many = name, help, least, many
        self.unless: tuple[str, ...] = more.pop("unless", ())
        self.fits: Callable[[str], bool] | None = more.pop("fits", None)
        self.by_name: bool = more.pop("by_name", False)
        assert not more, more

    @property
    def key(self) -> str:
        """The attribute of what was given: one that no option has."""
        return f"{self.name.lower()}s" if self.many else f"the_{self.name.lower()}"

    @property
    def usage(self) -> str:
        """As the usage line has it."""
        text = f"{self.name}..." if self.many else self.name
        return text if self.least and not self.unless else f"[{text}]"


class Command:
    """A command: what it takes, what its help says, and what runs it and returns the status.

    examples: pairs of a command line and what it does. counts: arguments such as -1 and -5: are numbers, not options.
    """

    def __init__(
        self, name: str, summary: str, run: Callable[[Given], int], arguments: Sequence[Argument] = (), **more: Any
    ) -> None:
        self.name, self.summary, self.run, self.arguments = name, summary, run, arguments
        self.options: list[Option] = [*more.pop("options", ()), HELP]
        self.about: str = more.pop("about", "")
        self.examples: Sequence[tuple[str, str]] = more.pop("examples", ())
        self.counts: bool = more.pop("counts", False)
        assert not more, more

    def option(self, name: str) -> Option:
        """The option of a name. An unknown one is an error."""
        for option in self.options:
            if name in option.names:
                return option
        hint = "help is --help" if name == "-h" else "put an argument that begins with a dash after --"
        return self.fail(f"there is no option {name}; {hint}")

    def fail(self, message: str) -> NoReturn:
        """Ends with a message that says where help is."""
        whole = f"fastmmap {self.name}".rstrip()
        say(f"{self.name}{self.name and ': '}{message} (see {whole} --help)")
        sys.exit(2)

    def refuse_together(self, given: Given, name: str, others: Sequence[str]) -> None:
        """Ends where an option was given, and another one that contradicts it."""
        if getattr(given, self.option(name).key):
            for other in others:
                option = self.option(other)
                if getattr(given, option.key) not in (option.default, None):
                    self.fail(f"{name} and {other} don't go together")

    def given(self, arguments: Sequence[str]) -> Given:
        """What it was given. --help ends it."""
        given = Given()
        others: list[str] = []
        given.command = self
        for option in self.options:
            setattr(given, option.key, [] if option.many else option.default)
        left = iter(arguments)
        for argument in left:
            if argument == "--":
                others.extend(left)
            elif self._is_option(argument):
                for option, value in self.split(argument, left):
                    self._set(given, option, value)
            else:
                others.append(argument)
        self._sort(given, others)
        return given

    def split(self, argument: str, left: Iterator[str]) -> Iterator[tuple[Option, str | None]]:
        """The options that an argument has, each with the value that it is given."""
        if argument.startswith("--"):
            name, sign, value = argument.partition("=")
            option = self.option(name)
            if option.value is None:
                if sign:
                    self.fail(f"option {name} takes no value")
                yield option, None
            else:
                yield option, value if sign else self._value(name, left)
            return
        for place in range(1, len(argument)):
            name = "-" + argument[place]
            option = self.option(name)
            if option.value is not None:
                yield option, argument[place + 1 :] or self._value(name, left)
                return
            yield option, None

    def _is_option(self, argument: str) -> bool:
        if argument == "-" or not argument.startswith("-"):
            return False
        return not (self.counts and argument[1].isdigit())

    def _value(self, name: str, left: Iterator[str]) -> str:
        """The next argument, whatever it is."""
        value = next(left, None)
        if value is None:
            self.fail(f"option {name} needs a value")
        return value

    def _set(self, given: Given, option: Option, text: str | None) -> None:
        if option is HELP:
            from .help import text_of

            sys.stdout.write(text_of(self))
            raise SystemExit(0)
        value: Any = True
        if text is not None:
            try:
                value = option.kind(text)
            except ValueError as error:
                self.fail(f"option {option.names[0]}: {error}")
        if option.many:
            getattr(given, option.key).append(value)
        else:
            setattr(given, option.key, value)

    def _sort(self, given: Given, others: list[str]) -> None:
        """Gives each argument what is its own, from the first to the last."""
        for argument in self.arguments:
            taken: list[str] = []
            if not any(getattr(given, self.option(name).key) for name in argument.unless):
                most = len(others) if argument.many else 1
                while others and len(taken) < most and (argument.fits is None or argument.fits(others[0])):
                    taken.append(others.pop(0))
                if len(taken) < argument.least:
                    self.fail(f"{argument.name} is missing")
                if argument.by_name and "-" in taken:
                    self.fail(f"{argument.name} can't be -, standard input; ./- is a file of that name")
            setattr(given, argument.key, taken if argument.many else taken[0] if taken else None)
        if others:
            self.fail(f"one argument too many: {others[0]}")


HELP = Option("--help", "show this help")


def inputs(given: Given) -> list[str]:
    """The files that were named. Without any: this folder with -r, else standard input, unless that is a terminal."""
    files: list[str] = given.files
    if not files and getattr(given, "recursive", False):
        return [""]
    if not files:
        if os.isatty(0):
            given.command.fail("FILE is missing; - stands for standard input")
        files = ["-"]
    return files
