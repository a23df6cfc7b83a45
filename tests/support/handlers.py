"""Records, and the files that handlers make of them."""

from __future__ import annotations

import logging
import os

import fastmmap

# How many records a process logs.
EACH = 3000


def record(text, level=logging.INFO, **more):
    return logging.makeLogRecord({"msg": text, "levelno": level, "levelname": logging.getLevelName(level), **more})


def files(folder):
    """What is in each file, but for ours."""
    return {name: (folder / name).read_bytes() for name in os.listdir(folder) if not name.startswith(".")}


def text(writer, number, length=60):
    return f"{writer}:{number}:{'x' * length}"


def log_all(path, writer, number=EACH, **options):
    """What a process does: it logs, and ends as programs end."""
    handler = fastmmap.LogHandler(path, **options)
    for each in range(number):
        handler.handle(record(text(writer, each)))
    handler.close()
