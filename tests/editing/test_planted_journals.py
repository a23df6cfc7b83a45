"""Journals that somebody may have planted: whose are taken, and whose are ignored."""

from __future__ import annotations

import os
import zlib

import pytest
from support.in_place import TEXT, edit, half_edited, is_done, journals
from support.marks import staged
from support.users import as_somebody, as_user

import fastmmap
from fastmmap import unfinished

pytestmark = pytest.mark.any_kernel

NEW = TEXT.replace(b"cat", b"leopard")


@staged
@pytest.mark.parametrize(
    "value", [b"/dev/null", b"/dev/zero", b"relative", b"/with\0nul", b"", b"/proc/self/mem", b"/etc"]
)
def test_a_planted_mark(make, marks, value):
    """Who may write to a file may set its attributes: nothing is opened that isn't a regular file."""
    path = make(TEXT)
    os.setxattr(path, f"user.{unfinished.MARK}", value)
    with pytest.MonkeyPatch.context() as patch:
        opened, real = [], os.open
        patch.setattr(os, "open", lambda name, *rest, **more: (opened.append(name), real(name, *rest, **more))[1])
        if value in (b"/dev/null", b"/dev/zero", b"/etc"):
            with pytest.warns(RuntimeWarning, match="not a regular file"):
                assert fastmmap.recover(path) is False
            assert os.fsdecode(value) not in opened
    if value.startswith(b"/") and b"\0" not in value:
        with pytest.warns(RuntimeWarning, match="is ignored"):
            assert edit(path, "cat", "leopard").count == 2000
    else:
        assert edit(path, "cat", "leopard").count == 2000
    assert path.read_bytes() == NEW


@as_somebody
def test_another_user_s_journal_by_a_mark(reachable, small, monkeypatch):
    """Root doesn't follow a mark to what the file's owner has written; given its path, it does."""
    path = reachable / "file"
    path.write_bytes(TEXT)
    half_edited(path)
    name = journals(reachable)[0]
    (reachable / "folder").mkdir()
    planted = reachable / "folder" / "planted"
    os.rename(reachable / name, planted)
    for each in (path, planted):
        os.chown(each, 4321, 4321)
    os.setxattr(path, f"user.{unfinished.MARK}", os.fsencode(planted))
    with pytest.warns(RuntimeWarning, match="it is another user's"):
        assert fastmmap.recover(path) is False
    assert fastmmap.recover(planted) is True
    assert path.read_bytes() == NEW


@as_somebody
def test_the_owner_s_edit_is_not_another_s(reachable, small):
    """Who may write to the file, but not read the journal, doesn't take the mix for a whole file."""
    path = reachable / "file"
    path.write_bytes(TEXT)
    half_edited(path)
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o777)
    half = path.read_bytes()
    for call in (
        lambda path: fastmmap.replace_file(path, "cat", "ox", in_place=True),
        lambda path: fastmmap.replace_file(path, "cat", "ox"),
        fastmmap.recover,
    ):
        said = as_user(path, call)
        assert said.startswith("PermissionError"), said
        assert "User 0's edit in place" in said
    assert path.read_bytes() == half
    assert fastmmap.recover(path) is True


@pytest.mark.parametrize("plant", ["link", "garbage of somebody", "long head"])
def test_planted_in_a_folder(left, tmp_path, plant):
    """recover of the folder warns, and goes on with the others."""
    name = left.parent / ".fastmmap-0.journal"
    if plant == "link":
        name.symlink_to(left)
    else:
        good = (left.parent / journals(left.parent)[0]).read_bytes()
        name.write_bytes(b"garbage" if plant != "long head" else good[:12] + b"\xff" * 4)
        if plant == "long head":
            os.truncate(name, 1 << 32)
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        os.chown(name, 4321, 4321)
    with pytest.warns(RuntimeWarning, match="is ignored"):
        assert fastmmap.recover(left.parent) is True
    assert left.read_bytes() == NEW


@pytest.mark.parametrize(
    ("at_in_slot", "value"),
    [
        pytest.param(8, b"\x4d", id="phase"),
        pytest.param(49, b"\x4d", id="kind"),
        pytest.param(33, b"\xff" * 8, id="replaced"),
        pytest.param(0, b"\xff" * 8, id="sequence"),
    ],
)
def test_a_slot_that_no_edit_writes(left, at_in_slot, value):
    """With a checksum that fits."""
    name = left.parent / journals(left.parent)[0]
    data, half = bytearray(name.read_bytes()), left.read_bytes()
    for at in (at for at in range(4096, len(data), 4096) if data[at : at + 8] == data[:8]):
        length = int.from_bytes(data[at + 12 : at + 16], "little")
        data[at + 16 + at_in_slot : at + 16 + at_in_slot + len(value)] = value
        data[at + 8 : at + 12] = zlib.crc32(data[at + 16 : at + 16 + length]).to_bytes(4, "little")
    name.write_bytes(data)
    with pytest.raises(OSError, match="damaged") as caught:
        fastmmap.recover(left)
    assert caught.value.errno == unfinished.DAMAGED
    assert left.read_bytes() == half


@as_somebody
def test_an_edit_of_one_who_may_write(reachable, small):
    """A member of the file's group is killed, or anybody where everybody may write: root finishes that user's edit."""
    path = reachable / "file"
    path.write_bytes(TEXT)
    os.chown(path, 1234, 1234)
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o777)
    said = as_user(path, half_edited)
    assert said == "done", said
    (name,) = journals(reachable)
    assert (reachable / name).stat().st_uid == 4321
    half = path.read_bytes()
    os.chmod(path, 0o644)
    with pytest.warns(RuntimeWarning, match="belongs to user 4321"):
        assert fastmmap.recover(path) is False
    assert path.read_bytes() == half
    os.chmod(path, 0o666)
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("plant", ["link", "folder", "pipe", "two links", "wide", "somebody's"])
def test_planted_journals_are_ignored(left, tmp_path, plant):
    name = left.parent / journals(left.parent)[0]
    kept = name.rename(left.parent.parent / f"kept of {left.parent.name}")
    half = left.read_bytes()
    if plant == "link":
        name.symlink_to(kept)
    elif plant == "folder":
        name.mkdir()
    elif plant == "pipe":
        os.mkfifo(name)
    elif plant == "two links":
        os.link(kept, name)
    else:
        name.write_bytes(kept.read_bytes())
        if plant == "wide":
            if os.name != "posix":
                pytest.skip("modes don't tell here who may write")
            os.chmod(name, 0o666)
        elif os.geteuid() == 0:
            os.chown(name, 4321, 4321)
        else:
            pytest.skip("only root gives files away")
    with pytest.warns(RuntimeWarning, match="is ignored"):
        assert fastmmap.recover(left) is False
    assert left.read_bytes() == half
    with pytest.warns(RuntimeWarning, match="is ignored"):
        assert fastmmap.replace_file(left, "sat", "lay").strategy == "rewrite"
    kept.unlink()


def test_a_name_that_is_taken(make, small):
    """The journal gets another one, which the file's attribute tells."""
    path = make(TEXT)
    planted = path.parent / f".fastmmap-{path.stat().st_ino:x}.journal"
    planted.symlink_to("nowhere")
    with pytest.warns(RuntimeWarning, match="is ignored"):
        half_edited(path, 2)
    with pytest.warns(RuntimeWarning, match="is ignored"):
        assert fastmmap.recover(path) is True
    planted.unlink()
    assert is_done(path)
