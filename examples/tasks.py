"""Searching without holding up an event loop: each call in a thread, which doesn't hold the interpreter's lock."""

import asyncio
import tempfile
from pathlib import Path

import fastmmap as fm


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "big.log")
        path.write_bytes(b"INFO all is well\nERROR it is not\n" * 100_000)

        with fm.open(path) as m:
            words = [b"INFO", b"ERROR", b"FATAL"]
            counts = await asyncio.gather(*(asyncio.to_thread(m.count, word) for word in words))
        for word, count in zip(words, counts):
            print(word.decode(), count)


asyncio.run(main())
