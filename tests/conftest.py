"""The fixtures that every implementation goes through."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import warnings
from pathlib import Path

import pytest
from support import lacks
from support.commands import preloading, with_folder
from support.fail import NUMBERS, ONCE, PASSED_ON, SHORT, STICKY
from support.fence import Fence

from fastmmap import _backend, system
from fastmmap.reference import drain

pytest.register_assert_rewrite("support.programs", "support.writers")

SUPPORT = Path(__file__).parent / "support"

# These run everywhere: a suite that left one of them out would have tested nothing.
ALWAYS = ("scalar", "python") if _backend.NATIVE else ("python",)

HERE = _backend.kernels()
assert set(ALWAYS) <= set(HERE), HERE


def load(name):
    """A kernel's functions; skips, with the reason, what this machine can't run."""
    if name in ALWAYS:
        return _backend.load(name)
    try:
        return _backend.load(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(str(error))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="more ways to fail; handlers at each place in each case")
    parser.addoption("--libraries", type=Path, help="where the C files of support/ are compiled already, as FILE.so")


def pytest_configure(config):
    """Where Python writes no bytecode, a test's children would each compile the package anew."""
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", None):
        folder = os.environ["PYTHONPYCACHEPREFIX"] = tempfile.mkdtemp(prefix="fastmmap-bytecode-")
        config.add_cleanup(functools.partial(shutil.rmtree, folder, ignore_errors=True))


def pytest_report_header():
    """Which kernels are tested: in all their functions, and which one below the file layer."""
    lines = [f"fastmmap: every kernel's functions: {', '.join(HERE)}; files: {_backend.chosen.name}"]
    for name in _backend.NAMES:
        try:
            _backend.load(name)
        except (ImportError, RuntimeError) as error:
            lines.append(f"fastmmap: not here: {error}")
    return lines


# Tests of code that is the same below each kernel: failing system calls, signals, errors, builds, and appenders, which
# stand upon one native drain and upon the reference's. By folder and name, or by how these begin.
ANY_KERNEL = (
    "command/options", "command/starting", "editing/edit_faults", "editing/refusals", "editing/whose_errors",
    "files/builds", "files/docstrings", "files/lacking", "files/paths", "guard/signals", "kernels/append",
    "kernels/drain", "logs/",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """`-m "not every_kernel and not any_kernel"` leaves what a demanded kernel changes: the tests of the file layer."""
    for item in items:
        if "kernel" in getattr(item, "fixturenames", ()):
            item.add_marker("every_kernel")
        if f"{item.path.parent.name}/{item.path.stem.removeprefix('test_')}".startswith(ANY_KERNEL):
            item.add_marker("any_kernel")


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup():
    """What a fixture comes to that this system lacks has its tests skipped."""
    return (yield from skipping_what_is_lacked())


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call():
    """The same of a test."""
    return (yield from skipping_what_is_lacked())


def skipping_what_is_lacked():
    try:
        return (yield)
    except (AttributeError, OSError, ValueError) as error:
        reason = lacks.lack(error)
        if reason is None:
            raise
        pytest.skip(reason)


@pytest.fixture(params=HERE)
def kernel(request):
    loaded = _backend.load(request.param)
    assert loaded.name == request.param
    return loaded


@pytest.fixture(scope="session")
def fence():
    memory = Fence()
    yield memory
    memory.close()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory, pytestconfig):
    """Compiles a C file of support/ into a shared library, once, and returns its path."""
    already = pytestconfig.getoption("libraries")
    compiler = shutil.which((sysconfig.get_config_var("CC") or "cc").split()[0]) or shutil.which("cc")

    @functools.cache
    def compile_file(name):
        if already is not None:
            return already / f"{name}.so"
        if compiler is None:
            pytest.skip(f"no C compiler for {name}")
        library = tmp_path_factory.mktemp("compiled") / f"{name}.so"
        source = SUPPORT / name
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
        return library

    return compile_file


