"""Calls that are done step by step: searches in streams, and those of the reference that tell how far they are."""

from __future__ import annotations

import os

from . import _imports, parallel
from .line_windows import size_of
from .many import verbs_of
from .reference.arguments import (
    END,
    buffer_within,
    check_limit,
    check_threads,
    clamp,
    index_or,
    needle_bytes,
    several,
    storage,
)
from .streams import StreamSearch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def in_stream(kernel: str, verb: str, stream: Any, needle: Any, span: tuple[Any, Any], options: dict[str, Any]) -> Any:
    """find, count or iter_find in a stream. `options` are named as theirs."""
    check_threads(options.get("threads"))
    start, end = index_or(span[0], 0), index_or(span[1], END)
    how = {"overlapping": bool(options.get("overlapping")), "ignorecase": bool(options["ignorecase"])}
    search = StreamSearch(verbs_of(kernel).kernel, stream, needle, (start, end), how)
    if options.get("progress") is not None:
        search.report_to(options["progress"])
    if verb == "find":
        return next(search.offsets(), -1)
    return search.count() if verb == "count" else search.offsets()


def in_blocks(verb: str, buffer: Any, needle: Any, span: tuple[Any, Any], options: dict[str, Any]) -> Any:
    """find, rfind, count or find_all by the reference in a buffer, block by block. `options` are named as theirs."""
    if isinstance(needle, several):
        return getattr(verbs_of("python"), verb)(buffer, needle, *span, **options)
    own, start, end = needle_bytes(needle), index_or(span[0], 0), index_or(span[1], END)
    check_threads(options.pop("threads"))
    progress, limit = options.pop("progress"), options.pop("limit", None)
    most = None if limit is None else check_limit(limit)
    if isinstance(buffer, (str, os.PathLike)):
        buffer = buffer_within(buffer, start, end)
    kernel = _imports.load("fastmmap.reference.search")
    start, end = clamp(start, end, size_of(buffer))
    if not own or end - start < len(own):  # nothing takes time
        found = getattr(kernel, verb)(buffer, own, start, end, **options)
    else:
        hay = parallel.Haystack(buffer, start, end, progress)
        hay.most = most
        found = getattr(parallel, verb)(kernel, hay, own, *map(bool, options.values()), 1)
    return found if most is None else found[:most].copy()


def line_starts_in_blocks(buffer: Any, span: tuple[int, int], progress: Any) -> Any:
    """line_starts by the reference in a buffer, block by block."""
    if isinstance(buffer, (str, os.PathLike)):
        buffer = buffer_within(buffer, *span)
    start, end = clamp(*span, size_of(buffer))
    kernel = _imports.load("fastmmap.reference.search")
    if start >= end:
        return kernel.find_all(b"", b"x")
    return parallel.line_starts(kernel, parallel.Haystack(buffer, start, end, progress), 1)


def replace_in_blocks(buffer: Any, old: bytes, new: bytes, span: tuple[int, int], progress: Any) -> int:
    """replace by the reference in a buffer, block by block."""
    storage(buffer, "replace").release()  # what can't be written to is refused as ever
    replacing = _imports.load("fastmmap.reference.replace")
    hay = parallel.Haystack(buffer, *clamp(*span, size_of(buffer)), progress)
    return parallel.replace(replacing, hay, _imports.load("fastmmap.reference.search").rfind, old, new, 1)
