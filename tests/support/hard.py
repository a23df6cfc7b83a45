"""Needles and texts that cost a simple search much, for the tests and for tools/worst_case.py."""

from __future__ import annotations


def hard(length, size):
    """Pairs of a needle and a text that simple searches take length * size steps for."""
    half = length // 2
    texts = {
        "a^n": b"a" * size,
        "a^(k-1) b": ((b"a" * (length - 1) + b"b") * (size // length + 1))[:size],
        "a^(k-2) b": ((b"a" * max(length - 2, 1) + b"b") * (size // max(length - 1, 2) + 1))[:size],
        "periodic": ((b"ab" * (length // 2) + b"aa") * (size // length + 1))[:size],
    }
    for needle in (
        b"a" * length,
        b"a" * (length - 1) + b"b",
        b"b" + b"a" * (length - 1),
        b"a" * half + b"b" + b"a" * (length - half - 1),
        (b"ab" * half)[:length],
        (b"aaaaaaab" * half)[:length],
        (b"ab" * half)[: length - 1] + b"c",
    ):
        for name, text in texts.items():
            yield needle, name, text
