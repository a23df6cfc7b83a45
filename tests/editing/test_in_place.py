"""replace_file(in_place=True): what it makes of a file, what it refuses, and the command."""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
import stat
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.commands import DIE, KILLED
from support.in_place import TEXT, edit, is_done, journals
from support.killed_edits import replaced
from support.marks import staged
from support.users import as_somebody, as_user

import fastmmap
from fastmmap import progress, system
from fastmmap.editing import moving

pytestmark = pytest.mark.any_kernel


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.text("ab\n", max_size=400).map(str.encode),
    st.dictionaries(st.text("ab", min_size=1, max_size=4).map(str.encode), st.text("abX", max_size=9).map(str.encode),
                    min_size=1, max_size=10),
    st.integers(-1, 9),
    st.sampled_from([1, 2]),
)  # fmt: skip
def test_as_re_replaces(tmp_path, small, data, pairs, count, threads):
    path = tmp_path / "file"
    path.write_bytes(data)
    inode = path.stat().st_ino
    done = edit(path, pairs, count=count, threads=threads)
    want, number = replaced(data, pairs, count)
    assert (path.read_bytes(), done.count) == (want, number)
    assert (done.old_size, done.new_size, path.stat().st_ino) == (len(data), len(want), inode)
    assert done.strategy in ("none", "in_place")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"cat", b"leopard"), (b"cat", b"dog"), (b"cat", b""), (b"a", b"aa"), (b"aa", b"a"), (b"aba", b"ab"),
        (b"\n", b"\r\n"), (b"the", b"t" * 5000), (b"the cat sat on the mat\nthe", b"x"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("where", ["across blocks", "in one block"])
@pytest.mark.parametrize("durable", [None, True])
def test_lengths(make, request, old, new, where, durable):
    """Needles that overlap themselves, what is longer than a block, and matches across the bounds of blocks."""
    if where == "across blocks":
        request.getfixturevalue("small")
    data = (b"the cat sat on the mat\naaaababababaa" * 40 + b"x") * 3
    path = make(data)
    assert edit(path, old, new, durable=durable).count == data.count(old)
    assert path.read_bytes() == data.replace(old, new)


def test_links_mode_and_inode_stay(make, tmp_path):
    path = make(TEXT)
    os.link(path, tmp_path / "other name")
    os.chmod(path, 0o640)
    (tmp_path / "link").symlink_to(path)
    before = path.stat()
    with pytest.raises(OSError, match=r"hard links.*in_place=True \(--in-place\)"):
        fastmmap.replace_file(path, "cat", "leopard")
    assert edit(tmp_path / "link", "cat", "leopard").path == str(path)
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_nlink) == (before.st_ino, before.st_mode, 2)
    assert (tmp_path / "other name").read_bytes() == TEXT.replace(b"cat", b"leopard")


@pytest.mark.skipif(os.name != "posix", reason="there is no such bit")
def test_the_mode_stays_where_writing_changes_it(make, monkeypatch):
    path = make(TEXT)
    os.chmod(path, 0o4755)
    monkeypatch.setattr(moving, "NEAR", 64)
    edit(path, "cat", "leopard")
    assert stat.S_IMODE(path.stat().st_mode) == 0o4755


def test_what_does_not_match_is_not_touched(make, tmp_path):
    path = make(TEXT)
    os.utime(path, (1, 1))
    for arguments in (("absent", "x"), ("cat", "cat"), ("cat", "leopard", 0)):
        assert edit(path, *arguments).strategy == "none"
    assert path.stat().st_mtime == 1
    assert os.listdir(tmp_path) == ["file"]


def test_only_pages_with_matches_are_written(make, monkeypatch):
    """Of what is as long."""
    path, written = make(TEXT + b"a dog\n" + TEXT), []
    real = system.write_at
    monkeypatch.setattr(system, "write_at", lambda fd, data, at: (written.append(len(data)), real(fd, data, at)))
    assert edit(path, "dog", "cat").count == 1
    assert [length for length in written if length == 3]
    assert path.read_bytes() == TEXT + b"a cat\n" + TEXT


def test_a_plan_in_place(make):
    path = make(TEXT)
    plan = fastmmap.plan_replace(path, {"cat": "leopard", "mat": "a"}, count=900)
    assert plan.apply(in_place=True, threads=1).strategy == "in_place"
    assert path.read_bytes() == replaced(TEXT, {b"cat": b"leopard", b"mat": b"a"}, 900)[0]
    with pytest.raises(OSError, match="make a new plan"):
        plan.apply(in_place=True)


def test_progress(make, small, monkeypatch):
    monkeypatch.setattr(progress, "PAUSE", 0)
    for pairs, ways in (({"cat": "leopard"}, 2), ({"cat": "ox"}, 1), ({"cat": "dog"}, 1)):
        path, said = make(TEXT), []
        edit(path, pairs, progress=lambda *numbers: said.append(numbers))  # noqa: B023
        assert said == sorted(said)
        assert {total for _, total in said} == {ways * (len(TEXT) - 4)}
        assert said[-1][0] == said[-1][1]
        assert len(said) > 10


