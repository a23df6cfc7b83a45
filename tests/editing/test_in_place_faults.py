"""Edits in place when something goes wrong: each system call fails or is the last; kills, power losses at any step."""

from __future__ import annotations

import random

import pytest
from support.fail import KILL_INSIDE, MODES
from support.faulty_in_place import VARIANTS
from support.killed_edits import kill_until_done
from support.lacks import without

import fastmmap

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(fastmmap.kernel == "python", reason="the steps are the same, and were tried with a kernel"),
]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", [*MODES, KILL_INSIDE])
def test_each_call_fails_or_is_the_last(faulty, variant, mode):
    assert faulty("faulty_in_place.py", variant, mode) > 25


@pytest.mark.parametrize("power", [False, True])
def test_killed_at_any_step(memory_path, power):
    """A sample of what tools/in_place_kills.py does; edits of random bytes, until each is done."""
    kills = 0
    for seed in range(80):
        kills += kill_until_done(memory_path, random.Random(seed), power)
    assert kills > 40


@without("os.fork")
def test_killed_at_any_time(tool):
    assert "brought to its end each time" in tool("in_place_kills.py")
