"""fastmmap completion: what each shell makes of its script."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from support.commands import run

from fastmmap.cli.commands import MODULES, commands

pytestmark = pytest.mark.any_kernel


def in_shell(shell, *arguments, **options):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell}")
    done = subprocess.run([shell, *arguments], capture_output=True, text=True, check=False, timeout=60, **options)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def script_of(shell):
    status, output, errors = run("completion", shell)
    assert (status, errors) == (0, b"")
    return output.decode()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fastmmap", ""], {*MODULES, "--help", "--version"}),
        (["fastmmap", "co"], {"count", "completion"}),
        (["fastmmap", "grep", "--co"], {"--count", "--context", "--color"}),
        (["fastmmap", "find", "x", "--byte"], {"--bytes", "--byte-offset"}),
        (["fastmmap", "grep", "--color", ""], {"auto", "always", "never"}),
        (["fastmmap", "completion", ""], {"bash", "zsh", "fish"}),
        (["fastmmap", "grep", "--color", "=", ""], {"auto", "always", "never"}),
        (["fastmmap", "grep", "--color", "=", "a"], {"auto", "always"}),
        (["fastmmap", "count", "x", "LO"], set()),  # which readline completes, by names with spaces, too
    ],
)
def test_bash(tmp_path, words, expected):
    (tmp_path / "LOG").touch()
    (tmp_path / "script").write_text(script_of("bash"))
    given = " ".join(f"'{word}'" for word in words)
    code = f"source ./script; COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; _fastmmap; echo ${{COMPREPLY[@]}}"
    assert set(in_shell("bash", "-c", code, cwd=tmp_path).split()) == expected


def test_zsh(tmp_path):
    """It is read, it names each command, and each option of each."""
    script = tmp_path / "_fastmmap"
    script.write_text(script_of("zsh"))
    code = f"autoload -U compinit; compinit -u -D; fpath=({tmp_path} $fpath); source {script}; whence -w _fastmmap"
    assert "_fastmmap: function" in in_shell("zsh", "-f", "-c", code)


@pytest.mark.parametrize(
    ("line", "expected"),
    [("fastmmap co", {"count", "completion"}), ("fastmmap grep --byte", {"--bytes", "--byte-offset"}),
     ("fastmmap grep --color ", {"auto", "always", "never"}), ("fastmmap completion ", {"bash", "zsh", "fish"})],
)  # fmt: skip
def test_fish(tmp_path, line, expected):
    script = tmp_path / "fastmmap.fish"
    script.write_text(script_of("fish"))
    shown = in_shell("fish", "--no-config", "-c", f"source {script}; complete -C '{line}'", cwd=tmp_path)
    assert {each.split("\t")[0] for each in shown.splitlines()} - {"fastmmap.fish"} == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_all_is_in_it(shell):
    script = script_of(shell)
    for command in commands():
        assert command.name in script
        for option in command.options:
            assert all(name.lstrip("-") in script for name in option.names), (command.name, option.names)


def test_a_shell_that_is_not_known():
    status, output, errors = run("completion", "tcsh")
    assert (status, output, errors.count(b"\n")) == (2, b"", 1)
    assert b"'tcsh' is none of bash, zsh, fish" in errors
