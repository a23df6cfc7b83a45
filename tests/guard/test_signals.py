"""The guard beside other handlers of the signal, in child processes: ours is recovered from, theirs reaches them.

Each child runs the same few lines with fastmmap's guard in use, and without. What the process ends with, and what a
handler prints, must be the same in both.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from fastmmap import _backend

pytestmark = pytest.mark.skipif(
    not _backend.NATIVE or sys.platform == "win32",
    reason="there is no guard without extensions, nor signals on Windows",
)

CHILD = """
import ctypes, faulthandler, mmap, os, signal, sys, threading
foreign = ctypes.PyDLL(sys.argv[1])
foreign.touch.argtypes = [ctypes.c_void_p]
path = sys.argv[2]

def fill():
    "Closed here: in a thread with little stack, Python 3.14 drops what nobody holds later on."
    with open(path, "wb") as file:
        file.write(b"x" * 65536)

def address(m):
    return ctypes.addressof(ctypes.c_char.from_buffer(m))

def lost_mapping():
    "A mapping that fastmmap knows nothing of, and whose last page is gone."
    global kept
    fill()
    kept = mmap.mmap(os.open(path, os.O_RDWR), 0)
    os.truncate(path, 4096)
    return kept

def use(recovers=True):
    "A guarded call, and one that faults, if there is a guard in this run."
    if fastmmap is None:
        return
    fill()
    m = fastmmap.open(path)
    assert m.count(b"x") == 65536
    if recovers:
        fault(m)

def fault(m):
    os.truncate(path, 4096)
    for call in (lambda: m.count(b"x"), lambda: m[5000], lambda: m[:]):
        try:
            call()
        except fastmmap.MappedFileError as error:
            assert error.reason == "truncated", error
        else:
            raise AssertionError("no error")
    os.write(1, b"recovered\\n")

fastmmap = None
if sys.argv[3] == "guarded":
    import fastmmap
fill()
"""

# How somebody else comes to have the signal.
OTHERS = {
    "nobody": "",
    "faulthandler": "faulthandler.enable()",
    "ignored": "signal.signal(signal.SIGBUS, signal.SIG_IGN)",
    "a Python handler": "signal.signal(signal.SIGBUS, lambda *a: print('python handler'))",
    "a C handler that exits": "foreign.install(ord('e'))",
    "a C handler that passes on": "foreign.install(ord('c'))",
    "a plain C handler": "foreign.install(ord('p'))",
    "a C handler for one signal": "foreign.install(ord('o'))",
    "two": "foreign.install(ord('c')); faulthandler.enable()",
    "two the other way": "faulthandler.enable(); foreign.install(ord('c'))",
}
# Faults that are none of ours. A Python handler returns to the access for ever, so with it nothing is tried.
GENUINE = {
    "a lost mapping": "foreign.touch(address(lost_mapping()) + 4096 + 123)",
    "a wild pointer": "foreign.touch(77)",
    "a signal that is sent": "os.kill(os.getpid(), signal.SIGBUS)",
    "a signal that is raised": "signal.raise_signal(signal.SIGBUS)",
    "abort": "os.abort()",
}


@pytest.fixture
def foreign(compiled):
    return compiled("foreign.c")


@pytest.fixture
def child(foreign, tmp_path):
    def run(lines, guarded=True):
        command = [sys.executable, "-c", CHILD + lines, foreign, tmp_path / "file", "guarded" if guarded else "alone"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("when", ["before", "after", "between"])
def test_a_fault_of_ours_is_recovered_from(child, other, when):
    install = OTHERS[other]
    lines = {
        "before": f"{install}\nuse()",
        "after": f"use(recovers=False)\n{install}\nuse()",
        # No guarded call after it, until the one that faults.
        "between": f"m = fastmmap.open(path)\nm.count(b'x')\n{install}\nfault(m)",
    }[when]
    done = child(lines)
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\n", "")


@pytest.mark.parametrize("other", [name for name in OTHERS if name != "a Python handler"])
@pytest.mark.parametrize("genuine", GENUINE)
def test_a_fault_of_others_reaches_them(child, other, genuine):
    """As if we weren't there: exit status, faulthandler's words, the address in the siginfo."""
    install, trigger = OTHERS[other] or "pass", GENUINE[genuine]
    fault = f"\ndef deeper():\n    {trigger}\ndeeper()\nprint('still here')"
    without = child(install + fault, guarded=False)
    for with_us in (child(f"{install}; use(){fault}"), child(f"use(); {install}; use(){fault}")):
        assert with_us.returncode == without.returncode
        assert with_us.stdout.removeprefix("recovered\n").removeprefix("recovered\n") == without.stdout
        assert words(with_us.stderr) == words(without.stderr)
        assert with_us.stdout.startswith("recovered\n")
        if genuine == "a wild pointer" and "C handler" not in other:
            assert with_us.returncode == -signal.SIGSEGV


def words(text):
    """What is printed, but for addresses, modules that are loaded, and the frames of C, where the guard is one."""
    left_out = ("Extension modules", "  Binary file", "  <truncated rest of calls>")
    lines = [line for line in text.splitlines() if not line.startswith(left_out)]
    return [line.split(" 0x")[0] for line in lines if line]


@pytest.mark.parametrize("genuine", ["a lost mapping", "a wild pointer"])
def test_a_fault_of_others_while_a_step_runs(child, genuine):
    """Another thread is in the guard at that moment, which is none of the fault's business."""
    lines = (
        "def search():\n"
        "    m = fastmmap.open(None, size=1 << 26)\n"
        "    while True: m.count(b'y', threads=1)\n"
        "if fastmmap is not None:\n"
        "    use()\n"
        "    threading.Thread(target=search, daemon=True).start()\n"
        f"    import time; time.sleep(0.2)\n{GENUINE[genuine]}"
    )
    with_us, without = child(lines), child(lines, guarded=False)
    assert with_us.returncode == without.returncode < 0
    assert with_us.stdout == "recovered\n"
    assert with_us.stderr == without.stderr == ""


