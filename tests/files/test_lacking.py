"""Machines that lack something: system calls that a sandbox refuses, /proc, ctypes, functions of the os module."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from support.lacks import without
from support.sandbox import CALLS, MACHINES

import fastmmap
from fastmmap import system
from fastmmap.system import libc

TESTS = Path(__file__).parents[1]

linux = pytest.mark.skipif(sys.platform != "linux", reason="a lack of Linux's")


def run(*command, **options):
    package = Path(fastmmap.__file__).parents[1]  # of an installed one, not the sources beside the tests
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(package)])}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=120, env=environment, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@linux
@pytest.mark.skipif(platform.machine() not in MACHINES, reason="the numbers of this machine's calls aren't known")
@pytest.mark.parametrize("refused", [*CALLS, ",".join(CALLS)])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_a_sandbox(tmp_path, refused, number):
    if "pwritev2" in refused and number == errno.EPERM and platform.libc_ver()[0] != "glibc":
        pytest.skip("a C library whose pwrite may be a pwritev2")
    said = run(sys.executable, TESTS / "support" / "sandbox.py", tmp_path, refused, number)
    if said == "no filter":
        pytest.skip("no filters here")
    assert said == "done"


@linux
@without("os.RWF_APPEND")
def test_no_proc(tmp_path):
    """And a dead writer's stage is left alone there, for nobody knows of which boot it is."""
    folder = tmp_path / "folder"
    folder.mkdir()
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-m", "true"], capture_output=True).returncode != 0:
        pytest.skip("only root may do without /proc, and not everywhere")
    code = (
        "import os, sys, warnings, pathlib, fastmmap\n"
        "from support import sandbox\n"
        "assert not os.path.exists('/proc/self')\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "warnings.simplefilter('ignore')\n"
        "try: fastmmap.recover(folder)\n"
        "except OSError as error: print(error.strerror)\n"
        "for name in os.listdir(folder): os.unlink(folder / name)\n"
        "sandbox.use(folder)\n"
        "sandbox.use_shared('fastmmap-test-no-proc')\n"
        "print('done')\n"
    )
    left = (
        "import os, signal, sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "log.append('left')\n"
        "print(log.survives_kill, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    dead = subprocess.run([sys.executable, "-c", left, folder / "log"], capture_output=True, timeout=60)
    said = run(
        unshare, "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh", sys.executable, "-c", code, folder
    ).splitlines()
    assert said[-1] == "done"
    if dead.stdout == b"True\n":
        assert said[0].startswith("Without /proc")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows is called by ctypes")
def test_no_ctypes(tmp_path):
    code = (
        "import sys\n"
        "sys.modules['_ctypes'] = None\n"
        "import os, pathlib, warnings, fastmmap\n"
        "warnings.simplefilter('ignore')\n"
        "import types; sys.modules['ctypes'] = None\n"
        "import importlib.util\n"
        "spec = importlib.util.find_spec('support.sandbox')\n"
        "source = pathlib.Path(spec.origin).read_text().replace('import ctypes\\n', '')\n"
        "sandbox = types.ModuleType('sandbox')\n"
        "exec(source, vars(sandbox))\n"
        "sandbox.use(pathlib.Path(sys.argv[1]))\n"
        "sandbox.use_shared('fastmmap-test-no-ctypes')\n"
        "print('done')\n"
    )
    assert run(sys.executable, "-c", code, tmp_path) == "done"


@pytest.mark.parametrize(
    "names",
    [
        ["register_at_fork"], ["sched_getaffinity"], ["memfd_create", "MFD_CLOEXEC"], ["O_CLOEXEC", "O_NONBLOCK"],
        ["O_TMPFILE", "O_NOFOLLOW", "O_DIRECTORY"], ["fork", "pread", "pwrite", "writev"],
        ["listxattr", "getxattr", "setxattr", "removexattr"], ["fdatasync", "statvfs", "geteuid", "fchown"],
    ],
    ids=lambda names: names[0],
)  # fmt: skip
def test_import_needs_no_more_than_it_calls(names):
    code = (
        "import os, random, tempfile, threading\n"
        f"for name in {names!r}: vars(os).pop(name, None)\n"
        "import fastmmap\n"
        "print(fastmmap.find(b'the cat', b'cat'))\n"
    )
    assert run(sys.executable, "-W", "error", "-c", code) == "4"


@pytest.mark.parametrize("names", [["fcntl"], ["resource"], ["fcntl", "resource"]])
def test_import_without_modules(names, tmp_path):
    code = (
        "import sys\n"
        f"for name in {names!r}: sys.modules[name] = None\n"
        "import fastmmap\n"
        "with fastmmap.open(sys.argv[1], 'w+', size=4) as m: m.resize(7); m[:] = b'the cat'\n"
        "m = fastmmap.open(sys.argv[1], 'r+')\n"
        "m.append(b's'), m.replace(b'cat', b'dog')\n"
        "assert sys.modules.get('resource') or not fastmmap.system.is_scarce(10**9)\n"
        "print(m[:].decode())\n"
    )
    assert run(sys.executable, "-W", "error", "-c", code, tmp_path / "file") == "the dogs"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere filesystems have names")
@pytest.mark.parametrize(("machine", "layout"), [("s390x", "@II"), ("x86_64", "@ll"), ("aarch64", "@ll")])
def test_the_number_of_a_filesystem(machine, layout):
    status = struct.pack(layout, 0x9123683E, 4096) + bytes(100)
    assert system.native.filesystem(status, machine) == 0x9123683E


@linux
def test_a_function_of_the_c_library_has_its_types_before_anybody_has_it():
    """Types that are set while another thread calls it are freed under that call."""
    call = libc.function("fallocate", "iiqq")
    assert call.argtypes == [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    assert libc.function("fallocate", "iiqq") is call
    assert libc.function("fallocate") is not call
    assert libc.function("no_such_function", "i") is None
