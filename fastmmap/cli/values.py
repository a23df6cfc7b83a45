"""Values of options and arguments: texts converted to what they mean. ValueError for what means nothing."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}

# The letters of a unit, and how many bytes it has: as in GNU's tools, M and MiB are 2 ** 20, MB is 10 ** 6.
_UNITS = {"K": 1, "M": 2, "G": 3, "T": 4}


def unescaped(text: bytes) -> bytes:
    r"""Text with \n, \r, \t, \0, \xHH and \\ replaced by the bytes that they stand for. ValueError for all others."""
    if b"\\" not in text:
        return text
    import re

    def byte(match: re.Match[bytes]) -> bytes:
        escape = match[1]
        if escape[:1] == b"x" and len(escape) == 3:
            return bytes.fromhex(escape[1:].decode())
        if escape not in _ESCAPES:
            known = r"\n, \r, \t, \0, \xHH (two hexadecimal digits) and \\"
            raise ValueError(f"{os.fsdecode(match[0])} is not an escape: the escapes are {known}")
        return _ESCAPES[escape]

    return re.sub(rb"(?s)\\(x[0-9a-fA-F]{2}|.|$)", byte, text)


def literal(text: str, escapes: bool) -> bytes:
    """An argument as bytes: those it has, or those that its escapes stand for."""
    data = os.fsencode(text)
    return unescaped(data) if escapes else data


def whole(text: str) -> int:
    """A number from 0 on."""
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise ValueError(f"invalid number: {text!r}")
    number = int(text)
    if text.startswith("-"):
        raise ValueError(f"{number} is negative")
    return min(number, sys.maxsize)


def threads(text: str) -> int:
    """A number of threads."""
    number = whole(text)
    if not number:
        raise ValueError("there must be a thread at least")
    return number


def size(text: str) -> int:
    """A number of bytes, as in 1000, 64K, 64M, 64MiB, 64MB or 1G."""
    digits = text.rstrip("BbiIKkMmGgTt")
    unit = text[len(digits) :].upper()
    base = 1000 if unit.endswith("B") and "I" not in unit else 1024
    power = 0 if unit in ("", "B") else _UNITS.get(unit.removesuffix("B").removesuffix("I"), -1)
    if not (digits.isascii() and digits.isdigit()) or int(digits) == 0 or power < 0:
        raise ValueError(f"{text!r} is not a size such as 256M, 64MiB or 64MB")
    bytes_of_unit: int = base**power
    return min(int(digits) * bytes_of_unit, sys.maxsize)


def seconds(text: str) -> float:
    """A number of seconds."""
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a number of seconds") from None
    if not number >= 0:
        raise ValueError(f"{text!r} is not a number of seconds from 0 on")
    return number


class OneOf:
    """One of some words."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def __call__(self, text: str) -> Any:
        if text not in self.choices:
            raise ValueError(f"{text!r} is none of {', '.join(self.choices)}")
        return text
