"""Anonymous memory that a forked child shares: no file, and gone with the last process that has it."""

import os

import fastmmap as fm

with fm.open(None, size=4096) as m:
    child = os.fork()
    if child == 0:
        m[0:5] = b"hello"
        os._exit(0)
    os.waitpid(child, 0)
    print("the child wrote", m[0:5])
