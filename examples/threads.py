"""One mapping, many threads: a search releases the interpreter's lock, and close waits for nobody."""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fastmmap as fm

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "big.log")
    path.write_bytes(b"INFO all is well\nERROR it is not\n" * 100_000)

    with fm.open(path) as m, ThreadPoolExecutor() as pool:
        words = [b"INFO", b"ERROR", b"FATAL"]
        for word, count in zip(words, pool.map(m.count, words)):
            print(word.decode(), count)
