"""The bench itself: a wrong answer fails the run, a peer that is missing is named, a slower row is listed.

Run by `python -m pytest bench` in a checkout; the suite of the package is in tests/.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import zlib

import pytest
from rich.console import Console

from bench import __main__ as command
from bench import charts, corpora, engines, idioms, needles, report, run
from bench.measure import WrongAnswer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("corpora")


every_case, unit = run.cases, functools.cache(corpora.unit)


def case_of(verb, **fields):
    return next(
        case for case in every_case("1M", verb) if all(getattr(case, name) == value for name, value in fields.items())
    )


def lying(engine, verb):
    """An engine that is off by one."""
    truth = engine.verbs[verb]
    return dataclasses.replace(engine, verbs={verb: lambda job: truth(job) + 1})


def test_every_case_has_its_answer():
    for largest in corpora.SIZES:
        assert all(case.key in run.answers() for case in run.cases(largest, None))


@pytest.mark.parametrize("name", corpora.CORPORA)
def test_the_corpora_are_the_ones_the_answers_are_for(name):
    data = corpora.unit(name)
    assert len(data) <= corpora.UNIT
    assert zlib.crc32(data) == corpora.CHECKSUMS[name]
    assert corpora.ABSENT_BYTE not in data


def test_answers_by_bytes_are_the_recorded_ones():
    for case in run.cases("1M", None):
        data = corpora.unit(case.corpus)[: corpora.SIZES["1M"]]
        assert run.expected_answer(case, data) == run.answers()[case.key]


@pytest.mark.parametrize(("verb", "fields"), [("find", {"corpus": "english"}), ("count", {"corpus": "the"})])
def test_a_wrong_answer_fails_the_run(folder, verb, fields):
    case = case_of(verb, state="warm", **fields)
    (honest,) = (engine for engine in engines.STANDARD if engine.name == "mmap module")
    run.run_case(case, folder, [honest], 0)
    with pytest.raises(WrongAnswer, match="mmap module.*is right"):
        run.run_case(case, folder, [lying(honest, verb)], 0)


def test_a_wrong_edit_fails_the_run(folder):
    case = case_of("replace_file", corpus="the")
    (honest,) = (engine for engine in engines.STANDARD if engine.name == "binary I/O")

    def spoils(job):
        number = honest.verbs["replace_file"](job)
        with open(job.path, "r+b") as file:
            file.write(b"!")
        return number

    run.run_case(case, folder, [honest], 0)
    with pytest.raises(WrongAnswer, match="binary I/O"):
        run.run_case(case, folder, [dataclasses.replace(honest, verbs={"replace_file": spoils})], 0)


def test_a_missing_peer_is_named(monkeypatch):
    monkeypatch.setattr(engines.shutil, "which", lambda program: None)
    found, missing = engines.engines()
    assert missing["ripgrep"] == "rg is not installed"
    assert not {"grep", "ripgrep", "sed"} & {engine.name for engine in found}


def test_the_record_and_what_got_slower(folder, tmp_path):
    case = case_of("count", corpus="the")
    row = run.run_case(case, folder, engines.STANDARD, 0).record()
    report.save(tmp_path / "record.json", run.machine(), [row])
    record = json.loads((tmp_path / "record.json").read_text())
    assert len((tmp_path / "record.csv").read_text().splitlines()) == 1 + len(row["timings"])
    console = Console(record=True, width=200, quiet=True)
    assert report.compare(console, record, record)
    slower = copy.deepcopy(record)
    slower["rows"][0]["timings"][0]["seconds"] *= 2
    assert not report.compare(console, record, slower)
    charts.draw(record, tmp_path)
    assert (tmp_path / "count.png").stat().st_size > 1000


def test_the_usual_ways_agree(folder):
    rows = list(idioms.run_all(folder, "1M", 0))
    assert [row["title"] for row in rows] == [f"usual: {comparison.title}" for comparison in idioms.COMPARISONS]


@pytest.mark.parametrize("verb", [*run.verbs(), *command.PARTS])
def test_each_only_in_a_fresh_clone(verb, tmp_path, monkeypatch, capsys):
    """Where there is no folder for the corpora yet. A row of each is enough."""
    monkeypatch.setattr(run, "cases", lambda largest, only: [case_of(only)])
    monkeypatch.setattr(corpora, "unit", unit)
    monkeypatch.setattr(run, "RECORDS", 1 << 16)
    monkeypatch.setattr(run, "LARGER_RECORDS", 1 << 16)
    monkeypatch.setattr(run, "compare", lambda *arguments: None)  # the answers are for as many records as there are
    monkeypatch.setattr(idioms, "COMPARISONS", idioms.COMPARISONS[:1])
    monkeypatch.setattr(needles, "EACH", 1)
    folder = tmp_path / "bench" / "data"
    options = ["--size", "1M", "--budget", "0", "--data", str(folder), "--out", str(folder / "latest.json")]
    assert command.main(["--only", verb, *options]) == 0
    assert json.loads((folder / "latest.json").read_text())["rows"]


def test_an_only_that_matches_nothing(capsys):
    for bad in ("frobnicate", "finds", "Find", ""):
        assert "rfind" in refused(capsys, "--only", bad)


def test_what_can_not_be_written_is_refused_before_the_measurement(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "measure", lambda *arguments: pytest.fail("it was measured"))
    (tmp_path / "file").write_text("no record")
    (tmp_path / "latest.csv").mkdir()
    data = ["--data", str(tmp_path)]
    for bad in (tmp_path, "/dev/full", "/dev/null", "/proc/x", tmp_path / "latest.json"):
        said = refused(capsys, *data, "--out", bad)
        assert "--out: " in said
        assert str(bad).removesuffix("json") in said
    assert "--out: " in refused(capsys, *data, "--out", tmp_path / "file" / "x")
    for bad in ("/proc/x", tmp_path / "file"):
        assert str(bad) in refused(capsys, *data, "--out", tmp_path / "out.json", "--charts", bad)
        assert str(bad) in refused(capsys, "--data", bad, "--out", tmp_path / "out.json")
    for bad in ("--from", "--compare"):
        assert "missing" in refused(capsys, bad, tmp_path / "missing")
        assert bad in refused(capsys, bad, tmp_path / "file")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "latest.csv"]


def refused(capsys, *options):
    """What the command says, beside its usage, in the line that it ends with."""
    with pytest.raises(SystemExit) as ended:
        command.main([str(option) for option in options])
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    assert said.err.startswith("usage: " if "--only" in options else "python -m bench: error: --")
    return said.err.splitlines()[-1]
