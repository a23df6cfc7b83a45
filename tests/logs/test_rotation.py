"""Logs that are renamed, removed and replaced while they are appended to, and reopen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from support.marks import each_stage, staged
from support.standing_in import as_system
from support.writers import ours

import fastmmap
from fastmmap import system
from fastmmap.logs import lock

pytestmark = each_stage


LARGE = b"L" * 70_000 + b"\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log"


def replaced(path):
    """As os.replace and replace_file do it: another file has the log's name."""
    other = path.with_name("other")
    other.write_bytes(b"other's\n")
    system.rename(str(other), str(path))


def removed_and_made(path):
    path.unlink()
    path.write_bytes(b"other's\n")


WAYS = {"removed": os.unlink, "replaced": replaced, "removed, then made": removed_and_made}


OPTIONS = {"plain": {}, "always in sync": {"sync": "always"}, "small": {"stage_size": 10}}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", ["flush", "large", "close", "sync", "tick"])
def test_a_log_without_a_name_is_opened_anew(names_go, path, way, what, options):
    """What is staged goes to the file that has its name then, and so does the record at hand."""
    log = fastmmap.Appender(path, **{"interval": None, **OPTIONS[options]})
    log.append(b"before\n")
    log.flush()
    log.append(b"staged\n") if options == "plain" else None
    WAYS[way](path)
    log.append(b"at hand\n")
    log.append(LARGE) if what == "large" else None
    if what in ("flush", "sync", "close"):
        getattr(log, what)()
    elif what == "tick":
        log._tick()
        log.flush()
    expected = b"" if way == "removed" else b"other's\n"
    expected += (b"staged\n" if options == "plain" else b"") + b"at hand\n" + (LARGE if what == "large" else b"")
    assert path.read_bytes() == expected
    assert log.position == len(b"before\n") + len(expected) - (0 if way == "removed" else 8)
    if what != "close":
        log.append(b"afterwards\n")
    log.close()
    assert path.read_bytes() == expected + (b"afterwards\n" if what != "close" else b"")
    assert os.listdir(path.parent) == ["log"]


def test_a_renamed_log_is_written_to_until_it_is_reopened(path):
    log = fastmmap.Appender(path, interval=None)
    log.append(b"one\n")
    path.rename(path.with_name("log.1"))
    log.append(b"two\n")
    log.flush()
    log.append(b"three\n")
    assert not path.exists()
    log.reopen()
    log.append(b"four\n")
    assert log.position == 19
    log.close()
    assert path.with_name("log.1").read_bytes() == b"one\ntwo\nthree\n"
    assert path.read_bytes() == b"four\n"
    assert sorted(os.listdir(path.parent)) == ["log", "log.1"]


def test_a_second_name_of_a_removed_log(names_go, path):
    with fastmmap.Appender(path, interval=None) as log:
        os.link(path, path.with_name("second"))
        path.unlink()
        log.append(b"one\n")
        log.flush()
        assert path.with_name("second").read_bytes() == b"one\n"
        assert not path.exists()


@staged
def test_a_log_whose_folder_is_gone(names_go, tmp_path, stage):
    """Its records wait until there is one again."""
    path = tmp_path / "folder" / "log"
    path.parent.mkdir()
    log = fastmmap.Appender(path, interval=None)
    log.append(b"one\n")
    shutil.rmtree(path.parent)
    for use in (log.flush, log.close, log.reopen, lambda: log.append(LARGE)):
        with pytest.raises(FileNotFoundError, match=f"'{path}'"):
            use()
    log.append(b"two\n")
    path.parent.mkdir()
    log.flush()
    assert path.read_bytes() == b"one\ntwo\n"
    assert log.survives_kill == (stage == "file")
    log.append(b"three\n")
    assert len(ours(path.parent, ".stage")) == (stage == "file"), "it has a stage anew"
    log.close()
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    assert os.listdir(path.parent) == ["log"]


