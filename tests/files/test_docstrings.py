"""The docstrings of public names: their sections, their examples, and that both twins of a function have the same."""

import doctest
import inspect
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import fastmmap
from fastmmap import _backend
from fastmmap.shared import SharedFile

# What Mapping has for the layers above it, and MappedFileError for those that raise it.
INTERNAL = {"because", "with_traceback", "add_note"}

# Classes that are returned, not made by users: their docstrings say what they have, not how they are made.
RETURNED = {"Change", "MappedFileError", "Match", "Plan", "Replacement"}

CLASSES = {
    **{name: value for name in fastmmap.__all__ if isinstance(value := getattr(fastmmap, name), type)},
    "SharedFile": SharedFile,
}


def is_of_logging(value):
    """Whether the standard library's handlers have it, with their own words."""
    return str(getattr(value, "__module__", "")).partition(".")[0] == "logging"


def public():
    """Functions, classes, and what these have, by their names."""
    for name in fastmmap.__all__:
        if callable(getattr(fastmmap, name)) and name not in CLASSES:
            yield name, getattr(fastmmap, name)
    for name, value in CLASSES.items():
        yield name, value
        for member in dir(value):
            found = getattr(value, member)
            if member.startswith("_") or member in INTERNAL or is_of_logging(found) or not callable(found):
                continue
            yield f"{name}.{member}", found


def properties():
    for name, value in CLASSES.items():
        for member in dir(value):
            if not member.startswith("_") and isinstance(found := inspect.getattr_static(value, member), property):
                if is_of_logging(found.fget):
                    continue
                yield f"{name}.{member}", getattr(value, member)


PUBLIC = dict(public())
PROPERTIES = dict(properties())


def docstring(value):
    """A docstring without the line that Cython puts before it, which has the signature."""
    text = inspect.cleandoc(value.__doc__ or "")
    return re.sub(r"\A\w[\w.]*\(.*\)(?: -> .*)?\n(?:--\n)?\n*", "", text)


def sections(text):
    """The text of each section, by its heading; the lines before the first by ""."""
    parts = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    return {"": parts[0].rstrip(), **dict(zip(parts[1::2], parts[2::2]))}


def described(section):
    """The names that a section of parameters or attributes describes."""
    heads = re.findall(r"^(\w[\w, ]*) : .+\n(?=    \S)", section, flags=re.MULTILINE)
    return [name for head in heads for name in head.split(", ")]


def complaints(text, parameters, returns, heading="Parameters"):
    """What a docstring lacks."""
    found = sections(text)
    summary, *rest = found[""].split("\n")
    if not summary.endswith(".") or (rest and rest[0]):
        yield f"the summary is no single line that ends with a full stop: {summary!r}"
    if described(found.get(heading, "")) != list(parameters):
        yield f"{heading} are {list(parameters)}, described are {described(found.get(heading, ''))}"
    if returns and not found.get("Returns", "").strip():
        yield "it doesn't say what it returns"
    if ">>> " not in found.get("Examples", ""):
        yield "it has no example"
    for unknown in found.keys() - {"", "Parameters", "Attributes", "Returns", "Raises", "Warns", "Notes", "Examples"}:
        yield f"no such section: {unknown}"


def twin(name, value):
    """Where a function's annotations are: a kernel's has none, its twin in the reference has."""
    if name in _backend.PUBLIC:
        return getattr(_backend.load("python"), name)
    if name.endswith(".append") and not inspect.isfunction(value):
        return _backend.load("python").Stage.append
    if name.endswith(".view"):
        from fastmmap.reference.mapping import Mapping

        return Mapping.view
    return value


