"""A log that is written to and followed at once."""

from __future__ import annotations

import fastmmap


def add(path, text):
    with open(path, "ab") as file:
        file.write(text)


def now(path, start=0):
    """What is there now, by one follower."""
    return fastmmap.follow(path, start=start, timeout=0)


def rotate(path, keeps):
    """As logrotate does it: the oldest goes, and its inode may be the new file's."""
    numbered = [path.with_name(f"app.log.{number}") for number in range(1, keeps + 1)]
    numbered[-1].unlink(missing_ok=True)
    for older, newer in zip(reversed(numbered), reversed(numbered[:-1])):
        if newer.exists():
            newer.rename(older)
    path.rename(numbered[0])
    path.touch()
