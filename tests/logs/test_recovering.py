"""What dead writers leave: found, trusted or not, and taken to its log once."""

from __future__ import annotations

import os
import stat
import struct
import subprocess
import sys

import pytest
from support.marks import forking, linux
from support.standing_in import as_system
from support.users import as_somebody, as_user
from support.writers import interrupted, killed, ours, stage_file

import fastmmap
from fastmmap import _system, staging
from fastmmap.draining import Log

pytestmark = [
    linux,
    forking,
]


def test_the_next_appender_recovers(tmp_path):
    path = tmp_path / "app.log"
    killed(path, b"one\n", "zwö\0\0")
    assert path.read_bytes() == b""
    assert len(ours(tmp_path, ".stage")) == 1
    with fastmmap.Appender(path) as log:
        assert path.read_bytes() == "one\nzwö\0\0".encode(), "trailing zeros are data"
        log.append(b"three\n")
        assert (log.position, log.size) == (6, 16)
    assert path.read_bytes() == "one\nzwö\0\0three\n".encode()
    assert os.listdir(tmp_path) == ["app.log"]


@pytest.mark.parametrize("of", ["the log", "the directory", "a link", "bytes", "a relative path"])
def test_recover(tmp_path, monkeypatch, of):
    path = tmp_path / "app.log"
    killed(path, b"one\n")
    killed(tmp_path / "other.log", b"other\n")
    (tmp_path / "link").symlink_to("app.log")
    monkeypatch.chdir(tmp_path)
    where = {"the log": path, "the directory": tmp_path, "a link": tmp_path / "link", "bytes": os.fsencode(path),
             "a relative path": "app.log"}[of]  # fmt: skip
    assert fastmmap.recover(where) is True
    assert path.read_bytes() == b"one\n"
    assert (tmp_path / "other.log").read_bytes() == (b"other\n" if of == "the directory" else b"")
    assert fastmmap.recover(where) is False
    assert fastmmap.recover(tmp_path) is (of != "the directory")
    assert sorted(os.listdir(tmp_path)) == ["app.log", "link", "other.log"]


def test_nothing_to_recover(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        fastmmap.recover(tmp_path / "missing")
    (tmp_path / "plain").write_bytes(b"text")
    assert fastmmap.recover(tmp_path / "plain") is False
    assert fastmmap.recover(tmp_path) is False


def test_writers_that_live_are_left_alone(tmp_path):
    path = tmp_path / "log"
    with fastmmap.Appender(path, interval=None) as log, fastmmap.Appender(path, interval=None) as other:
        log.append(b"mine\n")
        other.append(b"other's\n")
        killed(path, b"dead\n")
        assert fastmmap.recover(path) is True
        assert fastmmap.recover(path) is False
        assert path.read_bytes() == b"dead\n"
        assert (log.size, log.position) == (10, 5)
    assert path.read_bytes() == b"dead\nother's\nmine\n"
    assert os.listdir(tmp_path) == ["log"]


def test_globs_of_the_log_miss_what_is_beside_it(tmp_path):
    with fastmmap.Appender(tmp_path / "app.log") as log:
        log.append(b"x")
        assert [path.name for path in tmp_path.glob("app.log*")] == ["app.log"]
        assert len(ours(tmp_path)) == 2
        modes = {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in os.listdir(tmp_path)}
        assert modes == {0o644, 0o600}, "who may only read the log could lock them"


@pytest.mark.parametrize(
    ("mode", "beside"), [(0o600, 0o600), (0o644, 0o600), (0o664, 0o660), (0o666, 0o666), (0o622, 0o600)]
)
def test_a_stage_is_for_those_who_may_write_to_the_log(tmp_path, mode, beside):
    path = tmp_path / "log"
    path.touch()
    os.chmod(path, mode)
    with fastmmap.Appender(path):
        assert {stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ours(tmp_path)} == {beside}


@as_somebody
def test_a_log_of_a_group(reachable):
    """What is beside it is the group's, or nobody else's; the lock of its owner is left to them."""
    path = reachable / "log"
    path.touch()
    os.chown(path, 0, 0)
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o777)
    with fastmmap.Appender(path, interval=None) as log:

        def append(path):
            with fastmmap.Appender(path) as other:
                modes = {stat.S_IMODE(os.stat(path.parent / name).st_mode) for name in ours(path.parent, ".stage")}
                assert modes == {0o666, 0o606}, modes
                other.append(b"other's\n")

        assert as_user(path, append) == "done"
        log.append(b"owner's\n")
    assert path.read_bytes() == b"other's\nowner's\n"
    assert os.listdir(reachable) == ["log"]


