"""What a build says of itself: extensions that are missing, broken, for another Python, or left out on purpose."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import fastmmap
from fastmmap import _extensions
from fastmmap._backend import NATIVE

PACKAGE = Path(fastmmap.__file__).parent
MARKER = "_no_extensions.py"

native = pytest.mark.skipif(not NATIVE, reason="this fastmmap has no extensions")


@pytest.fixture
def build(tmp_path):
    """A copy of the package, without its extensions, or with them."""

    def copy(extensions=False):
        ignored = shutil.ignore_patterns("__pycache__", MARKER, *([] if extensions else ["*.so", "*.pyd"]))
        return Path(shutil.copytree(PACKAGE, tmp_path / "build" / "fastmmap", ignore=ignored))

    return copy


def imported(path, *options, code="import fastmmap\nprint(fastmmap.kernel)", **environment):
    """What a program says that imports the package from a folder or an archive: its output, and its errors."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FASTMMAP")}
    program = path.parent / "program.py"
    program.write_text(code)
    done = subprocess.run(
        [sys.executable, *options, program], env={**clean, "PYTHONPATH": str(path), **environment},
        cwd=path.parent, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip(), done.stderr.strip()


def test_none_that_nobody_asked_for_is_a_warning(build):
    package = build()
    output, said = imported(package.parent)
    assert output == "python"
    assert said.count("RuntimeWarning") == 1
    assert f"program.py:1: RuntimeWarning: fastmmap has no extensions in {package}" in said
    assert "FASTMMAP_KERNEL=python" in said
    assert imported(package.parent, FASTMMAP_KERNEL="python") == ("python", "")
    assert "is not built" in imported(package.parent, FASTMMAP_KERNEL="scalar")[1]


def test_the_warning_of_a_package_that_is_run(build):
    """As the command says everything; where a program imports it, the warning points there, past importlib."""
    package, options = build(), ("-m", "fastmmap", "--version")
    shutil.copy(PACKAGE.parent / "_fastmmap_command.py", package.parent)
    assert imported(package.parent, *options)[1].startswith(f"fastmmap: fastmmap has no extensions in {package}, ")
    code = "import importlib\nimportlib.import_module('fastmmap')\n"
    assert "program.py:2: RuntimeWarning: " in imported(package.parent, code=code)[1]


def test_none_on_purpose_is_silent(build):
    package = build()
    (package / MARKER).write_text("")
    assert imported(package.parent, "-W", "error") == ("python", "")
    (package / "_mapping.cpython-27-other.so").write_bytes(b"another Python's, in the same tree")
    assert imported(package.parent, "-W", "error") == ("python", "")


@pytest.fixture
def setup(tmp_path):
    """Runs setup.py in a copy of the sources, without extensions unless the environment says otherwise."""
    root = PACKAGE.parent
    if not (root / "setup.py").exists():
        pytest.skip("the sources aren't here")
    pytest.importorskip("setuptools", "77")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    shutil.copytree(PACKAGE, source / "fastmmap", ignore=shutil.ignore_patterns("*.so", "__pycache__", MARKER))
    shutil.copytree(root / "src", source / "src", ignore=shutil.ignore_patterns("_*.c"))

    def run(*command, before="", **environment):
        code = f"import runpy, sys\n{before}\nrunpy.run_path('setup.py', run_name='__main__')"
        return subprocess.run(
            [sys.executable, "-c", code, "-q", *command],
            env={**os.environ, "FASTMMAP_NO_EXTENSIONS": "1", **environment},
            cwd=source, capture_output=True, text=True, timeout=120,
        )  # fmt: skip

    run.source = source
    return run


def test_a_build_leaves_word_of_it(setup, tmp_path):
    done = setup("build_py", "--build-lib", tmp_path / "built")
    assert done.returncode == 0, done.stderr
    assert not (setup.source / "fastmmap" / MARKER).exists()
    assert imported(tmp_path / "built", "-W", "error") == ("python", "")


def test_a_wheel_without_extensions_is_for_one_python(setup, tmp_path):
    """One for any would be installed before the source distribution, wherever there is no other wheel."""
    done = setup("bdist_wheel", "--dist-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    python = {"cpython": "cp{0[0]}{0[1]}", "pypy": "pp{0[0]}.pp{0[0]}{0[1]}"}[sys.implementation.name]
    assert wheel.name.endswith(f"-{python.format(sys.version_info)}-none-any.whl")


@pytest.mark.skipif(sys.platform == "win32", reason="which compiler is taken is not asked of the environment")
@pytest.mark.parametrize(
    ("compiler", "include", "why"),
    [
        ("/absent/cc", None, "there is no C compiler: /absent/cc isn't found"),
        ("false", None, "the C compiler failed, and says above why"),
        ("false", "/absent", "Python's headers are missing: there is no /absent/Python.h"),
    ],
    ids=["no compiler", "one that fails", "no headers"],
)
def test_a_build_that_fails_says_what_to_install(setup, compiler, include, why):
    header = Path(include or sysconfig.get_path("include")) / "Python.h"
    if include is None and compiler == "false" and not header.exists():
        why = f"Python's headers are missing: there is no {header}"
    before = f"import sysconfig\nsysconfig.get_path = lambda *_: {include!r}" if include else ""
    done = setup("build_clib", before=before, FASTMMAP_NO_EXTENSIONS="0", CC=compiler)
    assert done.returncode != 0
    last = done.stderr[done.stderr.index("fastmmap's extensions can't be built: ") :].splitlines()
    assert last[0] == f"fastmmap's extensions can't be built: {why}."
    assert "FASTMMAP_NO_EXTENSIONS=1" in last[-2]
    packages = {"linux": "apt install build-essential python3-dev", "darwin": "xcode-select --install"}
    assert packages.get(sys.platform, "a C compiler") in "\n".join(last[2:-2])


def without(extension, package):
    (package / (extension + EXTENSION_SUFFIXES[0])).unlink()


@native
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda package: spoiled(package, "_search"), ["_search", "ImportError", "Reinstall fastmmap"]),
        (lambda package: spoiled(package, "_mapping"), ["_mapping", "ImportError", "Reinstall fastmmap"]),
        (lambda package: renamed(package), [".cpython-27-other.so is for another Python", "install fastmmap for"]),
        (lambda package: without("_drain", package), ["but no _drain for this Python", "reinstall fastmmap"]),
    ],
    ids=["broken", "the first broken", "another Python's", "a half"],
)
def test_what_can_not_be_imported_is_an_error(build, spoil, words):
    package = build(extensions=True)
    spoil(package)
    output, said = imported(package.parent)
    assert output == ""
    last = said.splitlines()[-1]
    assert last.startswith("ImportError: "), said
    for word in [*words, str(package), f"Python {sys.version.split()[0]}", "FASTMMAP_KERNEL=python runs"]:
        assert word in last
    assert imported(package.parent, "-W", "error", FASTMMAP_KERNEL="python") == ("python", "")


