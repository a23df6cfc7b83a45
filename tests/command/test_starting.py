"""The command while it is imported: an interrupt and an error are its answers then as later, however it is started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from support.commands import HEEDING, WAYS, YES, with_folder

import fastmmap

INTERRUPTED_AT = """
import os, signal, sys, _fastmmap_command
number = 0
def trace(frame, event, argument):
    global number
    name = frame.f_code.co_filename
    if event == "line" and ("<frozen" in name or "fastmmap" in name):
        number += 1
        if number == NUMBER:
            signal.raise_signal(signal.SIGINT)
    return trace
sys.settrace(trace)
status = _fastmmap_command.main()
sys.settrace(None)
sys.exit(status)
"""


def test_an_interrupt_while_it_starts_and_when_it_ends(make):
    """130 without a traceback, however far it has come behind the first line of main, before which Python is alone."""
    path = make(b"xx")
    for number in (2, 3, 4, 5, 10, 100, 1000, 10_000, 30_000):
        script = INTERRUPTED_AT.replace("NUMBER", str(number))
        done = subprocess.run(
            [sys.executable, "-c", script, "grep", "x", path],
            capture_output=True,
            timeout=120,
            **HEEDING,
        )
        assert done.stderr == b""
        assert done.returncode in (130, 0), number


# As sitecustomize, for a command that Python itself starts: what is counted begins where interrupts are heeded.
INTERRUPTED_MODULE = """
import os, signal, sys
number = -1
def trace(frame, event, argument):
    global number
    name = frame.f_code.co_filename
    if frame.f_code.co_name == "heed_interrupts" and event == "return" and number < 0:
        number = 0
    if event == "line" and number >= 0 and ("<frozen" in name or "fastmmap" in name):
        number += 1
        if number == int(os.environ["NUMBER"]):
            signal.raise_signal(signal.SIGINT)
        if "COUNTED" in os.environ and number % 10 == 0:
            with open(os.environ["COUNTED"], "w") as file:
                file.write(str(number))
    return trace
sys.settrace(trace)
"""


def test_an_interrupt_while_the_module_is_imported(make):
    path, site = make(b"xx"), make(INTERRUPTED_MODULE.encode(), "sitecustomize.py")
    command = [sys.executable, *WAYS["module"], "grep", "x", path]
    counted = site.parent / "apart" / "counted"  # in a folder that nothing is imported from: a change has it read anew
    counted.parent.mkdir()
    environment = {**with_folder(site.parent), "NUMBER": "0", "COUNTED": str(counted)}
    for _ in range(2):  # the first may have to compile what it imports
        subprocess.run(command, check=True, capture_output=True, env=environment)
    # What is left when three quarters are done is the import of what the verb needs, and its work.
    lines = int(counted.read_text()) * 3 // 4
    assert lines > 4000
    for number in (1, 2, 5, 10, 1000, *range(lines // 16, lines, lines // 16)):
        environment = {**with_folder(site.parent), "NUMBER": str(number)}
        done = subprocess.run(command, capture_output=True, env=environment, **HEEDING)
        assert (done.returncode, done.stdout, done.stderr) == (130, b"", b""), number


@pytest.mark.parametrize("demand", ["foo", "neon"])
def test_a_kernel_that_can_not_be_had(make, demand):
    if demand in fastmmap.kernels():
        pytest.skip(f"{demand} is here")
    for way in (*WAYS.values(), ["-Bmfastmmap"], ["-Xutf8", "-m", "fastmmap.__main__"]):
        command = [sys.executable, *way, "count", "a", make(b"a")]
        done = subprocess.run(command, capture_output=True, env={**os.environ, "FASTMMAP_KERNEL": demand})
        assert (done.returncode, done.stdout, done.stderr.count(b"\n")) == (2, b"", 1)
        assert done.stderr.startswith(b"fastmmap: FASTMMAP_KERNEL: ")


def test_modules_of_others_are_not_answered_for(tmp_path):
    """Python imports their package too before it runs them, and fastmmap with it: errors are theirs, and interrupts."""
    (tmp_path / "other").mkdir()
    code = "import signal\ntry: import fastmmap\nexcept ValueError as error: print('caught')\n"
    (tmp_path / "other" / "__init__.py").write_text(code + "print(signal.getsignal(signal.SIGINT))\n")
    (tmp_path / "other" / "__main__.py").write_text("")
    for demand, said in (("foo", ["caught"]), (fastmmap.kernel, [])):
        environment = {**with_folder(tmp_path), "FASTMMAP_KERNEL": demand}
        command = [sys.executable, "-m", "other", "fastmmap"]
        done = subprocess.run(command, capture_output=True, text=True, **HEEDING, env=environment)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines() == [*said, str(signal.default_int_handler)]


def test_an_interrupt_in_an_import_comes_once_more(make):
    """What Python drops there isn't lost: a search without an end ends, however far its imports are."""
    for number in (1, 20, 200, 1000, 3000, 6000, 10_000, 15_000):
        script = INTERRUPTED_AT.replace("NUMBER", str(number)).replace("number = 0", "number = -2", 1)
        with subprocess.Popen(YES, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as endless:
            done = subprocess.run(
                [sys.executable, "-c", script, "grep", "-c", "n"],
                stdin=endless.stdout,
                capture_output=True,
                timeout=120,
                **HEEDING,
            )
            endless.terminate()
        assert (done.returncode, done.stdout, done.stderr) == (130, b"", b""), number


def test_an_interrupt_where_python_drops_exceptions():
    """As in an import's callbacks, and in finalizers."""
    script = """
import os, signal, sys, time, _fastmmap_command as command
signal.signal(signal.SIGINT, command.interrupt)
class Forgotten:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        time.sleep(0)
try:
    Forgotten()
    time.sleep(30)
except KeyboardInterrupt:
    print("seen")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, **HEEDING)
    assert (done.stdout.split(), done.stderr) == ([b"seen"], b"")
