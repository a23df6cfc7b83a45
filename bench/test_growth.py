"""The bench of growth: its text, its jobs, and what it draws."""

from __future__ import annotations

import json

import pytest

from .growth import __main__ as growth
from .growth import jobs
from .growth.one import measure
from .measure import WrongAnswer


def test_every_job_has_the_answer_of_bytes(tmp_path):
    path = tmp_path / "text"
    jobs.write_text(path, 3 * jobs.UNIT)
    data = path.read_bytes()
    assert len(data) == 3 * jobs.UNIT
    assert data.find(jobs.LAST) == jobs.JOBS["find"].expected(len(data))
    assert data.count(jobs.FREQUENT) == jobs.JOBS["count"].expected(len(data)) > 1000
    assert data.count(jobs.RARE) == jobs.JOBS["find_all"].expected(len(data)) > 100
    assert data.count(b"\n") == jobs.JOBS["lines"].expected(len(data))
    assert jobs.JOBS["grep"].expected(len(data)) > 0
    assert jobs.CHANGED not in data
    for job in jobs.JOBS.values():
        for _ in range(2):
            assert job.do(path, len(data)) == job.expected(len(data))
        assert path.read_bytes() == data  # after each second time


def test_a_wrong_answer(tmp_path, monkeypatch):
    path = tmp_path / "text"
    jobs.write_text(path, jobs.UNIT)
    monkeypatch.setitem(jobs.JOBS, "count", jobs.Job(lambda path, size: 0, jobs.JOBS["count"].expected))
    with pytest.raises(WrongAnswer, match="count"):
        measure("count", path, 0)


def test_a_record_its_table_and_its_chart(tmp_path, capsys):
    out, chart = tmp_path / "growth.json", tmp_path / "chart" / "growth.png"
    arguments = ["--sizes", "1M,2M", "--budget", "0", "--data", str(tmp_path), "--out", str(out), "--chart", str(chart)]
    assert growth.main(arguments) == 0
    record = json.loads(out.read_text())
    assert [(row["job"], row["size"]) for row in record["rows"]] == [
        (job, size) for size in (1 << 20, 2 << 20) for job in jobs.JOBS
    ]
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert growth.main(["--from", str(out)]) == 0
    assert "drop_behind" in capsys.readouterr().out


def test_slopes():
    rows = [{"size": size, "seconds": size * 1e-9} for size in (1 << 20, 64 << 20, 1 << 30)]
    assert growth.slope(rows, "seconds") == pytest.approx(1)
    assert growth.slope(rows[:2], "seconds") != growth.slope(rows[:2], "seconds")  # one point from SMALL on: NaN


@pytest.mark.parametrize("sizes", ["", "1", "G", "1.5G", "1M,x"])
def test_a_size_that_is_none(sizes, capsys):
    with pytest.raises(SystemExit):
        growth.main(["--sizes", sizes])
    assert "is no size" in capsys.readouterr().err
