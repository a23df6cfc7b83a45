"""Records, and the files that handlers make of them."""

from __future__ import annotations

import logging
import os


def record(text, level=logging.INFO, **more):
    return logging.makeLogRecord({"msg": text, "levelno": level, "levelname": logging.getLevelName(level), **more})


def files(folder):
    """What is in each file, but for ours."""
    return {name: (folder / name).read_bytes() for name in os.listdir(folder) if not name.startswith(".")}