def test_nothing_is_installed_at_import(child):
    done = child(
        "assert foreign.is_default()\n"
        "fastmmap.find(b'abc', b'c')\n"
        "fastmmap.count(bytearray(10), 0)\n"
        "m = fastmmap.open(path)\n"
        "assert foreign.is_default()\n"
        "assert not faulthandler.is_enabled() and threading.active_count() == 1\n"
        "m.find(b'y')\n"
        "assert not foreign.is_default()\n"
        "print('fine')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_a_thread_that_blocks_the_signal(child):
    done = child(
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGBUS})\n"
        "use()\n"
        "assert signal.SIGBUS in signal.pthread_sigmask(signal.SIG_BLOCK, set())\n"
        "threading.Thread(target=use).start()"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\nrecovered\n", "")


def test_a_thread_that_blocks_it_after_the_first_call(child):
    done = child(
        "m = fastmmap.open(path)\nm.count(b'x')\nsignal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGBUS})\nfault(m)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\n", "")


def test_a_forked_child_is_guarded(child):
    done = child("use()\npid = os.fork()\npath += str(pid)\nuse()\nif pid: assert os.waitpid(pid, 0)[1] == 0\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\n" * 3, "")


FIGHT = """
lib = ctypes.CDLL(sys.argv[1])
stop = threading.Event()
def fight():
    while not stop.is_set():
        lib.install_often(ord('e'))
fighter = threading.Thread(target=fight)
fighter.start()
open(path, "wb").write(b"the cat\\n" * 65536)
m = fastmmap.open(path)
sys.setswitchinterval(1e-4)
for _ in range(2000):
    m.count(b"x"), m[0]
"""


