"""What is searched for is made ready once, however many files there are. Calls are counted, not seconds."""

from __future__ import annotations

import re

import pytest

from fastmmap import _backend, needles, pairs, patterns
from fastmmap.cli import main

pytestmark = pytest.mark.any_kernel
native_only = pytest.mark.skipif(not _backend.NATIVE, reason="the reference makes an expression of each search")

SEVERAL = ["-e", "ab", "-e", "abc", "-e", "cd"]


@pytest.fixture
def calls(monkeypatch):
    """Counts the calls of a function, and tells how many there were since it was asked last."""

    def of(owner, name):
        number = [0]
        own = getattr(owner, name)

        def counted(*arguments, **options):
            number[0] += 1
            return own(*arguments, **options)

        def taken():
            done, number[0] = number[0], 0
            return done

        monkeypatch.setattr(owner, name, counted)
        return taken

    return of


@pytest.mark.parametrize(
    ("arguments", "owner", "name"),
    [
        (["grep", *SEVERAL], needles, "needles_bytes"),
        (["grep", "-i", *SEVERAL], needles, "needles_bytes"),
        (["grep", "-n", "-C", "1", *SEVERAL], needles, "needles_bytes"),
        (["grep", "--bytes", *SEVERAL], needles, "needles_bytes"),
        (["count", *SEVERAL], needles, "needles_bytes"),
        (["grep", "-E", r"ab+|cd\b"], patterns, "_read"),
        (["count", "-E", r"ab+|cd\b"], patterns, "_read"),
        (["grep", "-E", *SEVERAL], needles, "needles_bytes"),
        pytest.param(["count", "-E", *SEVERAL], re, "compile", marks=native_only),
        (["replace", "-n"], pairs.Pairs, "__init__"),
        pytest.param(["replace", "-n"], re, "escape", marks=native_only),
        (["replace"], pairs.Pairs, "__init__"),
    ],
)
def test_for_all_files(tmp_path, calls, capfd, arguments, owner, name):
    if arguments[0] == "replace":
        (tmp_path / "pairs").write_text("ab\tx\nabc\tyy\ncd\t\n")
        arguments = [*arguments, "--pairs", str(tmp_path / "pairs")]
    taken, numbers = calls(owner, name), []
    for turn, files in enumerate([1, 1, 30]):  # the first imports what is needed
        folder = tmp_path / f"folder {turn}"
        folder.mkdir()
        for number in range(files):
            (folder / str(number)).write_text("xab\nabcd, abcd\ncd\n\n" * 3)
        patterns._literals.cache_clear()
        patterns._spelled.cache_clear()
        assert main([*arguments, "-r", str(folder)]) == 0
        numbers.append(taken())
    assert len(capfd.readouterr().out.splitlines()) >= 30
    assert 0 < numbers[1] == numbers[2]
