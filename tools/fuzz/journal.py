"""Recovery of edits in place: killed at any step, with the power lost, and by journals that are damaged or planted.

A journal that is damaged is an error, or of no consequence: the edit comes to its end, or nothing is touched and it
comes there once the journal is whole again. A journal with checksums that fit is believed, because it is its owner's:
whatever it says, the answer is an end or an OSError, and no other file is touched.
"""

from __future__ import annotations

import os
import random
import struct
import warnings
import zlib
from pathlib import Path

import pytest
from support.killed_edits import Killed, Machine, a_case, in_any_case, kill_until_done, replaced, small_steps

import fastmmap
from fastmmap.editing import moving
from fastmmap.editing.journal import _STATE
from fastmmap.unfinished import _FIELDS, HEAD, MAGIC
from tools.fuzz import texts

OTHER = b"nobody's business\n" * 20
ODD = (0, 1, 2, 3, 7, 255, 4096, 2**16, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1, 2**64 - 1)


def case(rng: random.Random, folder: Path) -> None:
    if rng.random() < 0.4:
        kill_until_done(folder, rng, power=rng.random() < 0.5, ignorecase=rng.random() < 0.3)
        return
    with pytest.MonkeyPatch.context() as patch:
        small_steps(patch, rng)
        patch.setattr(moving, "SAMPLE", 4096)  # which has all of such a file: what has changed is seen
        left = half_edited(rng, folder)
        if left is not None:
            (folder / "other").write_bytes(OTHER)
            rng.choice((whole, damaged, damaged, planted, edited_meanwhile))(rng, folder, *left)
            assert (folder / "other").read_bytes() == OTHER


def half_edited(rng: random.Random, folder: Path) -> tuple[Path, bytes] | None:
    """An edit that was killed, and what it is to come to. None if it came to its end, or hadn't begun."""
    data, pairs, most = a_case(rng)
    ignorecase = rng.random() < 0.2
    if ignorecase:
        data, pairs = in_any_case(rng, data), {in_any_case(rng, old): new for old, new in pairs.items()}
    path = folder / "file"
    path.write_bytes(data)
    machine = Machine(folder, rng)
    with pytest.MonkeyPatch.context() as patch:
        machine.patch(patch)
        machine.arm(rng.randint(5, rng.choice((20, 60, 200))))
        try:
            fastmmap.replace_file(
                path, pairs, count=most, in_place=True, durable=rng.choice((None, True)), threads=1,
                ignorecase=ignorecase,
            )  # fmt: skip
        except Killed:
            pass
        else:
            return None
    if not journals(folder):
        assert path.read_bytes() == data or path.read_bytes() == replaced(data, pairs, most, ignorecase)[0]
        return None
    return path, replaced(data, pairs, most, ignorecase)[0]


def journals(folder: Path) -> list[Path]:
    return [each for each in folder.iterdir() if each.name.endswith(".journal")]


def recovered(rng: random.Random, path: Path) -> bool | OSError:
    """What recover says, by the file, its folder or the journal. An error says what is wrong, and of which file."""
    kind = rng.choice(("file", "folder", "journal"))
    place = {"file": path, "folder": path.parent, "journal": journals(path.parent)[0]}[kind]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of journals that can't be trusted
        try:
            return fastmmap.recover(place)
        except OSError as error:
            texts.check_error(error)
            return error


def whole(rng: random.Random, folder: Path, path: Path, want: bytes) -> None:
    """However it is asked for; under another name, too."""
    if rng.random() < 0.3:
        path = path.rename(folder / "renamed")
    assert recovered(rng, path) is True
    assert path.read_bytes() == want
    assert not journals(folder)


