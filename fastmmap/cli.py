"""The command `fastmmap`: search, replace and append from a shell.

Status 0: found or changed; 1: nothing found, except for `recover`, where that is 0 too; 2: an error, which is one line
on stderr. An interrupt is 130.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import NoReturn

from . import __version__, kernel
from ._system import naming
from .appending import Appender
from .editing import plan_replace, replace_file
from .mapped import MappedFile, open
from .recovering import recover

FOUND, NOT_FOUND, ERROR, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

# How many offsets are in memory at a time, whatever the number of matches.
OFFSETS = 1 << 16

# How many changes a dry run shows.
SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its status."""
    if sys.stdout is None:
        return complain(OSError("standard output is closed"))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names and needles are any bytes
    options = parser().parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = run(options)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever read us has enough. Python would flush stdout once more at exit, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):  # what became of a file that was being edited
            print(f"fastmmap: interrupted: {note}", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError) as error:
        return complain(error)


def complain(error: Exception) -> int:
    """One line for an error."""
    if isinstance(error, OSError) and error.filename is not None:
        name = "standard input" if error.filename == 0 else os.fsdecode(error.filename)
        error = OSError(f"{name}: {error.strerror}")
    print(f"fastmmap: {error}", file=sys.stderr)
    return ERROR


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ERROR, f"{self.prog}: {message} (see {self.prog} --help)\n")


def parser() -> argparse.ArgumentParser:
    top = Parser(prog="fastmmap", description="Search, replace in and append to big files.")
    top.add_argument("--version", action="version", version=f"fastmmap {__version__}, kernel {kernel}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND")

    needle = Parser(add_help=False)
    needle.add_argument("needle", metavar="NEEDLE", type=os.fsencode, help="what to look for, literally")
    needle.add_argument("files", metavar="FILE", nargs="+", help="a file, or - for standard input")
    needle.add_argument("-i", "--ignore-case", action="store_true", help="ASCII letters match in either case")
    needle.add_argument("--overlapping", action="store_true", help="matches may overlap")

    find = commands.add_parser("find", parents=[needle], help="print the byte offset of every match")
    find.add_argument("-m", "--max-count", metavar="N", type=whole, help="stop after N matches in a file")
    find.set_defaults(run=partial(on_each_file, find_in))

    count = commands.add_parser("count", parents=[needle], help="print the number of matches")
    count.set_defaults(run=partial(on_each_file, count_in))

    replace = commands.add_parser("replace", help="replace OLD by NEW, of any length, in files")
    replace.add_argument("old", metavar="OLD", type=os.fsencode, help="what to replace, literally")
    replace.add_argument("new", metavar="NEW", type=os.fsencode, help="what to put in its place")
    replace.add_argument("files", metavar="FILE", nargs="+")
    replace.add_argument("-m", "--max-count", metavar="N", type=whole, default=-1, help="replace at most N in a file")
    replace.add_argument("--no-sync", action="store_true", help="don't wait for the disk: faster, but a power loss "
                         "may leave an empty file")  # fmt: skip
    replace.add_argument("--backup", metavar="SUFFIX", help="keep the old file under its name and SUFFIX")
    replace.add_argument("--force", action="store_true", help="edit files that are read-only, too")
    replace.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and show what would change: "
                         f"the first {SHOWN} lines")  # fmt: skip
    replace.set_defaults(run=partial(on_each_file, replace_in))

    append = commands.add_parser("append", help="append text, or standard input, to a file, which is made if need be")
    append.add_argument("file", metavar="FILE")
    append.add_argument("text", metavar="TEXT", nargs="*", type=os.fsencode, help="standard input where none is given")
    append.add_argument("-n", "--newline", action="store_true", help="end each TEXT with a newline")
    append.set_defaults(run=append_to)

    recover = commands.add_parser("recover", help="take what killed writers have left in their stages to their logs",
                                  description="Status 0: nothing is left to be done, whether there was something or "
                                  "not. Writers that live are left alone.")  # fmt: skip
    recover.add_argument("files", metavar="PATH", nargs="+", help="a log, or a directory: all logs with stages in it")
    recover.set_defaults(run=recover_each)

    demo = commands.add_parser("demo", help="race this package against plain files and the mmap module")
    demo.add_argument("file", metavar="FILE", nargs="?", help="a text to use, which isn't changed; made when not given")
    demo.add_argument("--size", metavar="SIZE", type=size, default=256 << 20, help="of the text made, as in 256M")
    demo.set_defaults(run=run_demo)
    return top


