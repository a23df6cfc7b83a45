"""The house: who may import whom, what stands where, and how long it may be. docs/design.md says why."""

from __future__ import annotations

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastmmap

PACKAGE = Path(fastmmap.__file__).parent
ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src"

in_a_checkout = pytest.mark.skipif(not SOURCES.is_dir() or PACKAGE.parent != ROOT, reason="the sources aren't here")

# What each part of the package may import from others. Parts are folders, or modules by their names.
BASE = {"blame", "descriptors", "paths", "_imports", "errors"}
MAY_IMPORT = {
    "system": BASE,
    "reference": BASE | {"system", "logs.layout", "needles", "progress"},  # the last two for types alone
    "beside": BASE | {"system"},
    "faults": BASE | {"system"},
    "unfinished": BASE | {"system", "beside"},
    "progress": BASE | {"_backend"},
    "indexes": BASE | {"_backend", "reference", "parallel", "progress"},
    "lines": BASE | {"_backend", "reference", "indexes", "progress"},
    "patterns": set(),
    "streams": BASE | {"_backend", "reference", "needles", "parts", "progress"},
    "line_windows": BASE | {"_backend", "reference", "streams"},
    "finders": BASE | {"_backend", "parallel", "line_windows", "needles", "patterns"},
    "editing": BASE
    | {"system", "reference", "beside", "_backend", "parallel", "mapped", "many", "pairs", "parts", "progress"}
    | {"growing", "streams", "unfinished", "logs.recovering"},
    "logs": BASE | {"system", "reference", "beside", "unfinished", "_backend", "mapped"},
    "demo": BASE | {"system", "_backend", "mapped", "logs.appender", "recovering"},
}


def module_of(path):
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(names[:-1] if names[-1] == "__init__" else names)


def modules():
    return {module_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "_no_extensions.py"}


def imports_of(name, path, known, types=True):
    """The modules of the package that one imports at its top, for types alone as well if that is asked for."""
    tree = ast.parse(path.read_text())
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    nodes = list(tree.body)
    found = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test) and not types:
            nodes += node.orelse
        elif isinstance(node, (ast.If, ast.Try, ast.With)):
            nodes += [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.stmt)]
            nodes += [each for handler in getattr(node, "handlers", ()) for each in handler.body]
        elif isinstance(node, ast.ImportFrom) and node.level:
            parts = package.split(".") if package else []
            base = ".".join(parts[: len(parts) - node.level + 1] + (node.module.split(".") if node.module else []))
            for alias in node.names:
                full = f"{base}.{alias.name}".strip(".")
                found.add(full if full in known else base)
    return {each for each in found if each in known} - {name, ""}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_layers_go_one_way(part):
    known = modules()
    for name, path in known.items():
        if name == part or name.startswith(f"{part}."):
            for other in imports_of(name, path, known):
                allowed = {part, *MAY_IMPORT[part]}
                assert any(other == each or other.startswith(f"{each}.") for each in allowed), (name, other)


def test_nothing_but_the_program_imports_the_command():
    known = modules()
    for name, path in known.items():
        if not name.startswith("cli") and name != "__main__":
            assert not [each for each in imports_of(name, path, known) if each.startswith("cli")], name


def test_there_are_no_circles():
    """Of what is imported at the top, but for types. CycleError names the modules."""
    known = modules()
    order = graphlib.TopologicalSorter(
        {name: imports_of(name, path, known, types=False) for name, path in known.items()}
    )
    assert len(list(order.static_order())) == len(known)


def test_lines_do_not_know_mappings():
    assert "mapped" not in imports_of("lines", PACKAGE / "lines.py", modules())


def test_the_system_is_asked_by_one_seam():
    """What names /proc, or gives files owners and modes, stands in system/."""
    for name, path in modules().items():
        if not name.startswith("system") and not name.startswith("cli"):
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
            code = [each.value for each in calls if isinstance(each.value, (str, bytes)) and " " not in str(each.value)]
            assert not [each for each in code if "/proc/" in str(each)], name
            assert not re.search(r"os\.(fchown|fchmod|setxattr|removexattr|posix_fallocate)\b", path.read_text()), name


def native(pattern):
    return sorted(
        each for each in SOURCES.rglob(pattern) if not each.with_suffix(".pyx").exists() or each.suffix != ".c"
    )


@in_a_checkout
def test_native_code_calls_python_by_one_file():
    for path in [*native("*.pyx"), *native("*.px[di]")]:
        text = re.sub(r"\"\"\".*?\"\"\"", "", path.read_text(), flags=re.S)
        found = re.findall(
            r"^\s*(?:from fastmmap\S* import .*|import (?!cython).*|from (?!_thread)\w+ import .*)", text, re.M
        )
        allowed = ["from fastmmap.logs import layout  # now: see src/package.pxd"] if path.name == "_drain.pyx" else []
        assert [each.strip() for each in found] == allowed, path.name
        if path.name not in ("package.pxd", "capi.pxd"):  # which declares them
            text = re.sub(r"PyCapsule_New\(.*", "", text)  # which others import
            assert not re.search(r"PyImport_GetModule\(|PyCapsule_Import\(|\"fastmmap\.", text), path.name


