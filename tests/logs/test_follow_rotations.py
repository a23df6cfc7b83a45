"""follow: a log that is rotated while a follower looks."""

from __future__ import annotations

import os
import time

import pytest
from support.followers import add, now, rotate

from fastmmap import system


def test_files_that_are_renamed_while_they_are_looked_at(births, path, monkeypatch):
    """Each comes once."""
    path.write_bytes(b"A\n")
    lines = now(path)
    assert list(lines) == [b"A\n"]
    for name in (b"B\n", b"C\n"):
        rotate(path, 9)
        add(path, name)
    real, left = os.stat, [3]

    def stat(*arguments, **options):
        if left[0] and str(arguments[0]).endswith(".1"):
            left[0] -= 1
            monkeypatch.setattr(os, "stat", real)
            rotate(path, 9)
            add(path, b"D%d\n" % left[0])
            monkeypatch.setattr(os, "stat", stat)
        return real(*arguments, **options)

    monkeypatch.setattr(os, "stat", stat)
    found = []
    for _ in range(10):
        found += lines
    assert found == [b"B\n", b"C\n", b"D2\n", b"D1\n", b"D0\n"]


@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_rotations_between_two_looks_at_the_path(births, path, monkeypatch, rotations):
    """Its file is known by two calls of the system, and may be another at the second."""
    path.write_bytes(b"A\n")
    lines = now(path)
    assert list(lines) == [b"A\n"]
    rotate(path, 9)
    add(path, b"B\n")
    real, coming = system.birth, [b"%d\n" % number for number in range(rotations)]

    def birth(file):
        while coming and file == str(path):
            rotate(path, 9)
            add(path, coming.pop(0))
            time.sleep(0.02)  # the next one gets another birth
        return real(file)

    monkeypatch.setattr(system, "birth", birth)
    found = [*lines, *lines, *lines]
    assert found == [b"B\n", b"0\n", b"1\n", b"2\n"][: rotations + 1]


def test_files_of_one_tick_come_by_their_numbers(path, monkeypatch):
    path.write_bytes(b"A\n")
    lines = now(path)
    assert list(lines) == [b"A\n"]
    monkeypatch.setattr(system, "birth", lambda file: 1)
    for number in range(12):
        rotate(path, 20)
        add(path, b"%d\n" % number)
    for name in os.listdir(path.parent):
        os.utime(path.parent / name, ns=(1, 1))
    assert list(now(path, lines.position)) == [b"%d\n" % number for number in range(12)]


def test_a_rotated_file_while_there_is_none_at_the_path(births, path):
    path.write_bytes(b"one\n")
    lines = now(path)
    assert list(lines) == [b"one\n"]
    rotate(path, 5)
    add(path, b"two\n")
    rotate(path, 5)
    path.unlink()
    assert list(lines) == [b"two\n"]
