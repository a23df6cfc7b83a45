"""Runs a page of the documentation in the current folder: its blocks one after the other, in one namespace.

    python page.py PAGE LANGUAGE...

What each block prints comes behind a line that has its number in the page and a mark.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

MARK = "--- block at line "
FENCE = re.compile(r"^(?P<fence>```+)(?P<info>[^\n`]*)\n(?P<code>.*?)^(?P=fence)[ ]*$", re.M | re.S)
LANGUAGES = ("python", "sh")


@dataclass
class Block:
    """A block of code, the line of the page at which it begins, and what it is to print, if that is said."""

    language: str
    reason: str  # why it isn't run
    line: int
    code: str
    output: str | None = None
    numbers_vary: bool = False  # whether its numbers stand for any


def blocks_of(text: str) -> list[Block]:
    """The blocks of a page. What is directly behind one as `text` is its output."""
    found: list[Block] = []
    end = -1
    for match in FENCE.finditer(text):
        language, _, rest = match["info"].strip().partition(" ")
        if language == "text" and end >= 0 and not text[end : match.start()].strip():
            found[-1].output, found[-1].numbers_vary = match["code"], rest == "numbers-vary"
        elif language in LANGUAGES:
            line = text.count("\n", 0, match.start()) + 2
            reason = rest.removeprefix("no-run:").strip() if rest.startswith("no-run:") else ""
            found.append(Block(language, reason, line, match["code"]))
            end = match.end()
            continue
        end = -1
    return found


def run(block: Block, page: str, names: dict[str, object]) -> None:
    """One block, with the line numbers that it has in its page."""
    if block.language == "python":
        exec(compile("\n" * (block.line - 1) + block.code, page, "exec"), names)
        return
    python = shlex.quote(sys.executable)
    names = f'fastmmap() {{ {python} -m fastmmap "$@"; }}; python() {{ {python} "$@"; }}\n'
    subprocess.run(["bash", "-euo", "pipefail", "-c", names + block.code], check=True)


def main() -> None:
    page, *languages = sys.argv[1:]
    story = sys.modules["__main__"] = ModuleType("__main__")  # as in an interactive session, so that pickle finds names
    for block in blocks_of(Path(page).read_text()):
        if block.language in languages and not block.reason:
            print(f"{MARK}{block.line}", flush=True)
            run(block, page, vars(story))
            sys.stdout.flush()


if __name__ == "__main__":
    sys.path[0] = os.getcwd()  # a block may write a module and import it
    main()
