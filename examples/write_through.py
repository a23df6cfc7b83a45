"""A file changed through its mapping: a store is a write, and flush waits for the disk."""

import tempfile
from pathlib import Path

import fastmmap as fm

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "numbers.txt")
    path.write_bytes(b"one two three\n")

    with fm.open(path, "r+") as m:
        m[4:7] = b"TWO"
        m.append("four\n")  # the file grows with the mapping
        m.replace(b"three", b"THREE")
        m.flush()  # on the disk; flush(0, 7) for a part, flush(wait=False) not to wait

    print(path.read_text(), end="")