@as_somebody
def test_a_planted_stage_of_somebody_else_s_version(tmp_path):
    path = tmp_path / "log"
    stage_file(path)
    planted = tmp_path / ".fastmmap-1-x.stage"
    planted.write_bytes(b"fmstage\0" + struct.pack("=I", 99) + bytes(10_000))
    os.chown(planted, 4321, 4321)
    with pytest.warns(RuntimeWarning, match="belongs to user 4321"):
        assert fastmmap.recover(tmp_path) is True
    assert path.read_bytes() == b"staged\n"


@as_somebody
@pytest.mark.parametrize("says", ["a path with NUL", "a relative path", "our log, with another inode"])
def test_a_planted_header(tmp_path, says):
    """What is in a stage is believed when it is known whose it is."""
    path = tmp_path / "log"
    path.touch()
    planted = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    name = {"a path with NUL": b"/a\0b", "a relative path": b"log"}.get(says, os.fsencode(path))
    header = staging.HEADER.pack(staging.MAGIC, staging.VERSION, 1, bytes(16), bytes(16), 0, 77, 0, 1, len(name))
    planted.write_bytes(header.ljust(4096, b"\0") + name.ljust(4096, b"\0") + bytes(2))
    os.chown(planted, 4321, 4321)
    ignored(path, "belongs to user 4321")
    if "path" in says:
        os.chown(planted, 0, 0)
        path.write_bytes(b"")
        refuses(path, planted, "damaged")


