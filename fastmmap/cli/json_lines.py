"""What grep --json prints: ripgrep's messages, one in each line."""

from __future__ import annotations

import base64
import json
import os

from .printing import Stats, Walk, spans_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

    from .._backend import Match
    from .files import Put
    from .sources import Source


class Messages(Walk):
    """Prints the messages about one file: none where nothing is found."""

    def __init__(self, file: str, put: Put, pattern: re.Pattern[bytes] | None, source: Source) -> None:
        super().__init__(numbered=True)
        name = "<stdin>" if file == "-" else file
        self._path, self._put, self._pattern, self._source = _text(os.fsencode(name)), put, pattern, source
        self._begun = False

    def show(self, matches: list[Match]) -> None:
        """Prints lines that match, with those around them."""
        if matches and not self._begun:
            self._begun = True
            self._put(message("begin", {"path": self._path}))
        for match in matches:
            self._show_with_others(match)

    def end(self, stats: Stats) -> None:
        """Prints what was found in all."""
        if self._begun:
            self._put(message("end", {"path": self._path, "binary_offset": None, "stats": facts(stats)}))

    def _line(self, is_match: bool, number: int, offset: int, line: bytes) -> None:
        spans = spans_of(line, self._pattern) if is_match else []
        submatches = [{"match": _text(line[low:high]), "start": low, "end": high} for low, high in spans]
        data = {
            "path": self._path,
            "lines": _text(line + b"\n" * self._is_ended(offset + len(line))),
            "line_number": number + 1,
            "absolute_offset": offset,
            "submatches": submatches,
        }
        self._put(message("match" if is_match else "context", data))

    def _is_ended(self, end: int) -> bool:
        """Whether a newline ends the line that ends there: the last one may have none."""
        source = self._source
        if source.data is not None:
            return end < len(source.data)
        return end < source.searched or source.ends_line


def message(kind: str, data: dict[str, Any]) -> bytes:
    """One message."""
    return json.dumps({"type": kind, "data": data}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def summary(stats: Stats, seconds: float) -> bytes:
    """The last message."""
    return message("summary", {"elapsed_total": _duration(seconds), "stats": facts(stats)})


def facts(stats: Stats) -> dict[str, Any]:
    """Numbers about a file, or all of them."""
    return {
        "elapsed": _duration(stats.seconds),
        "searches": stats.searches,
        "searches_with_match": stats.searches_with_match,
        "bytes_searched": stats.bytes_searched,
        "bytes_printed": stats.bytes_printed,
        "matched_lines": stats.matched_lines,
        "matches": stats.matches,
    }


def _duration(seconds: float) -> dict[str, Any]:
    whole = int(seconds)
    return {"human": f"{seconds:.6f}s", "nanos": int((seconds - whole) * 1e9), "secs": whole}


def _text(data: bytes) -> dict[str, str]:
    """Text where it is UTF-8, and base64 where it isn't."""
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        return {"bytes": base64.b64encode(data).decode()}
