"""The needles of the bench: the same in every run, there or nowhere as they should be, and their numbers right.

The checksums of the texts are those of the corpora, in test_bench.py.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import io
import json
import random

import pytest
from rich.console import Console

from bench import charts, corpora, engines, needles, report, run, texts
from bench.measure import WrongAnswer
from bench.needles import Measured

sample = functools.cache(needles.sample)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("texts")


@pytest.mark.parametrize("name", texts.KINDS)
def test_a_text_is_whole_lines_that_differ(name):
    text = corpora.unit(name)[: texts.SIZE]
    assert len(text) == texts.SIZE
    assert corpora.unit(name) == text * (corpora.UNIT // texts.SIZE)
    lines = [line for line in text.decode(texts.KINDS[name].encoding).splitlines() if len(line) > 40]
    assert len(set(lines)) > 0.7 * len(lines)


def test_there_are_over_a_hundred_needles():
    assert len(texts.KINDS) * needles.EACH > 100


@pytest.mark.parametrize("name", texts.KINDS)
def test_needles_are_there_and_near_misses_nowhere(name):
    data = corpora.unit(name)[: 2 * texts.SIZE]
    assert len(sample(name)) == needles.EACH
    for needle in sample(name):
        assert needles.SHORTEST <= len(needle.cut) <= needles.LONGEST
        assert needle.cut in data
        assert needle.near_miss not in data
        assert [a == b for a, b in zip(needle.cut, needle.near_miss)].count(False) == 1
        assert set(needle.near_miss) <= set(data)
        assert needle.cut.decode(texts.KINDS[name].encoding)
    assert sample(name) == needles.sample(name)


def test_a_near_miss_does_not_lie_across_a_seam():
    """The end of a text and its start are as much a part of it as what is between them."""
    text = b"bab" + b"a" * 20 + b"b"
    for seed in range(50):
        assert needles.near_miss(b"bbab", text + text[:4], random.Random(seed)) not in text * 2


def measured(*ratios):
    return [Measured("text", b"%d" % number, {"ours": 2.0, "peer": 2 * ratio}) for number, ratio in enumerate(ratios)]


def test_the_distribution_of_known_numbers():
    assert needles.distribution(measured(8, 0.5, 2), "peer", "ours") == {
        "mean": pytest.approx(2),
        "tenth": 0.5,
        "worst": 0.5,
        "needle": "'1'",
        "text": "text",
    }
    ratios = list(range(1, 109))
    random.Random(3).shuffle(ratios)
    found = needles.distribution(measured(*ratios), "peer", "ours")
    assert (found["tenth"], found["worst"], found["needle"]) == (11, 1, repr(str(ratios.index(1))))


def test_the_first_engine_is_what_others_are_compared_with():
    ours, peer = needles.timings(measured(1, 4), ["ours", "peer"])
    assert (ours["seconds"], ours["ratios"]) == (pytest.approx(2), {})
    assert (peer["seconds"], peer["low"], peer["high"]) == (pytest.approx(4), 2, 8)
    assert peer["ratios"]["mean"] == pytest.approx(2)


def test_a_needle_is_shown_as_what_python_reads():
    for needle in (b"a\n'\"[bold]", "да".encode(), b"\xd0\0"):
        literal = eval(needles.shown(needle))
        assert (literal.encode() if isinstance(literal, str) else literal) == needle


def test_what_can_be_typed():
    typed = {
        needle: needles.Needle("csv", needle, b"").is_typed for needle in (b"a b", b"-a", b"a\nb", b"\0ab", b"\xd0")
    }
    assert [needle for needle, can_be in typed.items() if can_be] == [b"a b"]


@pytest.mark.parametrize("verb", needles.ASKED)
@pytest.mark.parametrize("liar", ["fastmmap, 1 thread", "bytes"])
def test_a_wrong_answer_fails_the_run(folder, verb, liar):
    def lying(engine):
        truth = engine.verbs[verb]
        return dataclasses.replace(engine, verbs={verb: lambda job: truth(job) + 1})

    chosen = needles.chosen_engines([], process=False)
    of_texts = [sample("csv"), sample("utf-16")]
    needles.run_row(verb, of_texts, chosen, folder, "1M", 0)
    chosen = [lying(engine) if engine.name == liar else engine for engine in chosen]
    with pytest.raises(WrongAnswer, match=f"{liar}: {verb} .* is right"):
        needles.run_row(verb, of_texts, chosen, folder, "1M", 0)


def test_programs_agree_and_are_left_out_where_there_are_none(folder, monkeypatch):
    monkeypatch.setattr(texts, "KINDS", {name: texts.KINDS[name] for name in ("csv", "cyrillic", "utf-16")})
    monkeypatch.setattr(needles, "EACH", 2)
    known = engines.engines()[0]
    programs = [engine for engine in known if engine.name in ("grep", "ripgrep")]
    rows = list(needles.run_all(folder, "1M", known, 0))
    assert len(rows) == len(needles.ASKED) + bool(programs)
    if programs:
        assert "2 needles in 2 texts of 1M, by a program" in rows[-1]["title"]
        assert {timing["engine"] for timing in rows[-1]["timings"]} == {
            "fastmmap count",
            *(engine.name for engine in programs),
        }
    rows = list(needles.run_all(folder, "1M", [], 0))
    assert [row["verb"] for row in rows] == [f"needles-{verb}" for verb in needles.ASKED]


def test_larger_texts_are_not_asked_for(folder, monkeypatch):
    sizes = []
    monkeypatch.setattr(needles, "run_row", lambda *arguments, size, **others: sizes.append(size))
    for largest in corpora.SIZES:
        list(needles.run_all(folder, largest, [], 0))
    assert list(dict.fromkeys(sizes)) == ["1M", "64M"]


def test_a_record_of_needles_is_shown_and_compared(folder, tmp_path):
    row = needles.run_row("find", [sample("access-log")], needles.chosen_engines([], process=False), folder, "1M", 0)
    report.save(tmp_path / "record.json", run.machine(), [row])
    record = json.loads((tmp_path / "record.json").read_text())
    console = Console(file=io.StringIO(), width=200)
    peer = record["rows"][0]["timings"][1]
    peer["ratios"] |= {"worst": 0.123, "needle": "'a[bold]b'"}
    report.show(console, record["rows"][0])
    assert all(text in console.file.getvalue() for text in ("tenth percentile", " 0.12 ", "'a[bold]b'"))
    assert report.compare(console, record, record)
    slower = copy.deepcopy(record)
    slower["rows"][0]["timings"][0]["seconds"] *= 2
    assert not report.compare(console, record, slower)
    charts.draw(record, tmp_path)
    assert (tmp_path / "needles.png").stat().st_size > 1000
