"""Where the command `fastmmap` starts: outside the package, so that no fault while that is imported is a traceback.

An interrupt ends the command with status 130 whenever it comes: at once while it starts, and when its work is done.
"""

from __future__ import annotations

import _signal  # signal itself imports for milliseconds
import atexit
import os

INTERRUPTED = 130


def leave(*_: object) -> None:
    """Ends the process: there is nothing yet, or nothing more, that would have to be put in order."""
    os._exit(INTERRUPTED)


def main() -> int:
    """Runs the command and returns its status."""
    try:
        # Whoever ignores interrupts, as nohup does and the shell in the background, is not to be interrupted.
        if _signal.getsignal(_signal.SIGINT) is not _signal.default_int_handler:
            return run()
        _signal.signal(_signal.SIGINT, leave)
        # The last of what is done at exit: then Python would give up its handlers, and the signal end the process.
        atexit.register(_signal.signal, _signal.SIGINT, _signal.SIG_IGN)
        return run(interruptible=True)
    except KeyboardInterrupt:
        _signal.signal(_signal.SIGINT, leave)
        return INTERRUPTED


def run(interruptible: bool = False) -> int:
    """Imports the package and runs the command, which an interrupt reaches as KeyboardInterrupt."""
    try:
        from fastmmap.cli import main as command
    except Exception as error:  # a kernel that can't be had, an extension that can't be loaded
        print_error(" ".join(str(error).split()))
        return 2
    if not interruptible:
        return command()
    _signal.signal(_signal.SIGINT, _signal.default_int_handler)
    try:
        return command()
    finally:
        _signal.signal(_signal.SIGINT, leave)


def print_error(text: str) -> None:
    """One line on standard error, where that is open."""
    try:
        os.write(2, os.fsencode(f"fastmmap: {text}\n"))
    except OSError:
        return
