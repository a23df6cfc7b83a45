"""Logs that were renamed, removed or cut before the records of dead writers came to them."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest
from support.marks import staged
from support.writers import killed, ours

import fastmmap
from fastmmap import system

pytestmark = staged


@pytest.mark.parametrize("name", ["log.1", "log-20261125", "older"])
def test_a_log_that_was_renamed(tmp_path, name):
    """As rotation does it: the records belong to the old file."""
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    killed(path, b"staged\n")
    path.rename(tmp_path / name)
    path.write_bytes(b"new\n")
    assert fastmmap.recover(path) is True
    assert (tmp_path / name).read_bytes() == b"before\nstaged\n"
    assert path.read_bytes() == b"new\n"


def test_a_log_that_is_gone(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"before\n")
    killed(path, b"staged\n")
    killed(tmp_path / "other", b"other\n")
    path.unlink()
    (tmp_path / "keeps the inode from being used again").write_bytes(b"")
    for where in (path, tmp_path):
        with pytest.raises(OSError, match="gone.*still has its records"):
            fastmmap.recover(where)
    assert (tmp_path / "other").read_bytes() == b"other\n", "that didn't keep others from being recovered"
    (stage,) = ours(tmp_path, ".stage")
    with pytest.warns(RuntimeWarning, match="left alone.*gone"), fastmmap.Appender(path) as log:
        log.append(b"x")
    assert path.read_bytes() == b"x"
    assert ours(tmp_path, ".stage") == [stage]
    assert b"staged\n" in (tmp_path / stage).read_bytes()


def test_a_number_that_is_another_file_s_now(births, tmp_path):
    """The log is gone, and its inode was used again: no records go there."""
    path = tmp_path / "log"
    killed(path, b"staged\n")
    number = path.stat().st_ino
    path.unlink()
    (tmp_path / "another").write_bytes(b"precious")
    if (tmp_path / "another").stat().st_ino != number:
        pytest.skip("this filesystem uses no inode again at once")
    with pytest.raises(OSError, match="gone"):
        fastmmap.recover(tmp_path)
    fastmmap.Appender(tmp_path / "another").close()
    assert (tmp_path / "another").read_bytes() == b"precious"


def test_a_log_is_never_shorter_than_it_was(tmp_path, monkeypatch):
    """Where no birth is known, a file of another name must be as long as the log was."""
    monkeypatch.setattr(system, "birth", lambda file: 0)
    path = tmp_path / "log"
    path.write_bytes(b"before\n" * 100)
    killed(path, b"staged\n")
    path.rename(tmp_path / "another")
    os.truncate(tmp_path / "another", 0)
    with pytest.raises(OSError, match="gone"):
        fastmmap.recover(tmp_path)
    assert (tmp_path / "another").read_bytes() == b""


def test_copytruncate_loses_nothing(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log:
        log.append(b"first\n")
        log.flush()
        log.append(b"second\n")
        os.truncate(path, 0)
        log.append(b"third\n")
        killed(path, b"dead\n")
        os.truncate(path, 0)
    fastmmap.recover(path)
    assert sorted(path.read_bytes().splitlines()) == [b"dead", b"second", b"third"]


def test_an_empty_stage_of_a_log_that_is_gone_is_removed(tmp_path, in_file):
    path = tmp_path / "log"
    for use in (lambda: fastmmap.recover(path), lambda: fastmmap.recover(path.parent), lambda: fastmmap.Appender(path)):
        killed(path)
        path.unlink()
        path.with_name("keeps the number from being used again").write_bytes(b"")
        path.touch()
        assert len(ours(path.parent)) == 2
        result = use()
        if isinstance(result, fastmmap.Appender):
            result.close()
        else:
            assert result is True
        assert ours(path.parent) == []


def test_how_to_get_records_out_whose_log_is_gone(births, tmp_path, in_file):
    path = tmp_path / "log"
    killed(path, b"one\n", b"two\n", stage_size=100)
    path.unlink()
    path.with_name("keeps the number from being used again").write_bytes(b"")
    path.touch()
    (stage,) = ours(path.parent, ".stage")
    with pytest.raises(OSError, match="gone.*still has its records: 8 bytes from byte (8192|8292) on") as caught:
        fastmmap.recover(path)
    start = int(str(caught.value).split("from byte ")[1].split()[0])
    assert (path.parent / stage).read_bytes()[start : start + 8] == b"one\ntwo\n"
    with pytest.warns(RuntimeWarning, match="gone") as said:
        log = fastmmap.Appender(path, interval=None)
    log.append(b"x")
    log.flush()
    log.close()
    assert len(said) == 1
    with suppress(FileNotFoundError):
        (path.parent / stage).unlink()