def test_a_renamed_stage(tmp_path):
    path = tmp_path / "log"
    stage_file(path).rename(tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage")
    ignored(path, "known by another name")


@as_somebody
def test_a_stage_of_another_group(tmp_path):
    """Which may write to it, but not to the log."""
    path = tmp_path / "log"
    path.touch()
    os.chmod(path, 0o664)
    stage = stage_file(path)
    assert stat.S_IMODE(stage.stat().st_mode) == 0o660
    os.chown(stage, 0, 4321)
    ignored(path, "others may write to it who may not write to the log")


@as_somebody
def test_a_rotated_log_that_nobody_may_write_to(reachable):
    """Its records wait; the new log's appender has a stage of its own all the same."""
    os.chmod(reachable, 0o777)

    def work(path):
        killed(path, b"old\n")
        path.rename(path.with_name("log.1"))
        os.chmod(path.with_name("log.1"), 0o440)
        with pytest.warns(RuntimeWarning, match="left alone: Permission denied"):
            log = fastmmap.Appender(path)
        assert log.survives_kill
        log.append(b"new\n")
        log.close()

    assert as_user(reachable / "log", work) == "done"
    assert (reachable / "log").read_bytes() == b"new\n"
    os.chmod(reachable / "log.1", 0o640)
    os.chown(reachable / "log.1", 4321, 4321)
    assert fastmmap.recover(reachable) is True
    assert (reachable / "log.1").read_bytes() == b"old\n"


def test_a_second_name_of_a_stage_in_a_drain(tmp_path, monkeypatch, steps):
    """As `cp -al` makes one: others wait for its writer, who alone knows that its drain is in the log."""
    path = tmp_path / "log"
    first, second = (fastmmap.Appender(path, interval=None) for _ in range(2))
    first.append(b"first\n")
    second.append(b"second\n")
    write = _system.write_pieces

    @as_system
    def part(fd, pieces):
        if part.calls:
            raise OSError(28, "No space left on device")
        part.calls += 1
        return write(fd, [memoryview(b"".join(pieces)[:3])])

    part.calls = 0
    with monkeypatch.context() as patched:
        patched.setattr(_system, "write_pieces", part)
        patched.setattr(_system, "truncate", lambda fd, size: part(fd, []))
        with pytest.raises(OSError, match="No space"):
            first.flush()
    assert path.read_bytes() == b"fir"
    stage = first._stage.path
    os.link(stage, tmp_path / "copy")
    with pytest.raises(OSError, match="several names"):
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
        with pytest.warns(RuntimeWarning, match="is ignored: it has several names"):
            log.flush()
    assert path.read_bytes() == b"s" * 50 + b"mine\n"


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
        with pytest.raises(OSError, match="gone.*its records are in here yet"):
            fastmmap.recover(where)
    assert (tmp_path / "other").read_bytes() == b"other\n", "that didn't keep others from being recovered"
    (stage,) = ours(tmp_path, ".stage")
    with pytest.warns(RuntimeWarning, match="left alone.*gone"), fastmmap.Appender(path) as log:
        log.append(b"x")
    assert path.read_bytes() == b"x"
    assert ours(tmp_path, ".stage") == [stage]
    assert b"staged\n" in (tmp_path / stage).read_bytes()


def test_a_number_that_is_another_file_s_now(tmp_path):
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
    monkeypatch.setattr(_system, "birth", lambda file: 0)
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


def test_a_stage_from_before_the_machine_started_anew(tmp_path, monkeypatch):
    path = tmp_path / "log"
    killed(path, b"staged\n")
    monkeypatch.setattr(_system, "boot", lambda: b"another boot ago")
    with pytest.warns(RuntimeWarning, match="from before the machine was started anew"):
        fastmmap.recover(path)
    assert path.read_bytes() == b""
    (aside,) = ours(tmp_path, ".aside")
    assert b"staged\n" in (tmp_path / aside).read_bytes()
    assert fastmmap.recover(path) is False
    with fastmmap.Appender(path) as log:
        log.append(b"x")
    assert path.read_bytes() == b"x"
    assert ours(tmp_path, ".aside") == [aside]


def refuses(path, stage, words):
    """recover and an appender leave a stage alone that can't be used, and say why."""
    before = stage.read_bytes()
    with pytest.raises(OSError, match=words) as caught:
        fastmmap.recover(path)
    assert caught.value.filename == str(stage)
    with pytest.warns(RuntimeWarning, match=f"left alone.*{words}"), fastmmap.Appender(path) as log:
        log.append(b"new\n")
    assert path.read_bytes() == b"new\n"
    assert stage.read_bytes() == before


def test_a_stage_of_another_version(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("=I", 99))
    refuses(path, stage, "Version 99 of the stage is unknown")


@pytest.mark.parametrize("size", [8192, 10_000, 1 << 22])
def test_a_stage_of_a_wrong_size(tmp_path, size):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.truncate(stage, size)
    refuses(path, stage, "damaged")


def test_a_stage_whose_word_is_damaged(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(staging.WORD_AT[0])
        file.write(struct.pack("=Q", 1 << 30))
    refuses(path, stage, "damaged")


def test_a_lock_of_another_version(tmp_path):
    path = tmp_path / "log"
    stage_file(path)
    with open(tmp_path / ours(tmp_path, ".lock")[0], "r+b") as file:
        file.seek(8)
        file.write(struct.pack("=Q", 7))
    with pytest.raises(OSError, match="Version 7 of the lock is unknown"), pytest.warns(RuntimeWarning, match="alone"):
        fastmmap.Appender(path)
    with pytest.raises(OSError, match="Version 7 of the lock is unknown"):
        fastmmap.recover(path)
    assert path.read_bytes() == b""


def ignored(path, words):
    """Both ways warn of a stage that can't be trusted, and leave it where it is."""
    with pytest.warns(RuntimeWarning, match=f"is ignored: .*{words}"):
        assert fastmmap.recover(path.parent) is False
    with pytest.warns(RuntimeWarning, match=f"is ignored: .*{words}"), fastmmap.Appender(path) as log:
        log.append(b"new\n")
    assert path.read_bytes() == b"new\n"


@pytest.mark.parametrize("planted", ["a link", "a directory", "a pipe", "text", "a second name"])
def test_a_planted_stage(tmp_path, planted):
    path = tmp_path / "log"
    path.touch()
    victim = tmp_path / "victim"
    victim.write_bytes(b"not ours\n")
    stage = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    words = "not a regular file"
    if planted == "a link":
        stage.symlink_to(victim)
        words = "not a regular file"
    elif planted == "a directory":
        stage.mkdir()
        words = "not a regular file"
    elif planted == "a pipe":
        os.mkfifo(stage)
    elif planted == "text":
        stage.write_bytes(b"nothing of the kind\n")
        words = "no stage"
    else:
        stage_file(path).rename(stage)
        os.link(stage, tmp_path / "second name")
        words = "several names"
    ignored(path, words)
    assert os.path.lexists(stage)
    assert victim.read_bytes() == b"not ours\n"


@as_somebody
def test_a_stage_of_somebody_else(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.chown(stage, 4321, 4321)
    ignored(path, "belongs to user 4321")
    os.chown(path, 4321, 4321)
    assert fastmmap.recover(path) is True, "the log's owner may"
    assert path.read_bytes() == b"new\nstaged\n"


def test_a_stage_that_others_may_write_to(tmp_path):
    path = tmp_path / "log"
    stage = stage_file(path)
    os.chmod(stage, 0o666)
    ignored(path, "others may write to it")


@pytest.mark.parametrize("planted", ["a link", "a directory", "text"])
def test_a_planted_lock(tmp_path, planted):
    """There is no writing under a lock that isn't ours: the stage is memory then, and says so."""
    path = tmp_path / "log"
    path.touch()
    lock = tmp_path / f".fastmmap-{path.stat().st_ino:x}.lock"
    if planted == "a link":
        lock.symlink_to(tmp_path / "victim")
    elif planted == "a directory":
        lock.mkdir()
    else:
        lock.write_bytes(b"nothing of the kind at all, but longer\n")
    with pytest.warns(RuntimeWarning, match="staged in memory.*is ignored"):
        log = fastmmap.Appender(path)
    assert not log.survives_kill
    log.append(b"x")
    log.close()
    assert path.read_bytes() == b"x"
    assert not (tmp_path / "victim").exists()


def test_an_unfinished_stage_is_removed(tmp_path):
    path = tmp_path / "log"
    path.touch()
    stage = tmp_path / f".fastmmap-{path.stat().st_ino:x}-{'0' * 32}.stage"
    for content in (b"", bytes(100_000)):
        stage.write_bytes(content)
        assert fastmmap.recover(path) is True
        assert os.listdir(tmp_path) == ["log"]


@as_somebody
def test_root_s_stage_belongs_to_the_log_s_owner(tmp_path):
    path = tmp_path / "log"
    path.touch()
    os.chown(path, 4321, 4321)
    with fastmmap.Appender(path):
        assert {os.stat(tmp_path / name).st_uid for name in os.listdir(tmp_path)} == {4321}


@as_somebody
def test_a_directory_that_can_not_be_written_to(reachable):
    path = reachable / "log"
    path.touch()
    os.chmod(path, 0o666)
    os.chmod(reachable, 0o755)
    stages = reachable / "stages"
    stages.mkdir()
    os.chmod(stages, 0o777)

    def append(path):
        with pytest.warns(RuntimeWarning, match="staged in memory.*no file can be made beside it .Permission denied"):
            log = fastmmap.Appender(path)
        with log:
            assert not log.survives_kill
            log.append(b"in memory\n")
        with fastmmap.Appender(path, stage_dir=stages) as log:
            assert log.survives_kill
            log.append(b"in a file\n")
        with pytest.raises(PermissionError, match=str(reachable)):
            fastmmap.Appender(path, stage_dir=reachable)

    assert as_user(path, append) == "done"
    assert path.read_bytes() == b"in memory\nin a file\n"
    assert sorted(os.listdir(reachable)) == ["log", "stages"]


def test_a_stage_dir(tmp_path):
    path, stages = tmp_path / "log", tmp_path / "stages"
    with pytest.raises(FileNotFoundError, match="stages"):
        fastmmap.Appender(path, stage_dir=stages)
    stages.mkdir()
    killed(path, b"one\n", stage_dir=stages)
    assert os.listdir(tmp_path) == ["stages", "log"] or sorted(os.listdir(tmp_path)) == ["log", "stages"]
    assert fastmmap.recover(path) is False
    assert fastmmap.recover(stages) is True
    killed(path, b"two\n", stage_dir=stages)
    killed(path, b"beside it\n")
    with fastmmap.Appender(path, stage_dir=os.fsencode(stages)) as log:
        log.append(b"three\n")
    assert sorted(path.read_bytes().splitlines()) == [b"beside it", b"one", b"three", b"two"]
    assert sorted(os.listdir(tmp_path)) == ["log", "stages"]
    assert os.listdir(stages) == []
    with pytest.raises(NotADirectoryError, match="log"):
        fastmmap.Appender(path, stage_dir=path)


def test_a_stage_on_another_filesystem(tmp_path, small_disk):
    path = tmp_path / "log"
    killed(path, b"one\n", stage_dir=small_disk, stage_size=10_000)
    killed(small_disk / "other", b"other\n", stage_size=10_000)
    assert fastmmap.recover(small_disk) is True
    assert path.read_bytes() == b"one\n"
    assert os.listdir(small_disk) == ["other"]


def test_no_filesystem_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(_system, "is_local", lambda fd: False)
    path = tmp_path / "log"
    with pytest.warns(RuntimeWarning, match="staged in memory.*on no filesystem of this machine that is known") as said:
        log = fastmmap.Appender(path)
    assert said[0].filename == __file__
    with log:
        assert not log.survives_kill
        assert os.listdir(tmp_path) == ["log"]
    with pytest.raises(OSError, match="A stage needs a filesystem of this machine"):
        fastmmap.Appender(path, stage_dir=tmp_path)


def test_two_names_of_a_log_in_one_directory(tmp_path):
    """They are one log: they share its lock, and whoever opens the one recovers what was left by the other."""
    path, link = tmp_path / "log", tmp_path / "second"
    path.touch()
    os.link(path, link)
    killed(path, b"one\n")
    killed(link, b"two\n")
    assert fastmmap.recover(link) is True
    assert path.read_bytes() in (b"one\ntwo\n", b"two\none\n")
    assert sorted(os.listdir(tmp_path)) == ["log", "second"]


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


def test_identical_records_are_each_one(tmp_path):
    """Nothing is taken for drained because the same bytes stand where it would have gone."""
    path = tmp_path / "log"
    for _ in range(3):
        killed(path, b"tick\n" * 3)
    with fastmmap.Appender(path) as log:
        log.append(b"tick\n")
    assert path.read_bytes() == b"tick\n" * 10


def test_a_log_by_a_path_that_is_no_name_of_it(tmp_path):
    """A deleted file that is reached by its descriptor has no directory to put a stage in."""
    fd = os.memfd_create("log") if hasattr(os, "memfd_create") else pytest.skip("no memory files")
    with pytest.warns(RuntimeWarning, match="staged in memory.*can't be found by its path"):
        log = fastmmap.Appender(f"/proc/self/fd/{fd}")
    with log:
        assert not log.survives_kill
        log.append(b"x")
    assert os.pread(fd, 10, 0) == b"x"
    os.close(fd)


def test_the_command(tmp_path):
    path = tmp_path / "app.log"
    killed(path, b"one\n")

    def command(*arguments):
        done = subprocess.run(
            [sys.executable, "-m", "fastmmap", "recover", *arguments], capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout, done.stderr

    assert command(path) == (0, "recovered\n", "")
    assert command(tmp_path) == (0, "nothing to recover\n", "")
    assert path.read_bytes() == b"one\n"
    stage = stage_file(path)
    with open(stage, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("=I", 99))
    status, out, err = command(tmp_path / "nowhere", path)
    assert (status, out) == (2, "")
    assert err.splitlines()[0].endswith("nowhere: No such file or directory")
    assert "Version 99 of the stage is unknown" in err
    assert "Traceback" not in err


def test_a_log_that_can_not_be_read_is_staged_in_memory(tmp_path, monkeypatch):
    path = tmp_path / "log"
    monkeypatch.setattr(Log, "_reopen", lambda self, flags: "it may not be read")
    with pytest.warns(RuntimeWarning, match="staged in memory.*it may not be read"):
        log = fastmmap.Appender(path)
    with log:
        assert not log.survives_kill
        log.append(b"x")
    assert path.read_bytes() == b"x"


HOLDER = """
import fcntl, pathlib, sys, time
file = open(sys.argv[1], "r+b")
fcntl.flock(file, fcntl.LOCK_EX)
print(flush=True)
time.sleep(0.3)
pathlib.Path(sys.argv[2]).touch()
"""


def test_a_stopped_writer_holds_the_others_up_no_longer_than_it_stands_still(tmp_path):
    """Documented: a drain waits for the lock, appends into a stage with room don't."""
    path = tmp_path / "log"
    path.touch()
    lock = tmp_path / f".fastmmap-{path.stat().st_ino:x}.lock"
    with fastmmap.Appender(path, interval=None) as log:
        holder = subprocess.Popen([sys.executable, "-c", HOLDER, lock, tmp_path / "released"], stdout=subprocess.PIPE)
        holder.stdout.readline()
        log.append(b"staged\n")
        log.flush()
        assert (tmp_path / "released").exists()
        holder.communicate()
    assert path.read_bytes() == b"staged\n"
