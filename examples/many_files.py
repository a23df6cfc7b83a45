"""A folder of logs searched by any executor: processes here, threads or a cluster in the same words."""

import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import fastmmap as fm


def errors(path: Path) -> list[fm.Match]:
    return list(fm.grep(path, b"ERROR", before=1))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for number in range(20):
            lines = [b"INFO %d is well\n" % line if line % 97 else b"ERROR %d is not\n" % line for line in range(1000)]
            Path(folder, f"{number}.log").write_bytes(b"".join(lines))
        paths = sorted(Path(folder).glob("*.log"))

        with ProcessPoolExecutor(2) as executor:
            counts = dict(zip(paths, executor.map(partial(fm.count, needle=b"ERROR"), paths, chunksize=8)))
            each = sum(executor.map(partial(fm.count_each, needles=[b"INFO", b"ERROR"]), paths, chunksize=8))
            found = [match for matches in executor.map(errors, paths, chunksize=8) for match in matches]

        assert counts == {path: fm.count(path, b"ERROR") for path in paths}
        print(sum(counts.values()), "errors in", len(counts), "files;", each.tolist(), "of each word")
        print(found[1].number, found[1].before, found[1].line)


if __name__ == "__main__":
    main()