def test_a_handler_that_is_installed_again_and_again(child):
    """The signal can't be kept then: what is read is copied by a system call, which faults without a signal."""
    done = child(
        FIGHT + "n = len(m)\n"
        "text = b'the cat\\n' * 65536\n"
        "assert m.find(b'cat', 100) == text.find(b'cat', 100) and m.rfind(b'cat') == text.rfind(b'cat')\n"
        "assert m.count(b'the') == 65536 and m.count(b'the', 1) == 65535\n"
        "assert m.find_all(b'cat').tolist() == list(m.iter_find(b'cat')) == list(range(4, n, 8))\n"
        "assert m.find_all(b'cat', limit=3).tolist() == [4, 12, 20]\n"
        "assert m.line_starts().tolist() == list(range(0, n, 8))\n"
        "assert m.count(b'x', n + 5) == 0 and m.find(b'x', n + 5) == -1 and list(m.iter_find(b'x', n + 5)) == []\n"
        "assert m.find_all(b'x', n + 5).tolist() == [] and m.line_starts(n + 5).tolist() == []\n"
        "assert m.gather([0, 8], 3).tobytes() == b'thethe' and m.gather([0, 8], [3, 1])[0].tobytes() == b'thet'\n"
        "assert m[:] == text and m[::-3] == text[::-3] and m[5:2] == b'' and m[-1] == 10 and m.lines[2] == b'the cat'\n"
        "os.truncate(path, 4096)\n"
        "reads = [lambda: m.find(b'x'), lambda: m.rfind(b'x'), lambda: m.count(b'x'), lambda: m.find_all(b'x'),\n"
        "    lambda: list(m.iter_find(b'x')), lambda: m.line_starts(), lambda: m.gather([n - 9], 3), lambda: m[:],\n"
        "    lambda: m[::-3], lambda: m[n - 1], lambda: m.find_all(b'x', limit=1)]\n"
        "words = __import__('numpy').frombuffer(m, dtype='i8', count=n // 8)\n"
        "reads += [lambda: m.gather(words, 3), lambda: m.gather([0], words[::2]), lambda: m.lines[words[::-1]]]\n"
        "for read in reads * 20:\n"
        "    try: read(); raise AssertionError\n"
        "    except fastmmap.MappedFileError as error: assert error.reason == 'truncated' and error.offset >= 4096\n"
        "assert m[4095] == 10 and m.count(b'cat', 0, 4096) == 512\n"
        "stop.set(); fighter.join(); print('done')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_many_threads_fault_at_once(child):
    done = child(
        "def work(i):\n"
        "    global path\n"
        "    mine = f'{path}{i}'\n"
        "    for _ in range(200):\n"
        "        open(mine, 'wb').write(b'x' * 65536)\n"
        "        m = fastmmap.open(mine)\n"
        "        os.truncate(mine, 4096)\n"
        "        for call in (lambda: m.count(b'x'), lambda: m[5000], lambda: m[:]):\n"
        "            try: call(); raise AssertionError\n"
        "            except fastmmap.MappedFileError: pass\n"
        "threads = [threading.Thread(target=work, args=(i,)) for i in range(20)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print('done')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_small_stacks(child):
    done = child("threading.stack_size(65536)\nt = threading.Thread(target=use)\nt.start()\nt.join()")
    assert (done.returncode, done.stdout, done.stderr) == (0, "recovered\n", "")


@pytest.mark.parametrize("plugin", [[], ["-p", "no:faulthandler"]])
def test_under_pytest(tmp_path, plugin):
    (tmp_path / "test_it.py").write_text(
        "import os, fastmmap, pytest\n"
        "def test_it(tmp_path):\n"
        "    path = tmp_path / 'file'\n"
        "    path.write_bytes(b'x' * 65536)\n"
        "    m = fastmmap.open(path)\n"
        "    os.truncate(path, 0)\n"
        "    with pytest.raises(fastmmap.MappedFileError):\n"
        "        m.find(b'y')\n"
    )
    # With a folder of its own: at its end pytest removes what earlier runs have left in the shared one, all of it.
    of_its_own = ["-p", "no:cacheprovider", "--basetemp", tmp_path / "base"]
    command = [sys.executable, "-m", "pytest", "-q", *of_its_own, *plugin, "test_it.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "Fatal" not in done.stderr
