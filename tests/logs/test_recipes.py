"""The examples of docs/how-to/logging.md, each run as it stands, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "logging.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S) if PAGE.exists() else []

# What each leaves, and what is printed.
EXPECTED = [
    (r"app\.log", r"INFO started\n.*ERROR it is late\n", ""),
    (r"app\.jsonl", r'"level":"WARNING","event":"sold out","article":17\}\n', ""),
    (r"events\.jsonl", r'"event":"sold","level":"info"\}\n', ""),
    (r"rotated\.log", r"^sold 17\n", ""),
    (r"out\.txt", r"^total: 17\narticle,17\r\ndone\n$", ""),
    (r"app\.log", "one", r"b'one\\n'\nb'two\\n'\n"),
]


@pytest.mark.skipif(not PAGE.exists(), reason="the pages aren't here")
def test_all_are_known():
    assert len(BLOCKS) == len(EXPECTED)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_an_example(tmp_path, number):
    code = BLOCKS[number]
    for name in ("orjson", "structlog", "loguru"):
        if re.search(f"^(import|from) {name}", code, re.M) and find_spec(name) is None:
            pytest.skip(f"there is no {name}")
    if os.name != "posix" and '"echo"' in code:
        pytest.skip("this system has no program echo")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    name, text, printed = EXPECTED[number]
    (file,) = (path for path in tmp_path.iterdir() if re.fullmatch(name, path.name))
    found = file.read_bytes().decode()
    assert re.search(text, found), found
    lines = done.stdout.replace(r"\r\n", r"\n")  # as Windows has them in files of text
    assert re.fullmatch(printed, lines), done.stdout
    if file.suffix == ".jsonl":
        for line in found.splitlines():
            json.loads(line)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
