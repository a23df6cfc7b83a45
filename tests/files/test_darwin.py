"""What macOS is asked for, and what is made of its answers, by stand-ins for its calls. None of it runs on macOS here.

That the numbers are macOS' own is for tools/compile_macos.py, which compares them with its headers.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from types import SimpleNamespace

import pytest
from support.standing_in import as_system

if sys.platform == "win32":
    pytest.skip("a POSIX system's module", allow_module_level=True)

from fastmmap import system
from fastmmap.logs import turn
from fastmmap.system import darwin, files, libc, names

pytestmark = pytest.mark.any_kernel

UUID = "0F1E2D3C-4B5A-6978-8796-A5B4C3D2E1F0"


class Requests(list):
    """Stands in for fcntl(2): keeps what is asked, and answers, or fails by a number."""

    def __init__(self, answer=b"", number=0):
        super().__init__()
        self.answer, self.number = answer, number

    @as_system
    def fcntl(self, fd, request, argument=b""):
        self.append((fd, request, argument))
        if self.number:
            raise OSError(self.number, os.strerror(self.number))
        return self.answer


@pytest.fixture
def requests(monkeypatch):
    made = Requests()
    monkeypatch.setattr(darwin, "fcntl", made)
    return made


@pytest.fixture
def library(monkeypatch):
    """The functions of the C library, by their names: those that a test puts there."""
    functions: dict[str, Call] = {}
    monkeypatch.setattr(libc, "function", lambda name, types="": functions.get(name))
    darwin.boot.cache_clear()
    yield functions
    darwin.boot.cache_clear()


class Call:
    """A function of the C library: keeps its arguments, fills its blocks, and fails by a number."""

    def __init__(self, number=0, filled=None):
        self.number, self.filled, self.asked = number, filled, []

    def __call__(self, *arguments):
        self.asked.append(arguments)
        if self.filled is not None:
            ctypes.memmove(arguments[1], self.filled, len(self.filled))
        ctypes.set_errno(self.number)
        return -1 if self.number else 0


UNKNOWN = [errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS]


def test_it_has_all_that_a_system_has():
    assert set(system.native.__all__) <= set(darwin.__all__)
    assert all(hasattr(darwin, name) for name in darwin.__all__)


def test_blocks_behind_the_end(requests, tmp_path):
    """As many as are lacking: those that are there already aren't asked for again."""
    path = tmp_path / "file"
    path.write_bytes(bytes(100))
    with open(path, "r+b") as file:
        fd, there = file.fileno(), os.stat(path).st_blocks * 512
        assert darwin.fallocate(fd, 100, 1 << 20, True) is True
        missing = 100 + (1 << 20) - max(there, 100)
        assert requests == [(fd, 42, struct.pack("@IiqqQ", 4, 3, 0, missing, 0))]
        requests.clear()
        assert darwin.fallocate(fd, 0, min(there, 100), True) is True
        assert darwin.fallocate(fd, 100, 1 << 20, False) is False  # the end isn't moved
        assert requests == []
        requests.number = errno.ENOSPC
        with pytest.raises(OSError, match="space"):
            darwin.fallocate(fd, 100, 1 << 20, True)


@pytest.mark.parametrize("number", UNKNOWN)
def test_what_a_filesystem_does_not_know(requests, number, tmp_path, monkeypatch):
    requests.number = number
    synced = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with open(tmp_path / "file", "wb") as file:
        fd = file.fileno()
        assert darwin.fallocate(fd, 0, 1 << 20, True) is False
        assert darwin.punch(fd, 0, 4096) is False
        darwin.make_durable(fd)
        darwin.make_attributes_durable(fd)
        darwin.make_names_durable(fd)
        assert synced == [fd] * 3


def test_a_hole(requests):
    assert darwin.punch(7, 8192, 4096) is True
    assert requests == [(7, 99, struct.pack("@IIqq", 0, 0, 8192, 4096))]


def test_the_drive_writes_what_it_has(requests, monkeypatch):
    monkeypatch.setattr(os, "fsync", None)
    darwin.make_durable(7)
    darwin.make_names_durable(8)
    darwin.make_attributes_durable(9)
    assert requests == [(fd, 51, b"") for fd in (7, 8, 9)]
    requests.number = errno.EIO
    for call in (darwin.make_durable, darwin.make_names_durable):
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            call(7)


def test_a_folder_that_can_not_be_synced(requests, monkeypatch):
    """Is let pass, as on every system."""
    requests.number = errno.ENOTSUP

    @as_system
    def refuses(fd):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(names.os, "fsync", refuses)
    darwin.make_names_durable(7)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        darwin.make_durable(7)


def test_the_path_of_a_descriptor(requests):
    requests.answer = b"/a/caf\xc3\xa9".ljust(1024, b"\0")
    assert darwin.path_of(7) == b"/a/caf\xc3\xa9"
    assert requests == [(7, 50, bytes(1024))]


