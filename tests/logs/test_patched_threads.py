"""Appenders where threads and their locks have been replaced, as gevent does it."""

from __future__ import annotations

import pytest
from support.marks import staged
from support.programs import run

# As gevent does it: threads become something that runs when somebody waits, and the modules' primitives with them.
PATCH = (
    "import sys, time, threading, _thread, queue\n"
    "class Patched:\n"
    "    def __init__(self, *a, **k): pass\n"
    "    def __getattr__(self, name): raise SystemExit(f'{name} of what was patched is used')\n"
    "    __enter__ = __exit__ = lambda self, *a: sys.exit('what was patched is used')\n"
    "def patch():\n"
    "    for module, names in ((threading, 'Thread Lock RLock Condition Event Semaphore _start_new_thread'),\n"
    "                          (_thread, 'start_new_thread'), (queue, 'Queue SimpleQueue')):\n"
    "        for name in names.split():\n"
    "            if hasattr(module, name): setattr(module, name, Patched)\n"
    "    def sleep(seconds): sys.exit('what was patched is used')\n"
    "    real, time.sleep = time.sleep, sleep\n"
    "    return real\n"
)


@staged
def test_threads_that_are_patched_after_the_import(tmp_path):
    code = PATCH + (
        "import os, fastmmap\n"
        "sleep = patch()\n"
        "log = fastmmap.Appender(sys.argv[1], interval=0.01)\n"
        "for i in range(3):\n"
        "    log.append(b'one\\n')\n"
        "    while os.path.getsize(sys.argv[1]) < 4 * (i + 1): sleep(0.001)\n"
        "log.append(b'end\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"one\n" * 3 + b"end\n"


@staged
@pytest.mark.parametrize("when", ["before", "after"])
def test_gevent(tmp_path, when):
    pytest.importorskip("gevent")
    patch = "import gevent.monkey; gevent.monkey.patch_all()\n"
    code = (
        (patch if when == "before" else "")
        + "import os, sys, threading, time, fastmmap\n"
        + (patch if when == "after" else "")
        + "log = fastmmap.Appender(sys.argv[1], interval=0.02)\n"
        "def work():\n"
        "    for i in range(100):\n"
        "        log.append(b'x\\n')\n"
        "        time.sleep(0.001)\n"
        "threads = [threading.Thread(target=work) for _ in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join()\n"
        "while os.path.getsize(sys.argv[1]) < 600: time.sleep(0.01)\n"
        "log.append(b'end\\n')\n"
    )
    assert run(code, tmp_path / "log") == (0, "", "")
    assert (tmp_path / "log").read_bytes() == b"x\n" * 300 + b"end\n"
