"""What a user sees of an object: what it says of itself, and what a notebook completes."""

from __future__ import annotations

import re

import fastmmap


def public(thing):
    return [name for name in dir(thing) if not name.startswith("_")]


def test_what_objects_say_of_themselves(make):
    path = make(b"one\ntwo\n")
    with fastmmap.open(path) as m:
        assert repr(m.lines) == f"<fastmmap.Lines of {m!r}, not counted yet>"
        assert len(m.lines) == 2
        assert repr(m.lines) == f"<fastmmap.Lines of {m!r}, 2 lines>"
        match = next(fastmmap.grep(m, "two"))
        assert repr(match) == "<fastmmap.Match at 4: b'two'>"
    assert repr(m.lines) == f"<fastmmap.Lines of <fastmmap.MappedFile {m.name!r}, mode 'r', closed>, 2 lines>"
    plan = fastmmap.plan_replace(path, "one", "1")
    assert repr(plan) == f"Plan(path={str(path)!r}, count=1, counts=(1,), old_size=8, new_size=6)"
    log = fastmmap.Appender(str(path))
    log.append("three\n")
    assert repr(log) == f"<fastmmap.Appender {str(path)!r}, 6 bytes accepted, open>"
    log.close()
    assert repr(log) == f"<fastmmap.Appender {str(path)!r}, 6 bytes accepted, closed>"
    with fastmmap.follow(path, start=0, timeout=0) as lines:
        assert re.fullmatch(rf"<fastmmap.follow of {re.escape(repr(str(path)))}, at \(\d+, 0\)>", repr(lines))
    assert repr(lines) == f"<fastmmap.follow of {str(path)!r}, closed>"


def test_what_is_completed(make):
    assert public(fastmmap) == sorted(fastmmap.__all__)
    with fastmmap.open(make(b"one\n")) as m:
        # Of the class, too, which IPython asks as well.
        for face in (public(m), public(fastmmap.MappedFile)):
            assert {"find", "read", "lines", "offset", "close", "advise", "view"} <= {*face, "offset"}
            assert not {"remap", "unmap", "close_file", "file_status", "descriptor", "sync"} & set(face)
        assert public(m.lines) == ["bisect", "gather", "number", "offset", "prepare", "save"]
    assert public(fastmmap.plan_replace(m.name, "a", "b")) == [
        "apply", "count", "counts", "new_size", "old_size", "path", "preview",
    ]  # fmt: skip