def test_holes_stay(tmp_path, monkeypatch):
    path, size = tmp_path / "file", 40 << 20
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(5_000_000)
        file.write(b"the cat sat" * 1000)
        file.seek(35_000_000)
        file.write(b"on the mat")
    before = path.stat()
    if before.st_blocks * 512 >= size:
        pytest.skip("this filesystem has no holes")
    data = path.read_bytes()
    for old, new in ((b"cat", b"leopard"), (b"leopard", b"ox"), (b"ox", b"up"), (b"up", b"")):
        edit(path, old, new)
        data = data.replace(old, new)
        assert path.read_bytes() == data
        assert path.stat().st_blocks <= before.st_blocks + 8 * before.st_blksize // 512


# --- what is refused ---


def refused(path, *words, number, **options):
    data, names = path.read_bytes(), os.listdir(path.parent)
    with pytest.raises(OSError, match=".") as caught:
        edit(path, "cat", "leopard", **options)
    assert (caught.value.errno, caught.value.filename) == (number, str(path)), caught.value
    for word in words:
        assert word in caught.value.strerror, caught.value
    assert path.read_bytes() == data
    assert os.listdir(path.parent) == names


def test_a_filesystem_that_is_not_safe(make, monkeypatch):
    path = make(TEXT)
    monkeypatch.setattr(system, "is_local", lambda fd: False)
    refused(path, "network, FUSE, 9p", "force=True (--force)", number=errno.EOPNOTSUPP)
    assert edit(path, "cat", "leopard", force=True).count == 2000


def test_a_read_only_file(make):
    path = make(TEXT)
    os.chmod(path, 0o444)
    refused(path, "read-only", "chmod u+w", "force=True", number=errno.EACCES)
    if os.geteuid() == 0:
        assert edit(path, "cat", "leopard", force=True).count == 2000
        assert stat.S_IMODE(path.stat().st_mode) == 0o444


@staged
def test_a_program_that_runs(make):
    path = make(pathlib.Path(sys.executable).read_bytes())
    os.chmod(path, 0o755)
    with subprocess.Popen([path, "-S", "-c", "import time; print(flush=True); time.sleep(60)"], stdout=-1) as child:
        if not child.stdout.readline():
            pytest.skip("this Python can't be copied")
        try:
            with pytest.raises(OSError, match="a rewrite replaces it") as caught:
                edit(path, "a", "b")
            assert caught.value.errno == errno.ETXTBSY
        finally:
            child.kill()


def test_a_full_disk(small_disk, monkeypatch):
    """Found out before a byte has moved, and what was allocated is given back."""
    path = small_disk / "file"
    path.write_bytes(b"the cat\n" * 100_000)
    with pytest.raises(OSError, match="on its way the file has 1600000 bytes, 800000 more than now") as caught:
        edit(path, "cat", "the leopard", journal=small_disk.parent / "journal")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(path))
    assert path.read_bytes() == b"the cat\n" * 100_000
    assert path.stat().st_blocks * 512 < 900_000
    assert sorted(os.listdir(small_disk.parent)) == ["disk"]


def test_a_disk_with_less_room_than_the_file(small_disk):
    """What a rewrite can't do: 700 KB of 1 MiB."""
    path = small_disk / "file"
    data = b"the cat sat\n" * 60_000
    path.write_bytes(data)
    with pytest.raises(OSError, match="beside the old one.*in_place=True"):
        fastmmap.replace_file(path, "cat", "ox")
    for old, new in ((b"cat", b"ox"), (b"sat", b"lay"), (b"ox", b"dogs")):
        assert edit(path, old, new).count == 60_000
        data = data.replace(old, new)
        assert path.read_bytes() == data
    assert os.listdir(small_disk) == ["file"]


