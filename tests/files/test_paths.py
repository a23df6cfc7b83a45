"""fastmmap.paths: the answers of os.path, and no error of somebody else's among them."""

from __future__ import annotations

import errno
import os

import pytest
from support.standing_in import as_system

import fastmmap
from fastmmap import paths

ASKED = {
    paths.resolved: os.path.realpath, paths.is_directory: os.path.isdir, paths.exists: os.path.exists,
    paths.is_taken: os.path.lexists,
}  # fmt: skip

posix_paths = pytest.mark.skipif(os.name == "nt", reason="on Windows os.path follows the links")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Files, folders and links of all kinds, in the working directory."""
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "file").write_bytes(b"")
    for name, target in {
        "to file": "folder/file", "to folder": "folder", "absolute": tmp_path / "folder", "up": "folder/deep/../..",
        "to link": "to folder/file", "dangling": "nowhere/at all", "slashes": "./folder//deep/",
    }.items():  # fmt: skip
        os.symlink(target, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_as_os_path(tree):
    names = [*os.listdir(tree), "absent", ".", "..", "/", "//", ""]
    tails = ["", "/", "/file", "/deep", "/..", "/../folder/file", "/absent/../file", "/./deep//.."]
    for name in names:
        for tail in tails:
            for path in (name + tail, os.path.join(tree, name + tail)):
                for ours, theirs in ASKED.items():
                    assert ours(path) == theirs(path), (ours, path)


@posix_paths
@pytest.mark.parametrize("last", ["0", "folder/file"])
def test_links_without_end(tree, last):
    """The system follows 40: that which is left must not be taken for the file, and replaced by one."""
    for i in range(60):
        os.symlink(f"{i + 1}" if i < 59 else last, f"{i}")
    for call in (paths.resolved, fastmmap.recover, lambda path: fastmmap.replace_file(path, "a", "b")):
        with pytest.raises(OSError, match="'0'") as caught:
            call("0")
        assert caught.value.errno == errno.ELOOP
    assert all(os.path.islink(f"{i}") for i in range(60))
    if last != "0":
        assert paths.resolved("20") == os.path.realpath("0")


@posix_paths
@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EINVAL])
def test_a_handler_s_error_is_no_answer(tree, monkeypatch, number):
    """It comes within the standard library's functions, too."""
    theirs = OSError(number, "theirs")

    def handler():
        raise theirs

    def raising(*arguments, **keywords):
        handler()  # what stands for a system call is one: the error comes from further within

    for name in ("lstat", "stat", "readlink"):
        monkeypatch.setattr(os, name, raising)
    for ask in ASKED:
        with pytest.raises(OSError, match="theirs") as caught:
            ask("to file")
        assert caught.value is theirs


@posix_paths
def test_what_the_system_does_not_tell_is_no_answer(tree, monkeypatch):
    """A link that can't be asked for isn't taken for a file, which an edit would put in its place."""
    lstat = os.lstat

    @as_system
    def failing(path, **keywords):
        if str(path).endswith("to file"):
            raise OSError(errno.EIO, "Input/output error")
        return lstat(path, **keywords)

    monkeypatch.setattr(os, "lstat", failing)
    with pytest.raises(OSError, match="Input/output"):
        fastmmap.replace_file("to file", "a", "b")
