"""The proofs: the table has them all, each can fail, and the page has the figures that are kept."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = sorted((ROOT / "docs" / "proofs").glob("*.txt"))

pytestmark = [
    pytest.mark.any_kernel,
    pytest.mark.skipif(not (ROOT / "tools" / "proofs").is_dir(), reason="the tools aren't here"),
]


@pytest.fixture
def table(monkeypatch):
    return imported(monkeypatch, "table")


@pytest.fixture
def keeping(monkeypatch):
    return imported(monkeypatch, "keeping")


def imported(monkeypatch, name):
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module(f"tools.proofs.{name}")


def test_each_campaign_is_a_proof(table):
    """What can be run for long."""
    run = {word for proof in table.PROOFS.values() for word in proof.command(long=False)}
    campaigns = [path for path in (ROOT / "tools").glob("*.py") if '"--long"' in path.read_text()]
    assert campaigns
    for path in campaigns:
        assert f"tools/{path.name}" in run, path.name


def test_what_is_run_is_there(table):
    for proof in table.PROOFS.values():
        words = proof.runs.split()
        place = words[1].replace(".", "/") if words[0] == "-m" else words[0].removesuffix(".py")
        assert (ROOT / f"{place}.py").exists() or (ROOT / place / "__main__.py").exists(), proof.name
        assert proof.command(long=True)[0] == sys.executable


def test_what_has_checked_nothing_has_failed(table):
    proof = table.Proof("name", "what it shows", "tools/none.py", (r"([\d,]+) kills", r"^(\d+) records$"))
    assert proof.figure("1,000 kills\n7 records\n") == "1,000 kills; 7 records"
    for said in ("", "0 kills\n7 records\n", "1,000 kills\n", "10 kills\n7 records\n0 records\n"):
        with pytest.raises(ValueError, match="name: noth"):
            proof.figure(said)


DUMP = """\
desc: Trigger: Client Request: avx2|2|find
events: Ir
ob=(1) /usr/lib/libpython3.so
fl=(1) call.c
fn=(1) call
10 1000
cob=(2) /somewhere/fastmmap/_search.cpython-311-x86_64-linux-gnu.so
cfn=(2) find
calls=1 0
+1 77
ob=(2)
fn=(2)
0 40
+3 2
cob=(1)
cfn=(1)
calls=2 10
* 5000
ob=(1)
fn=(3) other
12 9
"""


def test_instructions_are_those_of_the_extensions_alone(monkeypatch):
    assert imported(monkeypatch, "instructions").own_instructions(DUMP) == 42


def test_the_dearest_needle_of_each_length(monkeypatch):
    counts = {"avx2": {"hard find once a": 3.0, "hard find twice a": 1.0, "hard find once b": 2.0, "find": 1.0}}
    instructions = imported(monkeypatch, "instructions")
    assert instructions.dearest(counts) == {"find": [(3.0, "a"), (1.0, "a")]}
    assert counts == {"avx2": {"find": 1.0}}
    assert instructions.compare(counts, {"avx2": {"find": 1.0}}, 1.03) == []
    assert instructions.compare(counts, {"avx2": {"find": 0.9}}, 1.03) != []
    assert instructions.compare(counts, {}, 1.03) != []


def test_lines_that_were_not_reached(monkeypatch):
    lines_reached = imported(monkeypatch, "lines_reached")
    assert lines_reached.ranges([3, 5, 6, 7, 9]) == "3, 5-7, 9"
    assert lines_reached.share({"a": {1: True, 2: False}, "b": {1: True, 2: True}}).strip() == "75.0 % of 4 lines"


def test_what_is_kept_has_no_paths_of_a_machine(keeping):
    said = f"rootdir: {keeping.ROOT}\n{keeping.ROOT}/src/a.c  \n{sys.prefix}/lib\n{keeping.ROOT}s\n"
    kept = keeping.cleaned(said)
    assert kept.startswith("rootdir: .\n./src/a.c\n$PREFIX/lib\n")


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_output(path, table, keeping):
    header, _, output = path.read_text().partition("\n\n")
    names = [line.split(":")[0] for line in header.splitlines()]
    assert names == ["date", "commit", "command", "which runs", "CPU", "kernels", "Python", "OS"]
    assert re.search(rf"^command: +python -m tools.proofs --(short|long) {path.stem}$", header, re.M)
    assert table.PROOFS[path.stem].figure(output)
    assert not re.search(r"(?<![\w.])/(home|root|tmp|Users|work)/", header + output)


def test_the_page_has_the_kept_figures(keeping):
    page = keeping.PAGE.read_text()
    assert "<!-- figures -->" in page
    assert keeping.with_table(page) == page, "python -m tools.proofs --page writes it anew"