@pytest.fixture
def ext4(tmp_path):
    """A filesystem of 200 MiB, in a file."""
    image, folder = tmp_path / "image", tmp_path / "disk"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(200 << 20)
    for command in (["mkfs.ext4", "-q", image], ["mount", "-o", "loop", image, folder]):
        if shutil.which(command[0]) is None or subprocess.run(command, capture_output=True).returncode != 0:
            pytest.skip("only root may mount, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(fastmmap.kernel == "python", reason="400 MiB take the reference minutes")
def test_a_file_much_larger_than_its_disk(ext4, request):
    """20 GiB, most of them holes; without --long 400 MiB."""
    size = 20 << 30 if request.config.getoption("long") else 400 << 20
    path, piece = ext4 / "file", b"the cat sat\n" * 100_000
    places = [0, size // 3 + 12_345, size - len(piece)]
    with path.open("wb") as file:
        for place in places:
            file.seek(place)
            file.write(piece)
    if path.stat().st_blocks * 512 > 100 << 20:
        pytest.skip("this filesystem has no holes")
    for old, new in ((b"cat", b"leopard"), (b"leopard", b"ox"), (b"ox", b"up")):
        assert edit(path, old, new).count == 300_000
        grown = (len(new) - len(old)) * 100_000
        piece = piece.replace(old, new)
        places = [place + number * grown for number, place in enumerate(places)]
        with path.open("rb") as file:
            for place in places:
                file.seek(place)
                assert file.read(len(piece)) == piece
                assert file.read(100) in (bytes(100), b"")
        assert path.stat().st_size == places[-1] + len(piece)
        assert path.stat().st_blocks * 512 < 100 << 20
    assert [name for name in os.listdir(ext4) if name != "lost+found"] == ["file"]


@as_somebody
def test_a_folder_that_can_not_be_written_to(reachable):
    path = reachable / "file"
    path.write_bytes(TEXT)
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o755)
    said = as_user(path, lambda path: edit(path, "cat", "ox"))
    assert said.startswith("PermissionError"), said
    assert "journal=PATH (--journal)" in said
    journal = f"/tmp/fastmmap-test-{os.getpid()}.journal"
    assert as_user(path, lambda path: edit(path, "cat", "ox", journal=journal)) == "done"
    assert path.read_bytes() == TEXT.replace(b"cat", b"ox")


# --- the command ---


def run(*arguments):
    command = [sys.executable, "-m", "fastmmap", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def test_the_command(make, tmp_path):
    path = make(TEXT)
    inode = path.stat().st_ino
    assert run("replace", "--in-place", "cat", "leopard", path)[0] == 0
    assert run("replace", "--in-place", "--sync", "--journal", tmp_path / "j", "leopard", "ox", path)[0] == 0
    assert is_done(path, b"ox")
    assert path.stat().st_ino == inode
    code, _, error = run("replace", "--in-place", "--backup", ".orig", "ox", "cat", path)
    assert code == 2
    assert "no backup" in error
    code, _, error = run("replace", "--sync", "--no-sync", "ox", "cat", path)
    assert (code, error.count("\n")) == (2, 1)


def test_the_command_writes_elsewhere(make, tmp_path):
    path, output = make(TEXT), tmp_path / "other"
    os.chmod(path, 0o640)
    code, said, _ = run("replace", "--output", output, "cat", "leopard", path)
    assert (code, said) == (0, f"2000 replaced, {len(TEXT)} bytes before, {len(TEXT) + 8000} after\n")
    assert output.read_bytes() == TEXT.replace(b"cat", b"leopard")
    assert stat.S_IMODE(output.stat().st_mode) == stat.S_IMODE(path.stat().st_mode)
    assert path.read_bytes() == TEXT
    code, _, error = run("replace", "--output", output, "cat", "x", path)
    assert code == 2
    assert f"{output}: The output is there: choose another name, or replace it by force=True (--force)" in error
    assert run("replace", "--output", output, "--force", "absent", "x", path)[0] == 1
    assert output.read_bytes() == TEXT
    for wrong in (["--in-place"], ["--backup", "~"], [path]):
        code, _, error = run("replace", "--output", output, "a", "b", path, *wrong)
        assert (code, error.count("\n")) == (2, 1), error
    assert run("replace", "--output", path, "--force", "cat", "x", path)[0] == 2
    assert run("replace", "--output", tmp_path / "nowhere" / "x", "cat", "x", path)[0] == 2
    assert sorted(os.listdir(tmp_path)) == ["file", "other"]
    assert path.read_bytes() == TEXT


@pytest.mark.parametrize("kind", ["pipe", "log", "links"])
def test_the_command_replaces_no_other_thing(make, tmp_path, kind):
    """--output, with --force: what isn't a plain file is left alone."""
    path, output = make(TEXT), tmp_path / "other"
    log = None
    if kind == "pipe":
        os.mkfifo(output)
    else:
        output.write_bytes(b"old")
        if kind == "links":
            os.link(output, tmp_path / "second")
        elif sys.platform in ("linux", "win32"):
            log = fastmmap.Appender(output)
    names = sorted(os.listdir(tmp_path))
    code, _, error = run("replace", "--output", output, "--force", "cat", "leopard", path)
    assert code == 2
    assert f"fastmmap: {output}: " in error
    assert sorted(os.listdir(tmp_path)) == names
    if log is not None:
        log.close()


def test_the_command_goes_on_after_a_kill(make, small):
    path = make(TEXT * 200)
    code = (
        "import os, signal, sys, fastmmap\n"
        "from fastmmap import progress\n"
        "progress.PAUSE = 0\n"
        f"def die(done, total): {DIE}\n"
        "fastmmap.replace_file(sys.argv[1], 'cat', 'leopard', in_place=True, progress=die)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, path], timeout=60).returncode == KILLED
    assert len(journals(path.parent)) == 1
    code, said, _ = run("replace", "--in-place", "cat", "leopard", path)
    assert (code, said.split()[0]) == (0, "400000")
    assert path.read_bytes() == TEXT.replace(b"cat", b"leopard") * 200
    assert journals(path.parent) == []
