"""fastmmap replace: edits of files, and what they would change."""

from __future__ import annotations

import argparse
import os
from typing import Any

from ..editing.edit import replace_file
from ..editing.planning import plan_replace
from .files import on_each_file, prefix
from .options import Parser, literal, plain, whole
from .output import out

# How many changes a dry run shows.
SHOWN = 20


def add(commands: Any, escape: Parser) -> None:
    """Its arguments."""
    replace = commands.add_parser("replace", parents=[escape], help="replace OLD by NEW, of any length, in files")
    replace.add_argument("old", metavar="OLD", type=literal, help="what to replace, literally")
    replace.add_argument("new", metavar="NEW", type=literal, help="what to put in its place")
    replace.add_argument("files", metavar="FILE", nargs="+", type=plain)
    replace.add_argument("-m", "--max-count", metavar="N", type=whole, default=-1, help="replace at most N in a file")
    replace.add_argument("--no-sync", action="store_true", help="don't wait for the disk: faster, but a power loss "
                         "may leave an empty file")  # fmt: skip
    replace.add_argument("--backup", metavar="SUFFIX", type=plain, help="keep the old file under its name "
                         "plus SUFFIX")  # fmt: skip
    replace.add_argument("--force", action="store_true", help="edit read-only files, too")
    replace.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and show what would change: "
                         f"the first {SHOWN} lines")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Runs it on each file, and returns the status."""
    return on_each_file(replace_in, options)


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
