"""The command `fastmmap`: search, replace and append from a shell.

Status 0: found or changed; 1: nothing found, except for `recover`, where that is 0 too; 2: an error, which is one line
on stderr. An interrupt is 130.
"""

from __future__ import annotations

import argparse
import errno
import os
import stat
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .. import growing, system
from ..editing.edit import plan_replace, replace_file
from ..errors import naming
from ..logs.log import check_appendable
from ..logs.recovering import recover
from .options import SHOWN, parsed
from .output import Output, OutputClosed, OutputError, keep_numbers, say
from .streaming import Source

FOUND, NOT_FOUND, ERROR, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141

# How much of standard input is appended at a time.
BLOCK = 1 << 20

out = Output()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its status."""
    closed = keep_numbers()
    before: Any = sys.stdout, warnings.showwarning
    sys.stdout = out
    warnings.showwarning = lambda message, *_: say(str(message))
    try:
        try:
            options = parsed(sys.argv[1:] if arguments is None else arguments)
            if 1 in closed and options.command not in SILENT:  # told before the work, not after it
                raise OutputError("standard output is closed")
            status = COMMANDS[options.command](options)
        except SystemExit as end:
            status = int(end.code or 0)
        out.flush()
        return status
    except (OutputClosed, BrokenPipeError):
        return PIPE_CLOSED
    except KeyboardInterrupt as interrupt:
        for note in getattr(interrupt, "__notes__", ()):  # what became of a file that was being edited
            say(f"interrupted: {note}")
        return INTERRUPTED
    except (OSError, ValueError, MemoryError, OutputError, Warning) as error:
        return complain(error)
    finally:
        sys.stdout, warnings.showwarning = before


def complain(error: Exception) -> int:
    """One line for an error."""
    if isinstance(error, OSError) and error.filename is not None:
        name = "standard input" if error.filename == 0 else os.fsdecode(error.filename)
        error = OSError(f"{name}: {error.strerror}")
    say(str(error) or "out of memory")
    return ERROR


def on_each_file(run: Callable[[argparse.Namespace, str], bool], options: argparse.Namespace) -> int:
    """Runs a command on one file after the other; one that fails doesn't keep the rest from their turn."""
    found = failed = False
    for file in options.files:
        try:
            found |= run(options, file)
        except BrokenPipeError:
            raise
        except (OSError, ValueError, Warning) as error:  # PYTHONWARNINGS=error raises what is a warning otherwise
            out.flush()
            failed = complain(error) == ERROR
    return ERROR if failed else FOUND if found else NOT_FOUND


def prefix(options: argparse.Namespace, file: str) -> str:
    """The file's name, where there are several."""
    return f"{file}:" if len(options.files) > 1 else ""


def how(options: argparse.Namespace) -> dict[str, bool]:
    """How a needle matches."""
    return {"overlapping": options.overlapping, "ignorecase": options.ignore_case}


def find_in(options: argparse.Namespace, file: str) -> bool:
    label, found = os.fsencode(prefix(options, file)), False
    with Source(file) as source:
        for offsets in source.matches(options.needle, options.max_count, **how(options)):
            found = True
            out.put(b"".join([b"%b%d\n" % (label, offset) for offset in offsets]))
            out.flush()
    return found


def count_in(options: argparse.Namespace, file: str) -> bool:
    with Source(file) as source:
        number = source.count(options.needle, **how(options))
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
        for sign, text in ((b"-", change.before), (b"+", change.after)):
            out.put(b"%b%d:%b%b\n" % (os.fsencode(label), change.number + 1, sign, text))
    print(f"{label}{plan.count} would be replaced, {plan.old_size} bytes before, {plan.new_size} after")
    return plan.count > 0


def append_to(options: argparse.Namespace) -> int:
    """Each TEXT, or all of standard input, at the end of the file, whoever else appends to it."""
    with naming(0):
        if not options.text:
            os.read(0, 0)  # an error, before anything is made, where it is closed
    with naming(options.file):
        fd = os.open(options.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            status = os.fstat(fd)
            check_appendable(status)
            append = growing.append_whole if stat.S_ISREG(status.st_mode) else system.write_all
            if options.text:
                end = b"\n" if options.newline else b""
                append(fd, memoryview(b"".join([text + end for text in options.text])))
            else:
                append_input(fd, append)
        finally:
            os.close(fd)
    return FOUND


def append_input(fd: int, append: Callable[[int, memoryview], Any]) -> None:
    """Standard input, as it comes. A block that can't be appended whole is taken back, those before stay."""
    ours, theirs = os.fstat(fd), os.fstat(0)
    if stat.S_ISREG(theirs.st_mode) and os.path.samestat(ours, theirs):
        raise OSError(errno.EINVAL, "input file is output file")
    done = 0
    while True:
        with naming(0):
            block = system.read_some(0, BLOCK)
        if not block:
            return
        try:
            append(fd, memoryview(block))
        except OSError as error:
            if done and not isinstance(error, BrokenPipeError):
                text = f"{error.strerror}, after {done} bytes of standard input were appended"
                raise OSError(error.errno, text) from None
            raise
        done += len(block)


def recover_each(options: argparse.Namespace) -> int:
    """Nothing to be done is what a service manager hopes for: it is no failure."""
    return FOUND if on_each_file(recover_in, options) != ERROR else ERROR


def recover_in(options: argparse.Namespace, file: str) -> bool:
    done = recover(file)
    print(f"{prefix(options, file)}{'recovered' if done else 'nothing to recover'}")
    return done


def run_demo(options: argparse.Namespace) -> int:
    from .demo import demo

    return FOUND if demo(options.file, options.size) else NOT_FOUND


COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "find": partial(on_each_file, find_in),
    "count": partial(on_each_file, count_in),
    "replace": partial(on_each_file, replace_in),
    "append": append_to,
    "recover": recover_each,
    "demo": run_demo,
}

# Those that write nothing to standard output, which may be closed then.
SILENT = ("append",)
