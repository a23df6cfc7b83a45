"""Random numbers that the bytes of a case decide."""

from __future__ import annotations

import random


class Drawn(random.Random):
    """What a target draws from. Behind the end of the bytes the numbers go on, always the same.

    So every case is a string of bytes: an engine that knows nothing of needles and journals changes it byte by byte,
    and what is a file is the same case again.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__(0)
        self._data, self._at = data, 0

    def getrandbits(self, k: int) -> int:
        size = -(-k // 8)
        start, self._at = self._at, self._at + size
        if self._at > len(self._data):
            return super().getrandbits(k)
        return int.from_bytes(self._data[start : self._at], "little") >> (8 * size - k)

    def random(self) -> float:
        return self.getrandbits(16) / 65536
