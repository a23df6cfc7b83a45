"""A Dask cluster of two workers, one of which is killed in the midst: the results are those of one process."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from dask.distributed import Client, LocalCluster

import fastmmap as fm


def found(path, started, start, end):
    """What stands in a range. The first task of each worker tells its process, and waits until the other one does."""
    Path(started, str(os.getpid())).touch()
    while len(os.listdir(started)) < 2:
        time.sleep(0.01)
    time.sleep(0.05)  # so that the kill below finds some that are at work
    with fm.open(path, offset=start, size=end - start) as part:
        matches = [(start + match.offset, match.line) for match in fm.grep(part, b"ERROR")]
        return matches, part.count(b"INFO"), part.count_each([b"INFO", b"ERROR"]).tolist()


def main():
    path, started = Path(sys.argv[1]), Path(sys.argv[2])
    with fm.open(path) as m:
        ranges = m.ranges(24)
        expected = [
            ([(low + x.offset, x.line) for x in fm.grep(m[low:high], b"ERROR")], m.count(b"INFO", low, high))
            for low, high in ranges
        ]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        results = executor.map(partial(found, path, started), *zip(*ranges))
        while len(os.listdir(started)) < 2:
            time.sleep(0.01)
        killed = int(os.listdir(started)[0])
        os.kill(killed, signal.SIGKILL)
        got = list(results)
    assert [each[:2] for each in got] == expected
    assert sum(each[1] for each in got) == sum(each[2][0] for each in got)
    print(sum(each[1] for each in got), "lines")


if __name__ == "__main__":
    main()