def damaged(rng: random.Random, folder: Path, path: Path, want: bytes) -> None:
    """Bits, pages or the end of the journal are other ones, or are gone."""
    (name,) = journals(folder)
    kept, before = name.read_bytes(), path.read_bytes()
    name.write_bytes(harmed(rng, kept))
    answer = recovered(rng, path)
    if answer is True:
        assert path.read_bytes() == want, "a damaged journal was believed"
        return
    # By the name of a file, or in a folder, what isn't a journal may be none.
    assert isinstance(answer, OSError) or not name.read_bytes().startswith(MAGIC), answer
    assert path.read_bytes() == before, f"{answer!r}, and the file was touched"
    name.write_bytes(kept)
    whole(rng, folder, path, want)


def harmed(rng: random.Random, data: bytes) -> bytes:
    kind = rng.randrange(4)
    page = rng.randrange(-(-len(data) // 4096)) * 4096
    if kind == 0:  # where there is something, at the beginning of a page
        places = range(page, min(page + 200, len(data)))
        for at in rng.sample(places, min(rng.choice((1, 1, 2, 8)), len(places))):
            data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        return data
    if kind == 1:
        return data[: rng.randrange(len(data))]
    if kind == 2:
        return data[:page] + bytes(len(data[page : page + 4096])) + data[page + 4096 :]
    return data[:page] + rng.randbytes(len(data[page : page + 64])) + data[page + 64 :]


def planted(rng: random.Random, folder: Path, path: Path, want: bytes) -> None:
    """Numbers in the journal are other ones, with checksums that fit."""
    (name,) = journals(folder)
    data = bytearray(name.read_bytes())
    for _ in range(rng.choice((1, 1, 2, 4))):
        starts = [at for at in range(0, len(data), 4096) if data[at : at + 8] == MAGIC]
        change(rng, data, rng.choice(starts))
    name.write_bytes(data)
    answer = recovered(rng, path)
    assert answer in (True, False) or isinstance(answer, OSError)
    assert path.exists()
    if journals(folder):  # nor is another edit of it taken for one of a whole file
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for call in (fastmmap.plan_replace, fastmmap.replace_file):
                try:
                    call(path, b"a", b"b")
                except OSError as error:
                    texts.check_error(error)


def change(rng: random.Random, data: bytearray, at: int) -> None:
    """Another number in what begins there, a head or a slot, whose checksum is made anew."""
    _, _, length = HEAD.unpack_from(data, at)
    layout = _FIELDS if at == 0 else _STATE
    fields = list(layout.unpack_from(data, at + HEAD.size))
    which = rng.randrange(len(fields))
    value = rng.choice((*ODD, fields[which] + 1, fields[which] - 1, rng.choice(fields)))
    fields[which] = bool(value) if isinstance(fields[which], bool) else int(value)
    for shift in (64, 63, 32, 8):  # the first at which they fit
        try:
            layout.pack_into(data, at + HEAD.size, *fields)
            break
        except struct.error:
            fields[which] %= 1 << shift
    else:
        return
    length = min(length, len(data) - at - HEAD.size)
    if rng.random() < 0.2:
        length = rng.choice((length + 1, length - 1, layout.size, rng.randrange(layout.size, layout.size + 300)))
    body = bytes(data[at + HEAD.size : at + HEAD.size + length])
    HEAD.pack_into(data, at, MAGIC, zlib.crc32(body), length)


def edited_meanwhile(rng: random.Random, folder: Path, path: Path, want: bytes) -> None:
    """Somebody has changed the file since, or taken it away."""
    kind = rng.randrange(4)
    data = path.read_bytes()
    if kind == 0:
        path.write_bytes(data + texts.some(rng, b"ab", 30) + b"!")
    elif kind == 1:
        os.truncate(path, rng.randrange(len(data) + 1))
    elif kind == 2:
        path.write_bytes(texts.mutated(rng, data))
    else:
        path.unlink()
        path.write_bytes(data)
    before = path.read_bytes()
    answer = recovered(rng, path)
    if isinstance(answer, OSError) and not journals(folder):
        raise AssertionError(f"{answer!r}, and the journal is gone")
    if kind == 3:
        assert answer is not True
        assert path.read_bytes() == before
