"""What test_sharing.py runs in another process, in a module that a process which is spawned can import."""

from __future__ import annotations


def search(pipe):
    """Answers with what a mapping that comes through the pipe holds."""
    m = pipe.recv()
    pipe.send((m.find(b"needle"), m[-3:], m.mode))
    m.close()
