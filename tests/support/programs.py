"""Programs that tests run in an interpreter of their own, and waiting for what they do."""

from __future__ import annotations

import subprocess
import sys
import time


def wait_until(condition):
    """Waits for what must come; the limit is only there so that a fault isn't a test that hangs."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.002)


def run(code, *arguments, **options):
    """Runs a program; its exit status, stdout and stderr."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, **options)
    return done.returncode, done.stdout, done.stderr