def spoiled(package, extension):
    (package / (extension + EXTENSION_SUFFIXES[0])).write_bytes(b"no library")


def renamed(package):
    for name in _extensions.NAMES:
        os.rename(package / (name + EXTENSION_SUFFIXES[0]), package / f"{name}.cpython-27-other.so")


@native
def test_a_zip_archive(build):
    package = build(extensions=True)
    archive = Path(shutil.make_archive(str(package.parent.parent / "archive"), "zip", package.parent))
    last = imported(archive)[1].splitlines()[-1]
    assert last.startswith("ImportError: ")
    assert "is in an archive, from which Python can't import extensions" in last
    assert "unpack it" in last
    assert imported(archive, "-W", "error", FASTMMAP_KERNEL="python") == ("python", "")


def test_a_zip_archive_without_extensions(build):
    package = build()
    archive = Path(shutil.make_archive(str(package.parent.parent / "archive"), "zip", package.parent))
    output, said = imported(archive)
    assert (output, said.count("RuntimeWarning")) == ("python", 1)


def test_all_extensions_are_imported_in_so_many_words():
    """Else those who look for what a program imports, to put it into one file, leave them out."""
    tree = ast.parse((PACKAGE / "_extensions.py").read_text())
    written = {name.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for name in node.names}
    assert set(_extensions.NAMES) <= written
    setup = PACKAGE.parent / "setup.py"
    if not setup.exists():
        pytest.skip("the sources aren't here")
    (sources,) = (
        node.value for node in ast.parse(setup.read_text()).body
        if isinstance(node, ast.Assign) and node.targets[0].id == "SOURCES"
    )  # fmt: skip
    assert {key.value for key in sources.keys} == set(_extensions.NAMES)
