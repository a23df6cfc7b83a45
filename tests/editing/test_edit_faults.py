"""replace_file when something goes wrong: each system call fails or is the last; disks and rights come to an end."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.fail import MODES
from support.faulty_edits import VARIANTS
from support.lacks import without
from support.users import as_somebody, as_user

import fastmmap
from fastmmap import progress, system

linux = pytest.mark.skipif(sys.platform != "linux", reason="what is preloaded is for Linux")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", MODES)
def test_each_call_fails_or_is_the_last(faulty, variant, mode):
    assert faulty("faulty_edits.py", variant, mode) > 15


@linux
def test_killed_at_any_time(tool):
    assert "old or new" in tool("edit_kills.py")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace shows the order")
@pytest.mark.parametrize("backup", [None, ".orig"])
def test_the_order_of_the_system_calls(make, tmp_path, backup):
    path, log = make(b"the cat"), tmp_path / "log"
    code = "import sys, fastmmap; fastmmap.replace_file(sys.argv[1], 'cat', 'dog', backup=sys.argv[2] or None)"
    watched = "trace=fdatasync,fsync,rename,renameat,renameat2,link,linkat,pwrite64,pwritev2"
    command = ["strace", "-f", "-y", "-o", log, "-e", watched, sys.executable, "-c", code, path, backup or ""]
    if subprocess.run(command, capture_output=True, timeout=60).returncode != 0:
        pytest.skip("strace may not trace here")
    # What fails is the question whether a file without a name can be given one.
    lines = [line for line in log.read_text().splitlines() if str(tmp_path) in line and " = -1 " not in line]
    calls = [re.search(r"(\w+)\(", line)[1].removesuffix("at2").removesuffix("at") for line in lines]
    # What stands before the match, and from it on. musl's pwrite is a pwritev2 with a flag.
    assert calls[:2] in (["pwrite64"] * 2, ["pwritev2"] * 2)
    keep = ["link", "rename", "rename"] if backup else ["link", "rename"]
    assert calls[2:] == ["fdatasync", *keep, "fsync"]
    assert f"<{tmp_path}>" in lines[-1], "the directory"


# Has a process get no more than 40 MiB beside what it has already.
LITTLE = """import re, resource
used = int(re.search(r"VmData:\\s+(\\d+) kB", pathlib.Path("/proc/self/status").read_text())[1]) << 10
resource.setrlimit(resource.RLIMIT_DATA, (used + (40 << 20),) * 2)"""


@linux
@pytest.mark.skipif(fastmmap.kernel == "python", reason="256 MiB take the reference minutes")
@pytest.mark.parametrize("verb", ["count", "replace_file", "replace", "in place, longer"])
def test_little_memory(tmp_path, verb):
    """256 MiB, every page changed, by a process that gets little anonymous memory."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        for _ in range(256):
            file.write(b"the cat\n" * (1 << 17))
    code = {
        "count": "assert fastmmap.count(path, 'cat') == 1 << 25",
        "replace_file": "assert fastmmap.replace_file(path, 'cat', 'leopard', durable=False).count == 1 << 25",
        "in place, longer": "assert fastmmap.replace_file(path, 'cat', 'cats', in_place=True).count == 1 << 25",
        "replace": "assert fastmmap.open(path, 'r+').replace('cat', 'dog') == 1 << 25",
    }[verb]
    code = f"import sys, pathlib, fastmmap; {LITTLE}; path = pathlib.Path(sys.argv[1]); {code}"
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    path.unlink()


