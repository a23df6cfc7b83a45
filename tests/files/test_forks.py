"""What a fork leaves to its child, whatever other threads were doing: no half-imported module, no callback twice."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.stacks import SMALLEST

import fastmmap
from fastmmap import _imports

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")


def fresh(code, *arguments):
    """Runs code in a new interpreter, which has imported nothing."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout, done.stderr


# The import of `slow` goes on only when the process is about to be forked, or is. What the main thread does meanwhile
# follows.
SLOW = """
import fastmmap, os, signal, sys, threading, time
from importlib.machinery import PathFinder
slow, path = sys.argv[1:]
importing, forking = threading.Event(), threading.Event()
def wait():
    importing.set()
    assert forking.wait(60)
    time.sleep(0.05)
class Finder:
    @staticmethod
    def find_spec(name, where=None, target=None):
        if name != slow:
            return None
        spec = PathFinder.find_spec(name, where)
        execute = spec.loader.exec_module
        spec.loader.exec_module = lambda module: (wait(), execute(module))
        return spec
assert slow not in sys.modules
sys.meta_path.insert(0, Finder)
def find_all(): assert fastmmap.find_all(b"cat", b"a").tolist() == [1]
def line_starts(): assert fastmmap.line_starts(b"cat").tolist() == [0]
def gather(): assert fastmmap.gather(b"cat", [1], 2).tobytes() == b"at"
def number():
    with fastmmap.open(path) as m: assert m.lines.number(0) == 0
def grow():
    with fastmmap.open(path + str(os.getpid()), "w+", size=5000) as m: assert len(m) == 5000
def replace_file():
    mine = path + str(os.getpid())
    open(mine, "wb").write(b"cat")
    assert fastmmap.replace_file(mine, b"cat", b"horse").count == 1
"""

FORK = """
thread = threading.Thread(target=call)
thread.start()
assert importing.wait(60)
forking.set()
child = os.fork()
if child == 0:
    signal.alarm(60)
    call()
    os._exit(0)
thread.join()
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("numpy", "find_all"),
        ("numpy", "line_starts"),
        ("numpy", "gather"),
        ("numpy", "number"),
        ("ctypes", "grow"),
        ("ctypes", "replace_file"),
    ],
)
def test_a_child_forked_during_another_threads_first_call(make, module, call):
    path = make(b"cat\ndog\n")
    assert fresh(f"{SLOW}\ncall = {call}\n{FORK}", module, path) == (0, "0\n", "")


def test_a_signal_handler_that_forks_in_the_middle_of_an_import(make):
    """It is the importing thread itself, which waits for nobody: parent and child both go on with it."""
    code = """
def handler(number, frame):
    global child
    child = os.fork()
    if child == 0: signal.alarm(60)
signal.signal(signal.SIGUSR1, handler)
def wait(): os.kill(os.getpid(), signal.SIGUSR1)
find_all()
find_all()
if child == 0: os._exit(0)
print(os.waitpid(child, 0)[1])
"""
    assert fresh(SLOW + code, "numpy", make()) == (0, "0\n", "")


def test_a_signal_handler_that_searches_in_the_middle_of_an_import(make):
    """It finds all of the module, and what it raises leaves all of it."""
    code = """
class Timeout(Exception): pass
def handler(number, frame):
    forking.set()
    find_all()
    raise Timeout
def wait():
    os.kill(os.getpid(), signal.SIGUSR1)
    assert forking.wait(60)
signal.signal(signal.SIGUSR1, handler)
try:
    find_all()
except Timeout:
    print("timeout")
find_all()
"""
    assert fresh(SLOW + code, "numpy", make()) == (0, "timeout\n", "")


def test_an_import_that_fails_in_another_thread_says_so():
    code = """
import sys, fastmmap
sys.modules["numpy"] = None
try:
    fastmmap.find_all(b"cat", b"a")
except ImportError as error:
    print(error.name)
del sys.modules["numpy"]
sys.meta_path.clear()
try:
    fastmmap.find_all(b"cat", b"a")
except ImportError as error:
    print(error.name)
"""
    assert fresh(code) == (0, "numpy\nnumpy\n", "")


def test_small_stacks_are_not_imported_on():
    code = f"""
import threading, fastmmap
threading.stack_size({SMALLEST})
def work(): print(fastmmap.find_all(b"cat", b"a").tolist(), threading.stack_size())
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    assert fresh(code) == (0, f"[1] {SMALLEST}\n", "")


