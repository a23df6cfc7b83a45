"""What is kept in files has the same bytes on every machine: known answers, made on a little-endian one."""

from __future__ import annotations

import os
import sys

import numpy
import pytest

from fastmmap import indexes, saved_index, unfinished
from fastmmap.descriptors import Held
from fastmmap.editing import journal
from fastmmap.logs import layout
from fastmmap.logs.header import Header

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX systems")
LOCK = b"fmlock\0\0" + b"\1" + bytes(7) + bytes(16)
NUMBERS = bytes(range(1, 17))


def test_a_header(tmp_path):
    path = tmp_path / "stage"
    with open(path, "w+b") as file:
        Header(NUMBERS, NUMBERS[::-1], 0x0102, 0x030405, 0x1122334455667788, True, True, 4096, "/a/log").write(
            file.fileno()
        )
    assert path.read_bytes()[:96] == (
        b"fmstage\0" + b"\1\0\0\0" + b"\3\0\0\0" + NUMBERS + NUMBERS[::-1]
        + b"\2\1\0\0\0\0\0\0" + b"\5\4\3\0\0\0\0\0" + b"\x88\x77\x66\x55\x44\x33\x22\x11" + b"\0\x10\0\0\0\0\0\0"
        + b"\6\0\0\0\0\0\0\0" + bytes(8)
    )  # fmt: skip
    assert path.read_bytes()[layout.PATH_AT :] == b"/a/log"


@POSIX
def test_a_lock(kernel, tmp_path):
    """It is begun by a kernel, and names the stage that it is told."""
    path = tmp_path / "lock"
    with open(path, "w+b", buffering=0) as file:
        assert kernel.settle(file.fileno(), layout.NO_NAME, None) is layout.Outcome.DONE
    assert path.read_bytes() == LOCK
    assert layout.LOCK.pack(layout.LOCK_MAGIC, layout.LOCK_VERSION, NUMBERS) == LOCK[:16] + NUMBERS


def test_what_instructions_store_has_the_machines_order():
    """A word is stored whole, by one instruction, and counts in this boot of this machine alone."""
    assert layout.WORD.pack(layout.word_of(7, 9)) == (7 << 32 | 9).to_bytes(8, sys.byteorder)
    numbers = 1, 2, 3, 4, 5
    assert layout.INTENT.pack(*numbers) == b"".join(number.to_bytes(8, sys.byteorder) for number in numbers)


def test_a_journal(tmp_path):
    plan = unfinished.Plan(1, 2, 3, 1000, 10, 20, -1, True, False, 64, "/a/file", ((b"cat", b"leopard"),), False)
    assert plan.head() == b"".join((
        b"\xfdfmedit\0", b"\x9f\x9f\n\x18", b"c\0\0\0",
        b"\1\0\0\0", b"\1\0\0\0\0\0\0\0", b"\2\0\0\0\0\0\0\0", b"\3\0\0\0\0\0\0\0", b"\xe8\3\0\0\0\0\0\0",
        b"\x0a\0\0\0\0\0\0\0", b"\x14\0\0\0\0\0\0\0", b"\xff" * 8, b"\1", b"\0", b"\x40\0\0\0", b"\7\0\0\0",
        b"\x12\0\0\0", b"/a/file", b"\3\0\0\0", b"\7\0\0\0", b"cat", b"leopard",
    ))  # fmt: skip
    path = tmp_path / "a.journal"
    file = Held(os.open(path, os.O_RDWR | os.O_CREAT))
    try:
        made = journal.Journal(str(path), file, plan)
        made.durable = False
        made.block[journal.SLOT_HEAD :][:3] = b"abc"
        state = journal.State(journal.Phase.EDIT, 0x0102, 0x0304, -1, 5)
        made.put(state, journal.Redo(journal.Kind.BYTES, 0x0506, 3), (7, 0x01020304))
    finally:
        file.close()
    assert path.read_bytes().lstrip(b"\0") == b"".join((
        b"\xfdfmedit\0", b"$h^\xbf", b"?\0\0\0",
        b"\1\0\0\0\0\0\0\0", b"\2", b"\2\1\0\0\0\0\0\0", b"\4\3\0\0\0\0\0\0", b"\xff" * 8, b"\5\0\0\0\0\0\0\0",
        b"\6\5\0\0\0\0\0\0", b"\1", b"\0", b"\0", b"\7\0\0\0", b"\4\3\2\1", b"abc",
    ))  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
def test_an_index_of_another_machine(tmp_path, order):
    """numpy says in a file which order its numbers have. What is loaded has this machine's: kernels take no other."""
    path = tmp_path / "a.index"
    facts = numpy.array([1, indexes.SAMPLED, indexes.TOTALLED, 0, 5, 0, 1, 5, 2**64 - 3], dtype=f"{order}u8")
    with open(path, "wb") as file:
        numpy.savez(
            file, facts=facts, before=numpy.array([0, 258], f"{order}i8"), inside=numpy.array([3], f"{order}u2")
        )
    counted = saved_index.load(path)
    assert (counted.before.tolist(), counted.inside.tolist(), counted.state) == ([0, 258], [3], (1, 5, -3))
    assert all(each.dtype.isnative for each in (counted.before, counted.inside))
