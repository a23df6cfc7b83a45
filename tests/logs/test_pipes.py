"""Logs that are pipes or devices: what they have no room for waits, and none comes twice."""

from __future__ import annotations

import os
import threading

import pytest
from support.lacks import proc
from support.marks import each_stage

import fastmmap

pytestmark = each_stage


@proc
def test_pipes_and_devices(tmp_path):
    read, write = os.pipe()
    with fastmmap.Appender(f"/proc/self/fd/{write}") as log:
        assert not log.survives_kill
        log.append(b"through a pipe\n")
        log.append(b"L" * 30_000)
        log.flush()
        with pytest.raises(OSError, match="fd"):
            log.sync()
        log.append(b"!")
    os.close(write)
    with open(read, "rb") as file:
        assert file.read() == b"through a pipe\n" + b"L" * 30_000 + b"!"
    with fastmmap.Appender(os.devnull) as log:
        log.append_many([b"x" * 1000] * 5000)
        assert log.position == 5_000_000


@proc
def test_a_pipe_that_blocks_nobody(tmp_path):
    """What it has no room for waits, large records as well; none comes twice, or in part."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    log = fastmmap.Appender(f"/proc/self/fd/{write}", interval=None, stage_size=50_000)
    os.set_blocking(write, True)  # the appender has opened it anew
    os.set_blocking(log._log.file.fd, False)
    os.close(write)
    accepted, got, refused = [], [], 0
    for i in range(60):
        record = b"%03d" % i + b"x" * (10_000 if i % 7 else 300_000) + b"\n"
        try:
            log.append(record)
            accepted.append(record)
        except BlockingIOError:
            refused += 1
            got.append(os.read(read, 40_000))
    assert refused > 5
    assert log.position == sum(map(len, accepted))
    os.set_blocking(log._log.file.fd, True)
    closer = threading.Thread(target=log.close)
    closer.start()
    while part := os.read(read, 1 << 16):
        got.append(part)
    closer.join()
    os.close(read)
    assert b"".join(got) == b"".join(accepted)


def test_a_fifo_waits_for_its_reader(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got = []

    def read():
        with open(path, "rb") as file:
            got.append(file.read())

    reader = threading.Thread(target=read)
    reader.start()
    with fastmmap.Appender(path) as log:
        log.append(b"x" * 100_000)
    reader.join(10)
    assert got == [b"x" * 100_000]
