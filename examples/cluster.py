"""A folder of logs, and one large file in ranges, searched by the workers of a Dask cluster: pip install fastmmap[dask]

What a worker is given is a path and a range. It must see the file under that path, as on a shared file system.
"""

import tempfile
from functools import partial
from pathlib import Path

from dask.distributed import Client, LocalCluster

import fastmmap as fm


def errors(path: Path, start: int = 0, end: int | None = None) -> list[tuple[int, bytes]]:
    """Offsets and lines with an error, of a file or of a range of it that begins and ends with lines."""
    with fm.open(path, offset=start, size=None if end is None else end - start) as part:
        return [(start + match.offset, match.line) for match in fm.grep(part, b"ERROR")]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(10):
            lines = [b"INFO %d is well\n" % line if line % 97 else b"ERROR %d is not\n" % line for line in range(1000)]
            Path(folder, f"{number}.log").write_bytes(b"".join(lines))
        paths = sorted(Path(folder).glob("*.log"))
        large = Path(folder, "large")
        large.write_bytes(b"".join(path.read_bytes() for path in paths) * 20)

        with (
            LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
            client.get_executor(pure=False) as executor,
        ):
            counts = dict(zip(paths, executor.map(partial(fm.count, needle=b"ERROR"), paths)))
            each = sum(executor.map(partial(fm.count_each, needles=[b"INFO", b"ERROR"]), paths))
            found = dict(zip(paths, executor.map(errors, paths)))
            with fm.open(large) as m:
                # Each worker gets the mapping as path and range. No line is split between two.
                starts, ends = zip(*m.ranges(8))
                in_ranges = sum(executor.map(partial(fm.count, m, b"ERROR"), starts, ends))
                lines = [line for part in executor.map(partial(errors, large), starts, ends) for line in part]

        assert counts == {path: fm.count(path, b"ERROR") for path in paths}
        assert found == {path: errors(path) for path in paths}
        assert lines == errors(large)
        print(sum(counts.values()), "errors in", len(counts), "files;", each.tolist(), "of each word")
        print(in_ranges, "errors in", len(starts), "ranges of one file; the last:", lines[-1])


if __name__ == "__main__":
    main()