def native_code(*apart):
    """The files of src/ but for those in some of its folders, and their code: C within Cython, too, but no comments."""
    for path in native("*"):
        if path.suffix in (".pyx", ".pxd", ".pxi", ".c", ".h") and path.parent.name not in apart:
            text = re.sub(r"(extern from [^\n]*:\s*)\"\"\"(.*?)\"\"\"", r"\1\2", path.read_text(), flags=re.S)
            directive = r"(?!include|ifn?def|if|elif|define)"
            comment = rf"/\*.*?\*/|\"\"\".*?\"\"\"|\"[^\"\n]*\"|#{directive}.*?$|//.*?$"
            yield path.name, re.sub(comment, "", text, flags=re.S | re.M)


@in_a_checkout
def test_native_code_knows_no_path():
    for name, code in native_code():
        assert not re.search(r"\b(unlink|rename|open|openat|fopen|link|fsencode)\(", code), name


@in_a_checkout
def test_native_code_calls_the_system_in_one_place():
    """src/system/, and src/guard/ what has to do with faults."""
    files = r"flock|fstat|stat|pread|pwrite|writev|ftruncate|read|write|close"
    memory = r"mmap|munmap|msync|madvise|mincore|posix_fadvise|sysconf"
    others = r"getpid|nanosleep|usleep|clock_gettime|inotify_\w+"
    for name, code in native_code("system", "guard"):
        code = re.sub(r"(?:\bself|\bfile|\.)\.?\w+\(|\bdef \w+\(", "", code)
        assert not re.search(rf"\b(?:{files}|{memory}|{others})\(", code), name
        assert not re.search(r"include <(?:sys/|unistd|fcntl|windows|io\.)|_WIN32|__linux__|__APPLE__", code), name


@in_a_checkout
def test_compilers_differ_in_one_header():
    """src/system/compiler.h, and src/guard/, where they differ with systems."""
    words = r"__attribute__|__builtin_\w+|__asm__|__atomic_\w+|__thread|_Thread_local|_Atomic|__GNUC__|_MSC_VER"
    found = {name for name, code in native_code("guard") if re.search(rf"\b(?:{words})\b", code)}
    assert found <= {"compiler.h"}


@in_a_checkout
def test_the_table_names_files_that_there_are():
    """Verbs across, layers down: the table in docs/design.md."""
    text = (ROOT / "docs" / "design.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")][:8]
    assert "search" in rows[0]
    named = 0
    for row in rows[2:]:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        folder = re.match(r"`([\w/]+)/`", cells[0])
        for cell in cells[1:]:
            for name in re.findall(r"`([\w./]+)`", cell):
                places = [ROOT / name, *([ROOT / folder[1] / name] if folder else [])]
                assert any(place.exists() for place in places), (row, name)
                named += 1
    assert named >= 12


@in_a_checkout
def test_no_file_is_longer_than_400_lines():
    ours = [*native("*.pyx"), *native("*.px[di]"), *native("*.c"), *native("*.h"), ROOT / "setup.py"]
    for folder in ("fastmmap", "tests", "tools", "bench", "examples"):
        ours += [*(ROOT / folder).rglob("*.py"), *(ROOT / folder).rglob("*.c")]
    assert {path.name: count for path in ours if (count := len(path.read_text().splitlines())) > 400} == {}


# Public calls, whose signatures are fixed: their options are named.
SEARCH = {"find", "rfind", "count", "find_all", "iter_find", "find_each", "count_each"}
PUBLIC = {*SEARCH, "grep", "find_into", "replace", "replace_file", "apply"}
PUBLIC_CLASSES = {"LogHandler"}


@in_a_checkout
def test_no_function_has_more_than_six_parameters():
    """Beside self. Private functions count all of theirs."""
    for path in modules().values():
        nodes = list(ast.walk(ast.parse(path.read_text())))
        classes = [node for node in nodes if isinstance(node, ast.ClassDef) and node.name in PUBLIC_CLASSES]
        made = [each for node in classes for each in node.body if getattr(each, "name", "") == "__init__"]
        for node in [node for node in nodes if node not in made]:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name not in PUBLIC:
                names = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
                assert len([name for name in names if name not in ("self", "cls")]) <= 6, (path.name, node.name)


@pytest.mark.skipif(fastmmap.kernel == "python", reason="the reference is imported then")
def test_the_import_is_small():
    """What takes milliseconds is imported when it is needed: the wings, and much of the standard library."""
    code = "import sys; before = set(sys.modules); import fastmmap; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.split())
    assert "fastmmap.mapped" in modules
    assert not modules & {
        "typing",
        "inspect",
        "dataclasses",
        "re",
        "threading",
        "pickle",
        "numpy",
        "ctypes",
        "argparse",
    }
    assert not [name for name in modules if name.startswith(("fastmmap.editing", "fastmmap.cli", "fastmmap.logs.app"))]


def test_each_wing_is_there_when_it_is_asked_for():
    assert {*fastmmap.__all__} <= {*dir(fastmmap)}
    for name in fastmmap.__all__:
        assert getattr(fastmmap, name) is not None
    with pytest.raises(AttributeError, match="module 'fastmmap' has no attribute 'nothing'"):
        fastmmap.nothing  # noqa: B018
