"""Some cases of the campaign in tools/thread_faults.py, whose kinds say what is promised."""

from __future__ import annotations

import os

import pytest

from fastmmap import _backend

KINDS = ("at_lines", "by_timer", "large", "starts", "limits", "forks", "forks_of_progress", "forks_of_others", "nested")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system doesn't fork")
@pytest.mark.parametrize("kind", KINDS)
def test_a_kind(tool, kind):
    if kind == "starts" and not _backend.NATIVE:
        pytest.skip("the reference starts no thread")
    said = tool("thread_faults.py", kind)
    assert said.startswith(f"{kind}: ")
    assert said.endswith(" cases\n")
