"""Drains whose writer failed or died in the midst of them are finished by others, once."""

from __future__ import annotations

import os

import pytest
from support.marks import staged
from support.standing_in import as_system
from support.writers import interrupted, ours

import fastmmap
from fastmmap import system

pytestmark = staged


def test_a_second_name_of_a_stage_in_a_drain(tmp_path, monkeypatch, steps):
    """As `cp -al` makes one: others wait for its writer, who alone knows that its drain is in the log."""
    path = tmp_path / "log"
    first, second = (fastmmap.Appender(path, interval=None) for _ in range(2))
    first.append(b"first\n")
    second.append(b"second\n")
    write = system.write_pieces

    @as_system
    def part(fd, pieces):
        if part.calls:
            raise OSError(28, "No space left on device")
        part.calls += 1
        return write(fd, [memoryview(b"".join(pieces)[:3])])

    part.calls = 0
    with monkeypatch.context() as patched:
        patched.setattr(system, "write_pieces", part)
        patched.setattr(system, "truncate", lambda fd, size: part(fd, []))
        with pytest.raises(OSError, match="No space"):
            first.flush()
    assert path.read_bytes() == b"fir"
    stage = first._stage.path
    os.link(stage, tmp_path / "copy")
    with pytest.raises(OSError, match="several hard links"):
        second.flush()
    first.flush()
    second.close()
    first.close()
    assert path.read_bytes() == b"first\nsecond\n"


def test_a_pipe_in_the_place_of_a_stage_in_a_drain(tmp_path):
    """It is ignored, as it is elsewhere: others go on."""
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        interrupted(path, 50)
        (stage,) = (name for name in ours(tmp_path, ".stage") if name != os.path.basename(log._stage.path))
        (tmp_path / stage).unlink()
        os.mkfifo(tmp_path / stage)
        log.append(b"mine\n")
        with pytest.warns(RuntimeWarning, match="is ignored: it is not a regular file"):
            log.flush()
    assert path.read_bytes() == b"s" * 50 + b"mine\n"


def test_a_dead_writer_s_stage_in_a_drain_has_a_second_name(tmp_path):
    """It is ignored, with a warning, and others go on."""
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        interrupted(path, 50)
        stages = [name for name in ours(tmp_path, ".stage") if name != os.path.basename(log._stage.path)]
        os.link(tmp_path / stages[0], tmp_path / "copy")
        log.append(b"mine\n")
        with pytest.warns(RuntimeWarning, match="is ignored: it has several hard links"):
            log.flush()
    assert path.read_bytes() == b"s" * 50 + b"mine\n"


@pytest.mark.parametrize("cut", [0, 1, 99, 100, 2000, 3100])
@pytest.mark.parametrize("then", ["an appender", "another writer's drain", "recover"])
def test_a_drain_that_was_interrupted(tmp_path, cut, then):
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    with fastmmap.Appender(path, interval=None) as other:
        interrupted(path, cut)
        assert path.stat().st_size == 7 + cut
        if then == "an appender":
            fastmmap.Appender(path).close()
        elif then == "recover":
            assert fastmmap.recover(path) is True
        other.append(b"other\n")
        other.flush()
        whole = b"before\n" + b"s" * 99 + b"\n" + b"L" * 2999 + b"\n"
        if then == "another writer's drain" and cut == 0:
            assert path.read_bytes().startswith(whole), "a drain that was named is finished first"
        assert path.read_bytes() == whole + b"other\n"
        fastmmap.recover(path)
        assert path.read_bytes() == whole + b"other\n"


@pytest.mark.parametrize("cut", [100, 4096 - 7, 3 * 4096 - 7, 200_100])
def test_a_large_record_that_was_interrupted(tmp_path, cut):
    """It was in no stage, and its append never returned: it is there as a whole, or not at all."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    interrupted(path, cut, 200_000)
    fastmmap.recover(path)
    small = b"before\n" + b"s" * 99 + b"\n"
    assert path.read_bytes() == (small + b"L" * 199_999 + b"\n" if cut == 200_100 else small)


@pytest.mark.parametrize("cut", [0, 1, 50, 100, 3100])
def test_with_a_writer_of_another_kind_nothing_is_lost(tmp_path, cut):
    """It takes no lock: what is interrupted may come twice, or in part once more, but it comes."""
    path = tmp_path / "log"
    interrupted(path, cut, foreign=b"foreign\n")
    fastmmap.recover(path)
    data = path.read_bytes()
    assert data.startswith(b"foreign\n")
    assert data.endswith(b"s" * 99 + b"\n" + b"L" * 2999 + b"\n")
