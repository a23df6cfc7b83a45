"""fastmmap replace: edits of files, and what they would change."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from .files import on_each_file, prefix
from .options import Parser, literal, plain, whole
from .output import out, say
from .status import ERROR

if TYPE_CHECKING:
    from ..editing.edit import Replacement

# How many changes a dry run shows.
SHOWN = 20


def add(commands: Any, escape: Parser) -> None:
    """Its arguments."""
    replace = commands.add_parser("replace", parents=[escape], help="replace OLD by NEW, of any length, in files")
    replace.add_argument("old", metavar="OLD", type=literal, help="what to replace, literally")
    replace.add_argument("new", metavar="NEW", type=literal, help="what to put in its place")
    replace.add_argument("files", metavar="FILE", nargs="+", type=plain)
    replace.add_argument("-m", "--max-count", metavar="N", type=whole, default=-1, help="replace at most N in a file")
    replace.add_argument("--in-place", action="store_true", help="edit the file itself, without a second copy. When "
                         "killed, the same command or recover goes on")  # fmt: skip
    replace.add_argument("--journal", metavar="PATH", type=plain, help="where the journal of an edit in place is made, "
                         "on another disk for instance; without, beside the file")  # fmt: skip
    replace.add_argument("--output", metavar="OTHER", type=plain, help="leave FILE as it is, and write what it would "
                         "be to a new file OTHER")  # fmt: skip
    replace.add_argument("--sync", action="store_true", help="wait for the disk with --in-place, too, so that a power "
                         "loss is as harmless as a kill")  # fmt: skip
    replace.add_argument("--no-sync", action="store_true", help="don't wait for the disk: faster, but a power loss "
                         "may leave an empty file")  # fmt: skip
    replace.add_argument("--backup", metavar="SUFFIX", type=plain, help="keep the old file under its name "
                         "plus SUFFIX; not over an older backup")  # fmt: skip
    replace.add_argument("--force", action="store_true", help="edit read-only files, replace an older backup or "
                         "OTHER, and edit in place on any filesystem")  # fmt: skip
    replace.add_argument("-n", "--dry-run", action="store_true", help="change nothing, and show what would change: "
                         f"the first {SHOWN} lines")  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Runs it on each file, and returns the status."""
    if options.output is not None:
        others = {"--in-place": options.in_place, "--backup": options.backup, "--journal": options.journal}
        for option in (option for option, given in others.items() if given):
            say(f"replace: --output and {option} don't go together (see fastmmap replace --help)")
            return ERROR
        if len(options.files) > 1:
            say("replace: --output is for one FILE (see fastmmap replace --help)")
            return ERROR
    if options.sync and options.no_sync:
        say("replace: --sync and --no-sync don't go together (see fastmmap replace --help)")
        return ERROR
    return on_each_file(replace_in, options)


def replace_in(options: argparse.Namespace, file: str) -> bool:
    from ..editing.edit import replace_file  # now: no other command needs what edits are made of

    if options.dry_run:
        return preview(options, file)
    durable = True if options.sync else False if options.no_sync else None
    if options.output is not None:
        done = to_output(options, file, durable)
    else:
        done = replace_file(
            file, options.old, options.new, options.max_count, in_place=options.in_place, durable=durable,
            backup=options.backup, journal=options.journal, force=options.force,
        )  # fmt: skip
    print(f"{prefix(options, file)}{done.count} replaced, {done.old_size} bytes before, {done.new_size} after")
    return done.count > 0


def to_output(options: argparse.Namespace, file: str, durable: bool | None) -> Replacement:
    """Writes the edited file to another."""
    from ..editing.elsewhere import write_elsewhere
    from ..editing.preparing import Asked, edit_of, options_of, target_of

    asked = Asked(False, durable, None, None, options.force, None, None)
    target, edit = target_of(file), edit_of(options.old, options.new, options.max_count)
    return write_elsewhere(target, options.output, edit, options_of(target, asked))


def preview(options: argparse.Namespace, file: str) -> bool:
    """The first changes, as lines with their number, then how many there are."""
    from ..editing.planning import plan_replace

    plan, label = plan_replace(file, options.old, options.new, options.max_count), prefix(options, file)
    for change in plan.preview(SHOWN):
        for sign, text in ((b"-", change.before), (b"+", change.after)):
            out.put(b"%b%d:%b%b\n" % (os.fsencode(label), change.number + 1, sign, text))
    print(f"{label}{plan.count} would be replaced, {plan.old_size} bytes before, {plan.new_size} after")
    return plan.count > 0
