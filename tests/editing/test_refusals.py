"""What replace_file refuses before the work: by real means, where this machine has them."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import stat
import subprocess
import sys

import pytest
from support.lacks import fcntl
from support.standing_in import as_system
from support.users import as_somebody, as_user

import fastmmap
from fastmmap import system
from fastmmap.editing import edit, rewrite
from fastmmap.editing.new_file import NewFile

OLD = b"the cat sat\n"


@pytest.fixture(autouse=True)
def no_work(monkeypatch):
    """Nothing is counted, and nothing made, before a refusal."""

    def work(*arguments):
        raise AssertionError("work was done")

    monkeypatch.setattr(edit, "count_matches", work)
    monkeypatch.setattr(rewrite, "all_parts", work)
    monkeypatch.setattr(NewFile, "create", work)


def refused(path, *words, number, **options):
    """An OSError with that number that names the file and says these words; nothing has changed."""
    folder = os.path.dirname(path)
    names = os.listdir(folder)
    with pytest.raises(OSError, match=".") as caught:
        fastmmap.replace_file(path, "cat", "dog", **options)
    assert caught.value.errno == number, caught.value
    assert caught.value.filename == str(path), caught.value
    for word in words:
        assert word in caught.value.strerror, caught.value
    with open(path, "rb") as file:
        assert file.read() == OLD
    assert os.listdir(folder) == names


@pytest.fixture
def mounted(make):
    """A file that another one is mounted on."""
    path, other = make(OLD), make(OLD, "other")
    command = shutil.which("mount")
    if command is None or subprocess.run([command, "--bind", other, path], capture_output=True).returncode != 0:
        pytest.skip("only root may mount, and not everywhere")
    yield path
    subprocess.run(["umount", path], check=True)


def without_statx(monkeypatch):
    if not hasattr(system.native, "statx"):
        pytest.skip("this system has no statx")
    monkeypatch.setattr(system.native, "statx", lambda file, mask=0: None)


@pytest.fixture(params=["statx", "no statx"])
def asked(request, monkeypatch):
    """How the system is asked for attributes."""
    if request.param == "no statx":
        without_statx(monkeypatch)


def test_a_mount_point(mounted, asked):
    refused(mounted, "mount point", "in place", number=errno.EBUSY)
    refused(mounted, "mount point", number=errno.EBUSY, force=True)
    os.symlink(mounted, f"{mounted}.link")
    with pytest.raises(OSError, match="mount point"):
        fastmmap.replace_file(f"{mounted}.link", "cat", "dog")


def test_a_mount_point_with_blanks_in_its_name(make, monkeypatch, tmp_path):
    path = make(OLD, "two words")
    if sys.platform != "linux":
        pytest.skip("what is mounted is told by Linux")
    text = f"36 35 98:0 /a {str(path).replace(' ', chr(92) + '040')} rw - ext4 /dev/root rw\n"
    (tmp_path / "mountinfo").write_text(text)
    without_statx(monkeypatch)
    monkeypatch.setattr(system.native, "MOUNTS", str(tmp_path / "mountinfo"))
    refused(path, "mount point", number=errno.EBUSY)


@pytest.mark.parametrize(("flag", "word"), [("i", "immutable"), ("a", "append-only")])
def test_an_attribute(make, tmp_path, change, asked, flag, word):
    path = make(OLD)
    change(flag, path)
    refused(path, f"The file is {word}", f"chattr -{flag}", number=errno.EPERM)
    refused(path, word, number=errno.EPERM, force=True)


@pytest.mark.parametrize(("flag", "word"), [("i", "immutable"), ("a", "append-only")])
def test_a_folder_s_attribute(make, tmp_path, change, asked, flag, word):
    path = make(OLD)
    change(flag, tmp_path)
    refused(path, f"{str(tmp_path)!r} is {word}", f"chattr -{flag}", number=errno.EPERM)


def test_an_older_backup_s_attribute(make, change):
    path, backup = make(OLD), make(b"older", "file.orig")
    change("i", backup)
    with pytest.raises(PermissionError, match="older backup is immutable.*chattr.*file.orig"):
        fastmmap.replace_file(path, "cat", "dog", backup=".orig", force=True)
    assert (path.read_bytes(), backup.read_bytes()) == (OLD, b"older")


def test_an_older_backup_stays(make, tmp_path):
    """The file under it may be the only true original."""
    path, backup = make(OLD), make(b"the true original", "file.orig")
    with pytest.raises(FileExistsError, match=r"older backup.*force=True \(--force\)") as caught:
        fastmmap.replace_file(path, "cat", "dog", backup=".orig")
    assert caught.value.filename == str(backup)
    assert (path.read_bytes(), backup.read_bytes()) == (OLD, b"the true original")
    assert sorted(os.listdir(tmp_path)) == ["file", "file.orig"]


def test_a_read_only_file(make):
    path = make(OLD)
    os.chmod(path, 0o444)
    refused(path, "read-only", "chmod", "force=True", number=errno.EACCES)


@as_somebody
def test_a_file_of_somebody_else_s(reachable):
    """No mode that we could set, and no force, lets us edit it."""
    path = reachable / "file"
    path.write_bytes(OLD)
    os.chmod(reachable, 0o777)
    for mode in (0o644, 0o444, 0o600 | 0o044):
        os.chmod(path, mode)
        said = as_user(path, lambda path: fastmmap.replace_file(path, "cat", "dog"))
        assert f"The file is user 0's, and its mode {mode:04o} doesn't let user 4321 write: edit it as its" in said
        assert "force" not in said
        assert "chmod" not in said


def test_a_filesystem_that_is_read_only(small_disk):
    path = small_disk / "file"
    path.write_bytes(OLD)
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for force in (False, True):
        refused(path, "The filesystem is read-only", "remount,rw", number=errno.EROFS, force=force)


@as_somebody
@pytest.mark.parametrize(("mode", "owner"), [(0o1777, 0), (0o1777, 1234), (0o777, 0), (0o1777, 4321)])
def test_an_older_backup_of_somebody_else_s_in_a_sticky_folder(reachable, mode, owner):
    path, backup = reachable / "file", reachable / "file.orig"
    path.write_bytes(OLD)
    backup.write_bytes(b"older")
    os.chown(path, 4321, 4321)
    os.chown(backup, owner, owner)
    os.chmod(backup, 0o666)
    os.chmod(reachable, mode)
    said = as_user(path, lambda path: fastmmap.replace_file(path, "cat", "dog", backup=".orig", force=True))
    if mode & stat.S_ISVTX and owner != 4321:
        assert f"The older backup is user {owner}'s, so it can't be replaced in a sticky folder: choose" in said
        assert str(backup) in said
    else:
        assert said == "AssertionError: work was done"
    assert (path.read_bytes(), backup.read_bytes()) == (OLD, b"older")


def test_an_older_backup_that_is_no_regular_file(make, tmp_path):
    path = make(OLD)
    os.mkfifo(tmp_path / "file.pipe")
    with socket.socket(socket.AF_UNIX) as made:
        place = os.getcwd()
        os.chdir(tmp_path)  # the paths of sockets are short
        made.bind("file.socket")
        os.chdir(place)
    for suffix in (".pipe", ".socket"):
        with pytest.raises(FileExistsError, match="isn't a regular one: remove that first") as caught:
            fastmmap.replace_file(path, "cat", "dog", backup=suffix)
        assert caught.value.filename == f"{path}{suffix}"
    assert sorted(os.listdir(tmp_path)) == ["file", "file.pipe", "file.socket"]


@pytest.mark.parametrize("suffix", ["x" * 252, "x" * 5000, "\u00e9" * 252])
def test_a_backup_name_that_is_too_long(make, tmp_path, suffix):
    path = make(OLD)
    with pytest.raises(OSError, match="backup can't have this name.*shorter") as caught:
        fastmmap.replace_file(path, "cat", "dog", backup=suffix)
    assert caught.value.errno == errno.ENAMETOOLONG
    assert caught.value.filename == str(path) + suffix
    assert os.listdir(tmp_path) == ["file"]


def test_a_path_that_leaves_no_room_for_the_new_file(tmp_path, monkeypatch):
    """PATH_MAX is 4096 on Linux: the file's own name is short enough."""
    folder = str(tmp_path)
    while len(folder) < 4089 - 201:
        folder = os.path.join(folder, "d" * min(200, 4089 - 2 - len(folder)))
    folder = os.path.join(folder, "d" * (4092 - len(folder) - 1))
    path = os.path.join(folder, "f")
    try:
        os.makedirs(folder)
        with open(path, "wb") as file:
            file.write(OLD)
    except OSError:
        pytest.skip("paths are shorter here")
    refused(path, "new file can't have this name", number=errno.ENAMETOOLONG)


def test_a_refusal_by_the_command(make):
    path = make(OLD)
    os.chmod(path, 0o444)
    command = [sys.executable, "-m", "fastmmap", "replace", "cat", "dog", path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert path.read_bytes() == OLD
    subprocess.run([*command, "--force"], capture_output=True, check=True, timeout=60)
    assert path.read_bytes() == b"the dog sat\n"


def test_a_log_that_is_open(make):
    path = make(OLD)
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"a cat\n")
        with pytest.raises(OSError, match="Appender.*close it first") as caught:
            fastmmap.replace_file(path, "cat", "dog")
        assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, str(path))
        with pytest.raises(OSError, match="Appender"):
            fastmmap.replace_file(path, "absent", "dog")
    assert path.read_bytes() == OLD + b"a cat\n"


def test_a_refused_system_call_is_no_attribute(make, monkeypatch):
    """Where nothing tells, nothing is refused."""
    path = make(OLD)

    @as_system
    def refused(*arguments):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    without_statx(monkeypatch)
    monkeypatch.setattr(system.native, "MOUNTS", "/nowhere")
    monkeypatch.setattr(fcntl, "ioctl", refused)
    assert system.attributes(str(path)) == set()