@pytest.mark.parametrize("name", PUBLIC)
def test_sections(name):
    value = PUBLIC[name]
    owner = name.partition(".")[0]
    if isinstance(value, type) and owner in RETURNED:
        fields = [field for field in getattr(value, "__annotations__", {}) if not field.startswith("_")]
        text = docstring(value)
        named = described(sections(text).get("Attributes", ""))
        assert set(fields) <= set(named), named
        assert list(complaints(text, named, False, "Attributes")) == []
        return
    signature = inspect.signature(twin(name, value))
    parameters = [parameter for parameter in signature.parameters if parameter != "self"]
    assert "self" in parameters or parameters == [p for p in inspect.signature(value).parameters if p != "self"]
    returns = not isinstance(value, type) and signature.return_annotation not in ("None", None)
    assert list(complaints(docstring(value), parameters, returns)) == []


@pytest.mark.parametrize("name", PROPERTIES)
def test_properties(name):
    summary = docstring(PROPERTIES[name]).split("\n\n")[0]
    assert summary.endswith(".")
    assert "\n" not in summary


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("No full stop", "summary"),
        ("Two\nlines.", "summary"),
        ("Ok.\n\nParameters\n----------\na : int\n    One.", "described are"),
        ("Ok.\n\nParameters\n----------\nb : int\n    Another.\na : int\n    One.", "described are"),
        ("Ok.\n\nParameters\n----------\na, b : int", "described are"),
        ("Ok.", "returns"),
        ("Ok.\n\nExamples\n--------\nNone.", "no example"),
        ("Ok.\n\nReturn\n------\nint", "no such section"),
    ],
)
def test_what_is_missing_is_seen(text, complaint):
    assert any(complaint in found for found in complaints(text, ["a", "b"], True))


def test_what_is_complete_is_not_complained_of():
    text = "Ok.\n\nParameters\n----------\na, b : int\n    Numbers.\n\nReturns\n-------\nint\n"
    text += "\nExamples\n--------\n>>> 1\n1\n"
    assert list(complaints(text, ["a", "b"], True)) == []


@pytest.mark.parametrize("name", PUBLIC)
def test_examples(name, tmp_path, monkeypatch):
    if name == "MappedFileError" and not _backend.NATIVE:
        pytest.skip("without extensions nothing is guarded")
    if name in ("MappedFileError", "Appender.fileno") and sys.platform == "win32":
        pytest.skip("Windows cuts no file that is mapped, and has no echo but its shell's")
    monkeypatch.chdir(tmp_path)
    said = []
    example = doctest.DocTestParser().get_doctest(docstring(PUBLIC[name]), {"fastmmap": fastmmap}, name, None, 0)
    assert example.examples
    doctest.DocTestRunner(verbose=False).run(example, out=said.append)
    assert said == []


@pytest.mark.parametrize("name", _backend.PUBLIC)
def test_examples_of_kernels(kernel, name):
    said = []
    functions = SimpleNamespace(**vars(kernel))
    text = docstring(getattr(kernel, name))
    doctest.DocTestRunner(verbose=False).run(
        doctest.DocTestParser().get_doctest(text, {"fastmmap": functions}, name, None, 0), out=said.append
    )
    assert said == []


@pytest.mark.parametrize(
    "name", [name for verb, names in _backend.FUNCTIONS.items() if verb != "drain" for name in names]
)
def test_twins_have_the_same_docstring(kernel, name):
    assert docstring(getattr(kernel, name)) == docstring(getattr(_backend.load("python"), name)) != ""


def test_classes_of_twins_have_the_same_docstrings():
    from fastmmap.reference import append, mapping

    for value, reference in ((_backend.chosen.Stage, append.Stage), (_backend.Mapping, mapping.Mapping)):
        described = [name for name, member in vars(reference).items() if inspect.isroutine(member) and member.__doc__]
        assert len(described) >= 5
        for name in described:
            if hasattr(value, name) and not name.startswith("__"):
                assert docstring(getattr(value, name)) == docstring(getattr(reference, name)), name


def test_types_of_typical_uses(tmp_path):
    pytest.importorskip("mypy")
    folder = Path(__file__).parents[2]
    uses = folder / "tests" / "support" / "typical_uses.py"
    if not (folder / "pyproject.toml").exists():
        pytest.skip("this is no checkout")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", tmp_path, "--config-file", "", uses]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