@pytest.fixture
def change(tmp_path):
    """chattr(1), undone at the end, or earlier by calling what it returns."""
    undone = []

    def run(flag, path):
        command = shutil.which("chattr")
        if command is None or subprocess.run([command, f"+{flag}", path], capture_output=True).returncode != 0:
            pytest.skip("no chattr, or not on this filesystem")
        undone.append(functools.partial(subprocess.run, [command, f"-{flag}", path], check=True))
        return undone[-1]

    yield run
    for undo in undone:
        undo()


@pytest.fixture
def make(tmp_path):
    """Writes a file and returns its path."""

    def write(data=b"", name="file"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def text(make):
    """A file of a few words."""
    return make(b"hello mapped world")


@pytest.fixture
def small_disk(tmp_path):
    """A filesystem of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "tmpfs", folder]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("only root may mount, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # an error that a test holds may keep a mapping alive


@pytest.fixture
def block_device(make):
    path = make(bytes(1 << 20))
    try:
        done = subprocess.run(["losetup", "--show", "-f", path], capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("losetup isn't here")
    if done.returncode != 0:
        pytest.skip(f"no loop device can be had: {done.stderr.strip()}")
    yield done.stdout.strip()
    subprocess.run(["losetup", "-d", done.stdout.strip()], check=True)


@pytest.fixture
def reachable(tmp_path):
    """A folder that an ordinary user can come to."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder == Path("/tmp") or folder == folder.parent:
            break
        os.chmod(folder, folder.stat().st_mode | 0o011)
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def names_go(tmp_path):
    """For what becomes of files that are removed while they are open."""
    path = tmp_path / "a file that is removed"
    fd = system.calls.open(str(path), os.O_RDWR | os.O_CREAT)
    path.unlink()
    goes = not path.exists()
    os.close(fd)
    if not goes:
        pytest.skip("a file that is open keeps its name here until all have closed it")


@pytest.fixture
def memory_path(tmp_path):
    """A folder on a filesystem in memory, where nothing waits for a disk; an ordinary one where there is none."""
    shared = Path("/dev/shm")
    if os.name != "posix" or not os.access(shared, os.W_OK) or shared.stat().st_dev == tmp_path.stat().st_dev:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="fastmmap-", dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def faulty(compiled, memory_path, request):
    """Runs a script of support/ with fail.c preloaded, in a mode, with each number that this has.

    Returns how many system calls the script's work makes at least.
    """

    def run(script, variant, mode):
        if sys.platform != "linux":
            pytest.skip("what is preloaded is for Linux")
        library, path = compiled("fail.c"), SUPPORT / script
        environment = preloading(library, **with_folder(SUPPORT.parent))
        numbers = (
            (*NUMBERS, *(PASSED_ON if request.config.getoption("long") else ())) if mode in (ONCE, STICKY) else (0,)
        )
        command = [sys.executable, path, library, memory_path, variant, ",".join(map(str, numbers)), str(mode)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300)
        assert done.returncode == 0, done.stderr
        calls = dict(zip(numbers, map(int, done.stdout.split()), strict=True))
        assert calls.pop(SHORT, 1) > 0
        return min(calls.values())

    return run


@pytest.fixture(params=["file", "memory"])
def stage(request, monkeypatch):
    """Where the stages of appenders are."""
    if request.param == "memory":
        monkeypatch.setattr(system, "is_local", lambda fd: False)
        warnings.filterwarnings("ignore", ".*are staged in memory", RuntimeWarning)  # until the test ends
    return request.param


@pytest.fixture
def steps(monkeypatch):
    """The reference's drains, each step of which is a call in system that a test can have fail."""
    for name in _backend.FUNCTIONS["drain"]:
        monkeypatch.setattr(_backend.chosen, name, getattr(drain, name))


@pytest.fixture
def in_file(stage):
    """For what is about the files of stages."""
    if stage == "memory":
        pytest.skip("memory has no files")


@pytest.fixture
def tool():
    """Runs a script of tools/ and returns what it says."""

    def run(name, *arguments):
        script = Path(__file__).parent.parent / "tools" / name
        if not script.exists():
            pytest.skip("the tools aren't here")
        done = subprocess.run([sys.executable, script, *arguments], capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