def test_a_path_that_is_relative(tmp_path, monkeypatch):
    """It is meant from where the appender was made."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with fastmmap.Appender("log", interval=None) as log:
        monkeypatch.chdir("elsewhere")
        log.append(b"one\n")
        (tmp_path / "log").unlink()
        log.flush()
        (tmp_path / "log").rename(tmp_path / "log.1")
        log.reopen()
        log.append(b"two\n")
    assert (tmp_path / "log.1").read_bytes() == b"one\n"
    assert (tmp_path / "log").read_bytes() == b"two\n"
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_link_that_leads_elsewhere_now(tmp_path):
    link = tmp_path / "current"
    link.symlink_to("first")
    with fastmmap.Appender(link, interval=None) as log:
        log.append(b"one\n")
        link.unlink()
        link.symlink_to("second")
        log.reopen()
        log.append(b"two\n")
    assert (tmp_path / "first").read_bytes() == b"one\n"
    assert (tmp_path / "second").read_bytes() == b"two\n"


def test_reopened_when_nothing_has_changed(path):
    with fastmmap.Appender(path, interval=None) as log:
        before = ours(path.parent)
        log.append(b"one\n")
        log.reopen()
        assert path.read_bytes() == b"one\n"
        log.append(b"two\n")
        assert ours(path.parent) == before
    assert path.read_bytes() == b"one\ntwo\n"


def test_reopened_when_it_is_closed(path):
    log = fastmmap.Appender(path)
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.reopen()


@staged
def test_a_file_that_can_not_be_written_to_is_not_left(path, steps, monkeypatch):
    """reopen fails, and the records are where they were."""
    log = fastmmap.Appender(path, interval=None)
    log.append(b"one\n")
    path.rename(path.with_name("log.1"))

    @as_system
    def full(fd, pieces):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(system, "write_pieces", full)
        with pytest.raises(OSError, match="No space.*log"):
            log.reopen()
    log.append(b"two\n")
    log.close()
    assert path.with_name("log.1").read_bytes() == b"one\ntwo\n"


@staged
def test_a_stage_in_memory_for_a_passing_reason(path, monkeypatch, in_file):
    with monkeypatch.context() as patched:
        patched.setattr(system, "is_local", lambda fd: False)
        with pytest.warns(RuntimeWarning, match="staged in memory"):
            log = fastmmap.Appender(path, interval=None)
    log.append(b"one\n")
    assert not log.survives_kill
    log.reopen()
    assert log.survives_kill
    log.append(b"two\n")
    log.close()
    assert path.read_bytes() == b"one\ntwo\n"


@staged
@pytest.mark.parametrize("times", [1, 5])
def test_a_log_that_is_rotated_while_it_is_opened(path, monkeypatch, in_file, times):
    realpath, left = os.path.realpath, times

    def rotated(name):
        nonlocal left
        if name == str(path) and left:
            left -= 1
            path.rename(path.with_name(f"log.{left}"))
            path.touch() if left % 2 else None
        return realpath(name)

    with monkeypatch.context() as patched:
        patched.setattr(lock.os.path, "realpath", rotated)
        log = fastmmap.Appender(path, interval=None)
    assert log.survives_kill
    log.append(b"one\n")
    log.close()
    assert path.read_bytes() == b"one\n"


@staged
def test_what_a_killed_writer_had_staged_for_a_log_that_was_removed(path, in_file):
    """Once its appender has followed to the new one, that is where its stage belongs."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None)
        log.append(b"one\n")
        path.unlink()
        log.flush()
        log.append(b"two\n")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    assert path.read_bytes() == b"one\n"
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == b"one\ntwo\n"
    fastmmap.Appender(path).close()
    assert os.listdir(path.parent) == ["log"]


