"""Memory by name, for processes that don't descend from each other: on no disk, until it is removed."""

import os
import subprocess
import sys

import fastmmap as fm

NAME = f"fastmmap-example-{os.getpid()}"
OTHER = "import sys, fastmmap as fm; fm.open_shared(sys.argv[1])[0:5] = b'hello'"

with fm.open_shared(NAME, size=4096) as m:
    subprocess.run([sys.executable, "-c", OTHER, NAME], check=True)
    print("the other process wrote", m[0:5])
    m.unlink()  # nothing else removes it, neither close nor the end of a process
