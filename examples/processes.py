"""A large file searched by several processes: a mapping is sent to them as path, mode and range."""

import multiprocessing
import tempfile
from pathlib import Path

import fastmmap as fm


def work(m: fm.MappedFile, start: int, end: int) -> int:
    return m.count(b"ERROR", start, end, threads=1)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.log")
        path.write_bytes(b"INFO all is well\nERROR it is not\n" * 100_000)

        with fm.open(path) as m, multiprocessing.get_context("spawn").Pool(2) as pool:
            # Ranges that end with a newline: no line is split between two workers.
            counts = pool.starmap(work, [(m, start, end) for start, end in m.ranges(4)])
        print(sum(counts), "errors in", len(counts), "ranges")


if __name__ == "__main__":
    main()
