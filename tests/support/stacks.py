"""How small a stack a thread may have in this Python: 32 KiB, or from 3.14 on what Python itself needs."""

from __future__ import annotations

import threading


def smallest() -> int:
    before = threading.stack_size()
    for size in range(1 << 15, 1 << 20, 1 << 12):
        try:
            threading.stack_size(size)
        except ValueError:
            continue
        threading.stack_size(before)
        return size
    raise AssertionError("no size below 1 MiB is accepted")


SMALLEST = smallest()