def test_an_import_by_another_thread_may_need_what_is_being_imported(make, tmp_path):
    """A module calls us while it is imported, and numpy's import needs that module: an error, and nobody hangs.

    From 3.14 on that import runs the module again, when it has failed elsewhere.
    """
    (tmp_path / "caller.py").write_text(
        "import fastmmap\nif not hasattr(fastmmap, 'called'):\n"
        "    fastmmap.called = True\n    fastmmap.find_all(b'cat', b'a')\n"
    )
    code = """
from fastmmap import _imports
_imports.PATIENCE = 0.2
sys.path.insert(0, os.path.dirname(path))
def wait(): import caller
def work():
    try: import caller
    except (RuntimeError, AttributeError): print("deadlock, says Python")
    find_all()
if WHERE: work()
else:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
    for where in ("True", "False"):
        assert fresh(SLOW + code.replace("WHERE", where), "numpy", make()) == (0, "deadlock, says Python\n", "")


def test_half_of_a_module_is_not_kept(make):
    """numpy's import calls us, who need it, and fails for that. The next one may go well."""
    code = """
tries = []
def wait():
    tries.append(1)
    if len(tries) == 1: find_all()
try: find_all()
except AttributeError: print("half")
find_all()
"""
    assert fresh(SLOW + code, "numpy", make()) == (0, "half\n", "")


def test_an_import_that_needs_another_of_ours(make):
    """It is in a thread that others wait for, and waits for nobody itself."""
    code = """
def wait(): grow()
thread = threading.Thread(target=find_all)
thread.start()
thread.join()
find_all()
print("ctypes" in sys.modules)
"""
    assert fresh(SLOW + code, "numpy", make()) == (0, "True\n", "")


def test_where_no_thread_can_be_started_the_import_is_made_here(make):
    code = """
from fastmmap import _imports
exec("def refuse(*_): raise RuntimeError", world := {"__name__": "fastmmap.system"})
def wait(): print(threading.current_thread() is threading.main_thread())
_imports.start_new_thread = world["refuse"]
find_all()
threading.stack_size(SMALLEST)
print(_imports.load("tempfile").__name__, threading.stack_size())
"""
    code = code.replace("SMALLEST", str(SMALLEST))
    assert fresh(SLOW + code, "numpy", make()) == (0, f"True\ntempfile {SMALLEST}\n", "")


def test_a_fork_goes_on_where_an_import_waits_for_it(make):
    """Its thread may need a lock that somebody else takes for forks. The child can use what it has."""
    code = """
from fastmmap import _imports
_imports.PATIENCE = 0.05
thread = threading.Thread(target=find_all)
thread.start()
assert importing.wait(60)
child = os.fork()
if child == 0:
    signal.alarm(60)
    if grandchild := os.fork():
        os._exit(os.waitpid(grandchild, 0)[1] != 0)
    replace_file()
    os._exit(0)
forking.set()
thread.join()
find_all()
_imports.PATIENCE = 60
if os.fork() == 0:
    os._exit(0)
print(os.wait()[1], os.wait()[1])
"""
    assert fresh(SLOW + code, "numpy", make()) == (0, "0 0\n", "")


def test_what_is_called_at_forks_does_not_multiply(make):
    """Twelve generations deep, with calls that have threads in each, nothing more is called than in the first."""
    code = """
import os, sys
register, calls = os.register_at_fork, []
def counting(**functions):
    def counted(when, function):
        return lambda: (calls.append(when), function())
    register(**{when: counted(when, function) for when, function in functions.items()})
os.register_at_fork = counting
import fastmmap
data, numbers = bytes(1 << 24), []
for generation in range(12):
    assert fastmmap.count(data, b"x", threads=2) == 0
    assert fastmmap.find_all(data, b"x", threads=2).size == 0
    fastmmap.replace_file(sys.argv[1], b"a", b"b")
    calls.clear()
    child = os.fork()
    numbers.append(len(calls))
    if child:
        os._exit(os.waitpid(child, 0)[1] != 0)
assert len(set(numbers)) == 1 and numbers[0] > 0, numbers
os._exit(0)
"""
    assert fresh(code, make(b"cat")) == (0, "", "")


def test_a_module_is_loaded_once():
    import tempfile

    assert _imports.load("tempfile") is _imports.load("tempfile") is tempfile
    with pytest.raises(ModuleNotFoundError):
        _imports.load("no_such_module")
    assert fastmmap.find_all(b"cat", b"a").tolist() == [1]
