"""Where the command `fastmmap` starts: outside the package, so that no fault while that is imported is a traceback.

An interrupt ends the command with status 130 whenever it comes: at once while it starts, and when its work is done. The
package calls `heed_interrupts` and `refuse` itself where `python -m fastmmap` imports it before it comes here.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # signal itself imports for milliseconds
import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTERRUPTED = 130

running = False  # whether `run` is


def leave(*_: object) -> None:
    """Ends the process: there is nothing yet, or nothing more, that would have to be put in order."""
    os._exit(INTERRUPTED)


def main() -> int:
    """Runs the command and returns its status."""
    try:
        if not heed_interrupts():
            return run()
        # The last of what is done at exit: then Python would give up its handlers, and the signal end the process.
        atexit.register(_signal.signal, _signal.SIGINT, _signal.SIG_IGN)
        return end(run(interruptible=True))
    except KeyboardInterrupt:
        _signal.signal(_signal.SIGINT, leave)
        return INTERRUPTED


def end(status: int) -> int:
    """Ends the process, where it is the installed command, without Python's own end, which takes milliseconds.

    Nothing is left to be done there but what was registered for the exit, and other threads, for which Python waits.
    """
    watched = sys.flags.inspect or sys.gettrace() or sys.getprofile()
    if os.path.basename(sys.argv[0]) == "fastmmap" and "threading" not in sys.modules and not watched:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(status)
    return status


def interrupt(number: int, frame: Any) -> None:
    """What an interrupt does while the command runs: it is a KeyboardInterrupt.

    In an import or a finalizer Python may drop that, and so it comes once more as soon as those are over: at the next
    call there is.
    """
    if not may_drop(frame):
        raise KeyboardInterrupt
    before = sys.getprofile()

    def repeat(frame: Any, event: str, argument: Any) -> None:
        if not may_drop(frame):
            sys.setprofile(before)
            _signal.raise_signal(number)  # which Python heeds where nothing is half done

    sys.setprofile(repeat)


def may_drop(frame: Any) -> bool:
    """Whether a frame is in an import or a finalizer."""
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib") or frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def heed_interrupts() -> bool:
    """Has an interrupt end the process from now on; False where they are ignored, as by nohup and background shells."""
    if _signal.getsignal(_signal.SIGINT) not in (_signal.default_int_handler, leave, interrupt):
        return False
    _signal.signal(_signal.SIGINT, leave)
    return True


def run(interruptible: bool = False) -> int:
    """Imports the package and runs the command, which an interrupt reaches as KeyboardInterrupt."""
    global running
    running = True
    try:
        from fastmmap.cli import main as command
    except Exception as error:  # a kernel that can't be had, an extension that can't be loaded
        return refuse(error)
    if not interruptible:
        return command()
    _signal.signal(_signal.SIGINT, interrupt)
    try:
        return command()
    finally:
        _signal.signal(_signal.SIGINT, leave)


def refuse(error: Exception) -> int:
    """Says on standard error, where that is open, why there is no command, in one line. Returns the status."""
    text = " ".join(str(error).split())
    try:
        os.write(2, os.fsencode(f"fastmmap: {text}\n"))
        return 2
    except OSError:
        return 2
