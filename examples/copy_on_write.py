"""A file changed for this process alone: what is stored never reaches the file, not even by flush."""

import tempfile
from pathlib import Path

import fastmmap as fm

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "template.txt")
    path.write_bytes(b"Dear NAME, thank you.\n")

    with fm.open(path, "c") as m:
        m.replace(b"NAME", b"Emma")
        m.flush()
        print("here:", m.read().decode(), end="")

    print("file:", path.read_text(), end="")