def whole(text: str) -> int:
    """A number of matches."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{number} is negative")
    return number


def size(text: str) -> int:
    """A number of bytes, as in 1000, 64K, 256M or 1G."""
    units = {"K": 10, "M": 20, "G": 30}
    digits, unit = (text[:-1], units[text[-1].upper()]) if text[-1:].upper() in units else (text, 0)
    if not digits.isdigit() or int(digits) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 256M")
    return int(digits) << unit


def on_each_file(run: Callable[[argparse.Namespace, str], bool], options: argparse.Namespace) -> int:
    """Runs a command on one file after the other; one that fails doesn't keep the rest from their turn."""
    found = failed = False
    for file in options.files:
        try:
            found |= run(options, file)
        except BrokenPipeError:
            raise
        except (OSError, ValueError) as error:
            sys.stdout.flush()
            failed = complain(error) == ERROR
    return ERROR if failed else FOUND if found else NOT_FOUND


def opened(file: str) -> MappedFile:
    return open(0 if file == "-" else file)


def prefix(options: argparse.Namespace, file: str) -> str:
    """The file's name, where there are several."""
    return f"{file}:" if len(options.files) > 1 else ""


def find_in(options: argparse.Namespace, file: str) -> bool:
    label, found = prefix(options, file), False
    with opened(file) as mapped:
        # iter_find needs neither room for all offsets nor numpy, whose import takes more memory than the search.
        matches = mapped.iter_find(options.needle, overlapping=options.overlapping, ignorecase=options.ignore_case)
        matches = islice(matches, options.max_count)
        while offsets := list(islice(matches, OFFSETS)):
            found = True
            sys.stdout.write("".join([f"{label}{offset}\n" for offset in offsets]))
    return found


def count_in(options: argparse.Namespace, file: str) -> bool:
    with opened(file) as mapped:
        number = mapped.count(options.needle, overlapping=options.overlapping, ignorecase=options.ignore_case)
    print(f"{prefix(options, file)}{number}")
    return number > 0


def replace_in(options: argparse.Namespace, file: str) -> bool:
    if options.dry_run:
        return preview(options, file)
    durable = not options.no_sync
    done = replace_file(
        file, options.old, options.new, options.max_count,
        durable=durable, backup=options.backup, force=options.force,
    )  # fmt: skip
    print(f"{prefix(options, file)}{done.count} replaced, {done.old_size} bytes before, {done.new_size} after")
    return done.count > 0


def preview(options: argparse.Namespace, file: str) -> bool:
    """The first changes, as lines with their number, then how many there are."""
    plan, label = plan_replace(file, options.old, options.new, options.max_count), prefix(options, file)
    for change in plan.preview(SHOWN):
        for sign, text in (("-", change.before), ("+", change.after)):
            # In stdout's own encoding, so that the bytes come out as they are, whatever they mean.
            line = text.decode(sys.stdout.encoding, errors="surrogateescape")
            print(f"{label}{change.number + 1}:{sign}{line}")
    print(f"{label}{plan.count} would be replaced, {plan.old_size} bytes before, {plan.new_size} after")
    return plan.count > 0


def append_to(options: argparse.Namespace) -> int:
    if not options.text:
        with naming(0):
            os.fstat(0)  # closed, its number would be the log's
    with Appender(options.file) as log:
        for text in options.text:
            log.append(text + b"\n" if options.newline else text)
        if not options.text:
            with naming(0):
                while block := os.read(0, 1 << 20):
                    log.append(block)
    return FOUND


def recover_each(options: argparse.Namespace) -> int:
    """Nothing to be done is what a service manager hopes for: it is no failure."""
    warnings.showwarning = lambda message, *_: print(f"fastmmap: {message}", file=sys.stderr)
    return FOUND if on_each_file(recover_in, options) != ERROR else ERROR


def recover_in(options: argparse.Namespace, file: str) -> bool:
    done = recover(file)
    print(f"{prefix(options, file)}{'recovered' if done else 'nothing to recover'}")
    return done


def run_demo(options: argparse.Namespace) -> int:
    from .demo import demo

    return FOUND if demo(options.file, options.size) else NOT_FOUND
