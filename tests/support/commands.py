"""Runs the command, in a process of its own."""

from __future__ import annotations

import ctypes
import errno
import itertools
import os
import shlex
import signal
import struct
import subprocess
import sys

import pytest

from support.lacks import fcntl, pty, termios

SCRIPT = "import sys; from _fastmmap_command import main; sys.exit(main())"  # what an installed command does
WAYS = {"module": ["-m", "fastmmap"], "script": ["-c", SCRIPT]}

# How a process ends itself, as kill -9 would, and its status then. On Windows SIGTERM is TerminateProcess.
DIE = "os.kill(os.getpid(), getattr(signal, 'SIGKILL', signal.SIGTERM))"
KILLED = -signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM

UNCOLOURED = ("NO_COLOR", "CLICOLOR_FORCE")  # what says whether there are colours

# Lines without an end, as of yes(1).
YES = [sys.executable, "-c", "import os\nwhile True: os.write(1, b'y\\n' * 1000)"]

turns = itertools.cycle(WAYS.values())


def in_posix_words(errors):
    """What POSIX says where nothing is at a path. Windows has words for a file, and others for its folder."""
    if sys.platform == "win32":
        for number in (2, 3):  # ERROR_FILE_NOT_FOUND, ERROR_PATH_NOT_FOUND
            errors = errors.replace(ctypes.FormatError(number).strip(" ."), os.strerror(errno.ENOENT))
    return errors


def heed_interrupts():
    """Whoever started the tests may ignore interrupts, as nohup does, and so would what they start."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# How a process is started that heeds them; on Windows each does.
HEEDING = {"preexec_fn": heed_interrupts} if os.name == "posix" else {}


def with_folder(folder):
    """The environment, with a folder that Python looks for modules in first."""
    others = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), others] if others else [str(folder)])}


def preloading(library, **variables):
    """The environment, with a library that is preloaded behind those that are already, as a sanitizer's is."""
    before = os.environ.get("LD_PRELOAD")
    return {**os.environ, **variables, "LD_PRELOAD": f"{before} {library}" if before else str(library)}


def command(*arguments, way=None):
    """Started in each of the ways in turn, where none is given."""
    return [sys.executable, *(WAYS[way] if way else next(turns)), *map(str, arguments)]


def run(*arguments, stdin=b"", way=None, **options):
    given = {"stdin": options.pop("file")} if "file" in options else {"input": stdin}
    done = subprocess.run(command(*arguments, way=way), capture_output=True, timeout=120, **given, **options)
    return done.returncode, done.stdout, done.stderr


def run_in_terminal(*arguments, stdin=b"", columns=80, **environment):
    """What the command shows in a terminal of its own, to which its three streams are connected; and its status.

    What is typed is followed by an end of file.
    """
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    modes = termios.tcgetattr(theirs)
    modes[3] &= ~termios.ECHO
    termios.tcsetattr(theirs, termios.TCSANOW, modes)
    env = {
        **{name: value for name, value in os.environ.items() if name not in UNCOLOURED},
        "TERM": "xterm",
    } | environment
    with subprocess.Popen(
        command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as process:
        os.close(theirs)
        os.write(ours, stdin + b"\x04")
        shown = b"".join(iter(lambda: _read_terminal(ours), b""))
        os.close(ours)
        return process.wait(), shown.replace(b"\r\n", b"\n")


def _read_terminal(fd):
    try:
        return os.read(fd, 1 << 16)
    except OSError:  # nobody has it open any more
        return b""


def shell(script, **options):
    """What a line of bash ends with, in which `fastmmap` is the command: status, output, errors."""
    if os.name != "posix":
        pytest.skip("this system has no shell of POSIX")
    name = shlex.join(command())
    script = f'fastmmap() {{ {name} "$@"; }}; {script}'
    done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=120, **options)
    return done.returncode, done.stdout, done.stderr