@linux
@pytest.mark.skipif(fastmmap.kernel == "python", reason="256 MiB take the reference minutes")
@pytest.mark.parametrize("old", [b"cat", b"a"])
def test_little_memory_for_positions(tmp_path, old):
    """numpy, which has them, maps more than it uses: so what is used is looked at."""
    path = tmp_path / "file"
    with path.open("wb") as file:
        for _ in range(64):
            file.write((b"the cat\n" if old == b"cat" else b"aaaaaaaa") * (1 << 17))
    used = []

    def look(done, total):
        status = Path("/proc/self/status").read_text()
        used.append(int(re.search(r"RssAnon:\s+(\d+)", status)[1]) << 10)

    look(0, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(progress, "PAUSE", 0)
        fastmmap.replace_file(path, old, old.upper(), in_place=True, progress=look)
    assert max(used) - used[0] < 64 << 20
    assert fastmmap.count(path, old.upper()) == (1 << 23 if old == b"cat" else 1 << 26)
    path.unlink()


@without("resource.setrlimit")
def test_a_file_may_not_grow_so_large(make, tmp_path):
    """RLIMIT_FSIZE, as on a full disk: found out before the work."""
    path = make(b"the cat\n" * 1000)
    code = (
        "import resource, sys, fastmmap\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))\n"
        "try: fastmmap.replace_file(sys.argv[1], 'cat', 'leopard')\n"
        "except OSError as error: print(error.errno, error.filename, error.strerror)"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith(f"{errno.EFBIG} {path} "), done
    assert "needs 12000 bytes beside the old one" in done.stdout
    assert "in place" in done.stdout
    assert path.read_bytes() == b"the cat\n" * 1000
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("allocates", [True, False])
def test_a_full_disk(small_disk, monkeypatch, allocates):
    if not allocates:
        monkeypatch.setattr(system.native, "fallocate", lambda *arguments: False)
    path = small_disk / "file"
    path.write_bytes(b"the cat\n" * 70_000)
    written = []
    monkeypatch.setattr(system, "write_at", lambda *arguments: written.append(arguments))
    with pytest.raises(OSError, match="needs 840000 bytes beside the old one.*in place.*file") as caught:
        fastmmap.replace_file(path, b"cat", b"leopard")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert written == []
    assert path.read_bytes() == b"the cat\n" * 70_000
    assert os.listdir(small_disk) == ["file"]
    with fastmmap.open(path, "r+") as m:
        assert m.replace(b"cat", b"dog") == 70_000


@as_somebody
def test_a_folder_that_can_not_be_written_to(reachable):
    path = reachable / "file"
    path.write_bytes(b"the cat")
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o755)
    said = as_user(path, lambda path: fastmmap.replace_file(path, "cat", "dog"))
    assert said.startswith("PermissionError"), said
    assert str(path) in said
    assert repr(str(reachable)) in said
    assert "in place" in said
    assert path.read_bytes() == b"the cat"


@as_somebody
def test_an_owner_that_can_not_be_kept(reachable):
    path = reachable / "file"
    path.write_bytes(b"the cat")
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o777)
    said = as_user(path, lambda path: fastmmap.replace_file(path, "cat", "dog"))
    assert said.startswith("PermissionError"), said
    assert "can't belong to user 0, group 0" in said
    assert "in place" in said
    assert path.read_bytes() == b"the cat"
    assert os.listdir(reachable) == ["file"]
    assert as_user(path, lambda path: fastmmap.replace_file(path, "absent", "dog")) == "done"


@as_somebody
def test_a_read_only_file_is_edited_by_force_alone(reachable):
    """Though the folder would be enough, as for sed and others."""
    path = reachable / "file"
    path.write_bytes(b"the cat")
    os.chown(path, 4321, 4321)
    os.chown(reachable, 4321, 4321)
    os.chmod(path, 0o444)
    for call in (fastmmap.replace_file, lambda *arguments: fastmmap.plan_replace(*arguments).apply()):
        said = as_user(path, lambda path, call=call: call(path, "cat", "dog"))
        assert said.startswith("PermissionError"), said
        assert "chmod" in said
        assert "force=True" in said
        assert str(path) in said
    assert as_user(path, lambda path: fastmmap.replace_file(path, "absent", "dog")) == "done"
    assert as_user(path, lambda path: fastmmap.plan_replace(path, "cat", "dog").preview()) == "done"
    assert path.read_bytes() == b"the cat"
    assert os.listdir(reachable) == ["file"]
    assert as_user(path, lambda path: fastmmap.replace_file(path, "cat", "dog", force=True)) == "done"
    assert path.read_bytes() == b"the dog"
    assert path.stat().st_mode & 0o7777 == 0o444