@pytest.mark.parametrize("function", ["fstatfs$INODE64", "fstatfs"])
@pytest.mark.parametrize(
    ("name", "flags", "local"),
    [
        (b"apfs", 0x04801000, True), (b"hfs", 0x1000, True), (b"apfs", 0, False), (b"smbfs", 0x1000, False),
        (b"macfuse", 0x1000, False),
    ],
)  # fmt: skip
def test_a_local_filesystem(library, function, name, flags, local):
    library[function] = Call(filled=bytes(64) + struct.pack("@II16s", flags, 0, name))
    assert darwin.is_local(7) is local
    assert [fd for fd, _ in library[function].asked] == [7]


def test_a_filesystem_that_can_not_be_asked_about(library):
    assert darwin.is_local(7) is False
    library["fstatfs"] = Call(errno.ENOTSUP)
    assert darwin.is_local(7) is False
    library["fstatfs"] = Call(errno.EBADF)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        darwin.is_local(7)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Call(filled=UUID.encode() + b"\0"), bytes.fromhex(UUID.replace("-", ""))), (Call(errno.ENOENT), b""),
        (Call(filled=b"no uuid\0"), b""), (None, b""),
    ],
    ids=["told", "unknown", "no uuid", "no ctypes"],
)  # fmt: skip
def test_the_boot(library, call, said):
    if call is not None:
        library["sysctlbyname"] = call
    assert darwin.boot() == said
    if call is not None:
        ((name, _, size, new, new_size),) = call.asked
        assert (name, size._obj.value, new, new_size.value) == (b"kern.bootsessionuuid", 64, None, 0)


def test_a_birth(monkeypatch, tmp_path):
    assert darwin.birth(str(tmp_path / "nothing")) == 0
    if not hasattr(os.stat(tmp_path), "st_birthtime"):
        assert darwin.birth(str(tmp_path)) == 0
    status, odd = SimpleNamespace(st_birthtime=1.5), SimpleNamespace(st_birthtime=-1)
    monkeypatch.setattr(darwin, "os", SimpleNamespace(lstat=lambda path: status, fstat=lambda fd: odd))
    assert (darwin.birth("a"), darwin.birth(7)) == (1_500_000_000, 0)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (0, set()), (0x2, {"immutable"}), (0x20000, {"immutable"}), (0x4, {"append-only"}), (0x40000, {"append-only"}),
        (0x8040, set()), (0x20004, {"immutable", "append-only"}),
    ],
)  # fmt: skip
def test_flags(monkeypatch, flags, words):
    status = SimpleNamespace(st_flags=flags)
    monkeypatch.setattr(darwin, "os", SimpleNamespace(lstat=lambda path: status))
    assert darwin.attributes("a") == words


def test_the_flags_of_nothing(tmp_path):
    assert darwin.attributes(str(tmp_path / "nothing")) == set()


def test_names_are_exchanged(library):
    assert darwin.exchange("a", "b") is False  # before macOS 10.12
    library["renameatx_np"] = call = Call()
    assert darwin.exchange("a", "b") is True
    assert call.asked == [(-2, b"a", -2, b"b", 2)]
    call.number = errno.ENOTSUP
    assert darwin.exchange("a", "b") is False
    call.number = errno.ENOENT
    with pytest.raises(FileNotFoundError) as caught:
        darwin.exchange("a", "b")
    assert (caught.value.filename, caught.value.filename2) == ("a", "b")


def test_attributes_are_kept(library, tmp_path):
    library["fcopyfile"] = call = Call()
    path = tmp_path / "file"
    path.touch()
    before = SimpleNamespace(st_mode=0o100_640)
    with open(path, "r+b") as file:
        darwin.keep_attributes(file.fileno(), 7, before)
        assert call.asked == [(7, file.fileno(), None, 5)]
        assert path.stat().st_mode & 0o7777 == 0o640
        call.number = errno.EPERM
        with pytest.raises(PermissionError):
            darwin.keep_attributes(file.fileno(), 7, before)
        del library["fcopyfile"]
        with pytest.raises(OSError, match="ctypes"):
            darwin.keep_attributes(file.fileno(), 7, before)


@pytest.mark.parametrize(("platform", "is_one"), [("darwin", True), ("linux", False)])
def test_shared_memory_is_of_no_kind(monkeypatch, platform, is_one):
    """Elsewhere what is of no kind is no file: it has no pages."""
    monkeypatch.setattr(files, "sys", SimpleNamespace(platform=platform))
    assert system.is_file(SimpleNamespace(st_mode=0o600)) is is_one
    assert system.is_file(SimpleNamespace(st_mode=0o100_600)) is True
    assert system.is_file(SimpleNamespace(st_mode=0o010_600)) is False


def test_who_acts_as_owner(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert darwin.acts_as_owner() is True
    monkeypatch.setattr(os, "geteuid", lambda: 501)
    assert darwin.acts_as_owner() is False


def test_what_is_not_supported_has_two_numbers():
    """macOS says ENOTSUP, where Linux says EOPNOTSUPP; on Linux both are one."""
    assert {errno.ENOTSUP, errno.EOPNOTSUPP} <= set(darwin.REFUSED)
    assert {errno.ENOTSUP, errno.EOPNOTSUPP} <= set(turn._UNSUPPORTED)
