"""The help of the command and of each of its commands."""

from __future__ import annotations

import textwrap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .options import Command, Option

WIDTH = 100

# Where what is said of an option begins.
COLUMN = 28


def text_of(command: Command) -> str:
    """The help of one command."""
    usage = " ".join(argument.usage for argument in command.arguments)
    pieces = [f"usage: fastmmap {command.name} [OPTION]... {usage}".rstrip(), "", _paragraph(command.summary + ".")]
    if command.about:
        pieces += ["", *map(_paragraph, command.about.split("\n"))]
    if command.examples:
        pieces += ["", "examples:"]
        longest = max(len(line) for line, _ in command.examples)
        pieces += [f"  {line:{longest}}  # {what}" if what else f"  {line}" for line, what in command.examples]
    if command.arguments:
        pieces += ["", "arguments:", *_rows((each.name, each.help) for each in command.arguments)]
    names = ((", ".join(each.names) + (f" {each.value}" if each.value else ""), each.help) for each in command.options)
    pieces += ["", "options:", *_rows(names)]
    return "\n".join(pieces) + "\n"


def overview(commands: Iterable[Command], options: Iterable[Option]) -> str:
    """The help of the whole command."""
    rows = _rows((command.name, command.summary) for command in commands)
    return "\n".join(
        [
            "usage: fastmmap COMMAND [OPTION]... [ARGUMENT]...",
            "",
            "Search, replace in and append to big files.",
            "",
            "commands:",
            *rows,
            "",
            "examples:",
            "  fastmmap grep -n ERROR app.log               # the lines that hold ERROR, with their numbers",
            "  fastmmap count ERROR app.log                 # how many there are",
            "  fastmmap replace -n colour color *.txt       # what would change; without -n it is done",
            "",
            "options:",
            *_rows((option.names[0], option.help) for option in options),
            "",
            "`fastmmap COMMAND --help` has examples and all options of a command. Options may stand anywhere before",
            "--, and - is standard input. Status 0: found or changed; 1: not found; 2: an error; 130: interrupted.",
            "",
        ]
    )


def _paragraph(text: str) -> str:
    return textwrap.fill(text, WIDTH)


def _rows(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Two columns."""
    lines = []
    for name, text in rows:
        said = textwrap.wrap(text, WIDTH - COLUMN)
        head = f"  {name}"
        if len(head) > COLUMN - 2:
            lines.append(head)
            head = ""
        for line in said:
            lines.append(f"{head:{COLUMN}}{line}")
            head = ""
    return lines