@staged
@pytest.mark.parametrize("step", ["write_at", "rename"])
def test_killed_while_it_follows(path, in_file, step):
    """After the header says whose the stage is, before its name does, or after."""
    child = os.fork()
    if child == 0:
        log = fastmmap.Appender(path, interval=None)
        log.append(b"one\n")
        path.unlink()
        done = getattr(system, step)

        def last(*arguments):
            done(*arguments)
            if step != "write_at" or (arguments[2] == 0 and bytes(arguments[1]).startswith(b"fmstage")):
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(system, step, last)
        log.flush()
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert fastmmap.recover(path) is True
    assert path.read_bytes() == b"one\n"
    fastmmap.Appender(path).close()
    assert [name for name in os.listdir(path.parent) if not name.endswith(".lock")] == ["log"]


@staged
def test_processes_that_share_a_log_that_is_replaced(names_go, path, in_file):
    """Each notices for itself."""
    code = (
        "import sys, fastmmap\n"
        "log = fastmmap.Appender(sys.argv[1], interval=None)\n"
        "for line in sys.stdin:\n"
        "    log.append(line)\n"
        "    log.flush()\n"
        "    print(flush=True)\n"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", code, path], **pipes) as one,
        subprocess.Popen([sys.executable, "-c", code, path], **pipes) as two,
    ):
        for i in range(6):
            for each in (one, two):
                print(i, file=each.stdin, flush=True)
                each.stdout.readline()
            assert path.read_text() == f"{i}\n{i}\n"
            path.unlink()
        one.stdin.close()
        two.stdin.close()
    assert [name for name in os.listdir(path.parent) if name.endswith(".stage")] == []


def test_threads_that_append_while_the_log_is_rotated(path):
    """Every record is in a file that was renamed, or in the last."""
    log = fastmmap.Appender(path, stage_size=2000, interval=0.001)
    counts, errors, stop = [0, 0], [], threading.Event()

    def work(name):
        try:
            while not stop.is_set() or counts[name] < 500:
                log.append(b"%d:%d\n" % (name, counts[name]))
                counts[name] += 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in range(2)]
    for thread in threads:
        thread.start()
    for i in range(60):
        if i % 3 == 0:
            path.rename(path.with_name(f"log.{i}"))
            log.reopen()
        elif i % 3 == 1:
            log.flush()
        else:
            log.reopen()
    stop.set()
    for thread in threads:
        thread.join()
    log.close()
    assert not errors
    data = b"".join(p.read_bytes() for p in sorted(path.parent.iterdir(), key=lambda p: int(p.suffix[1:] or 99)))
    lines = data.splitlines()
    for name in range(2):
        mine = [int(line.split(b":")[1]) for line in lines if line.startswith(b"%d:" % name)]
        assert mine == list(range(counts[name]))
    assert all(name.startswith("log") for name in os.listdir(path.parent))


def test_a_handler_that_reopens(path):
    """As for SIGHUP, of logrotate."""
    log = fastmmap.Appender(path, interval=None, stage_size=300)
    before = signal.signal(signal.SIGUSR1, lambda *_: log.reopen())
    try:
        for i in range(200):
            if i % 10 == 0:
                path.rename(path.with_name(f"log.{i}"))
                signal.raise_signal(signal.SIGUSR1)
            log.append(b"%d\n" % i)
    finally:
        signal.signal(signal.SIGUSR1, before)
    log.close()
    files = sorted(path.parent.iterdir(), key=lambda each: int(each.suffix[1:] or 999))
    assert [each.read_bytes() for each in files[1:]] == [
        b"".join(b"%d\n" % i for i in range(start, start + 10)) for start in range(0, 200, 10)
    ]


@staged
def test_what_was_flushed_before_a_reopen_is_safe_if_syncs_were_asked_for(path, monkeypatch):
    synced = []
    monkeypatch.setattr(system, "make_durable", lambda fd: synced.append(os.fstat(fd).st_ino))
    for options, is_synced in (({}, False), ({"sync": "interval"}, True)):
        log = fastmmap.Appender(path, **{"interval": 1000.0, **options})
        log.append(b"x")
        path.replace(path.with_name("log.1"))
        log.reopen()
        assert synced == [path.with_name("log.1").stat().st_ino] * is_synced
        log.close()
