"""The pages of the documentation: their code runs and prints what they say, they build, and they leave no name out.

A page is a story: its blocks run in order, in one process, in an empty folder, warnings being errors.

- ```` ```python ```` and ```` ```sh ```` run. In the latter `fastmmap` is the command, `python` this Python.
- ```` ```text ```` directly behind such a block is what it prints; `...` stands for anything. In
  ```` ```text numbers-vary ```` each number stands for any: what is claimed of them is printed as True.
- ```` ```sh no-run: why ```` doesn't run, and says why; so does `python no-run: why`.
"""

from __future__ import annotations

import doctest
import inspect
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import page as runner
from support.commands import with_folder

import fastmmap
from fastmmap import _backend

pytestmark = pytest.mark.any_kernel

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"] if DOCS.is_dir() else []
RUN = [path for path in PAGES if runner.blocks_of(path.read_text())]

# What a page may import beside the standard library and numpy. Where it isn't installed, the page isn't run.
OPTIONAL = ("dask", "distributed", "loguru", "orjson", "rich", "structlog", "tqdm")

# Pages about what there is on Linux alone.
FOR_LINUX = {"copies-and-system-calls.md", "mapping.md", "full-disk.md", "guard.md"}

# Pages about what POSIX has: gunicorn, and programs that print something.
FOR_POSIX = {"gunicorn.md", "logging.md"}

# The README's commands install something, or have files that aren't there.
PYTHON_ALONE = {"README.md"}

as_written = doctest.OutputChecker()


def name_of(path):
    return str(path.relative_to(ROOT))


def reason_to_skip(path):
    if not _backend.NATIVE:
        return "the pages are about a build with extensions"
    if path.name in FOR_LINUX and sys.platform != "linux":
        return "the page is about Linux"
    blocks = [block for block in runner.blocks_of(path.read_text()) if not block.reason]
    in_shell = path.name not in PYTHON_ALONE and any(block.language == "sh" for block in blocks)
    if (path.name in FOR_POSIX or in_shell) and os.name != "posix":
        return "the page has what POSIX has, as a shell"
    imported = {name for block in blocks for name in re.findall(r"^\s*(?:from|import) (\w+)", block.code, re.M)}
    missing = [name for name in OPTIONAL if name in imported and find_spec(name) is None]
    return f"there is no {', '.join(missing)}" if missing else ""


def members():
    """The public methods and properties of the classes that users have in their hands."""
    for name in ("MappedFile", "Appender", "Lines", "Needles", "Plan"):
        value = getattr(fastmmap, name)
        for member in dir(value):
            found = inspect.getattr_static(value, member)
            if not member.startswith("_") and (callable(found) or isinstance(found, property)):
                yield f"{name}.{member}"


def in_posix_form(printed):
    """What is printed of paths, and of lines of text files that a page has written, as POSIX has them."""
    if os.name == "posix":
        return printed
    return re.sub(r"\\(?!n')", "/", printed.replace(r"\r'", "'"))


def outputs(printed):
    """What each block has printed, by its line."""
    parts = re.split(rf"^{re.escape(runner.MARK)}(\d+)\n", printed, flags=re.M)
    return dict(zip(map(int, parts[1::2]), parts[2::2]))


@pytest.mark.parametrize("path", RUN, ids=name_of)
def test_a_page(path, tmp_path):
    if reason := reason_to_skip(path):
        pytest.skip(reason)
    languages = ("python",) if path.name in PYTHON_ALONE else runner.LANGUAGES
    blocks = [each for each in runner.blocks_of(path.read_text()) if each.language in languages and not each.reason]
    folder = tmp_path / "folder"
    folder.mkdir()
    environment = {**with_folder(Path(fastmmap.__file__).parents[1]), "COLUMNS": "100", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-u", "-W", "error", runner.__file__, path, *languages]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120)
    printed = outputs(done.stdout)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:] + done.stderr
    assert set(printed) == {block.line for block in blocks}
    for block in blocks:
        if block.output is not None:
            options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
            found, expected = in_posix_form(printed[block.line]), block.output
            where = f"{name_of(path)}:{block.line}"
            if block.numbers_vary:
                found, expected = (re.sub(r"[\d,.]*\d", "1", each) for each in (found, expected))
            assert as_written.check_output(expected, found, options), f"{where} printed:\n{printed[block.line]}"
    left = [each for each in folder.rglob(".fastmmap-*") if each.suffix != ".aside"]
    assert not left, "what a writer or an edit leaves behind"


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_does_not_run_says_why(path):
    for match in runner.FENCE.finditer(path.read_text()):
        language, _, rest = match["info"].strip().partition(" ")
        assert language in {"python", "sh", "text", "ini", "{toctree}", "{eval-rst}", ""}, (language, path.name)
        assert not rest or rest == "numbers-vary" or re.fullmatch(r"no-run: \w.{8,}", rest), (match["info"], path.name)


def test_the_pages_build(tmp_path):
    if find_spec("sphinx") is None or find_spec("furo") is None or find_spec("myst_parser") is None:
        pytest.skip("there is no Sphinx with furo and MyST")
    if not DOCS.is_dir():
        pytest.skip("the pages aren't here")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-d", tmp_path / "doctrees"]
    environment = with_folder(Path(fastmmap.__file__).parents[1])
    done = subprocess.run([*command, DOCS, tmp_path / "html"], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path.name: path.read_text() for path in (tmp_path / "html" / "reference").glob("*.html")}
    for member in members():
        assert sum(f'id="fastmmap.{member}"' in text for text in pages.values()) == 1, member


@pytest.mark.skipif(not DOCS.is_dir(), reason="the pages aren't here")
@pytest.mark.parametrize("name", fastmmap.__all__)
def test_each_public_name_is_on_one_page(name):
    directive = re.compile(rf"^\.\. (?:autofunction|autoclass|data):: {name}(?:\(\))?$", re.M)
    found = [path.name for path in sorted((DOCS / "reference").glob("*.md")) if directive.search(path.read_text())]
    assert len(found) == 1, found


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    """Sphinx looks at those of its pages; README.md's, and those to files beside the pages, are looked at here."""
    text = re.sub(runner.FENCE, "", path.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if not re.match(r"https?:", target):
            assert (path.parent / target).exists(), target


def test_a_block_and_its_output():
    text = "```python\nprint(1)\n```\n\n```text\n1\n```\n\nx\n\n```text\nno\n```\n```sh no-run: needs root\na\n```\n"
    first, second = runner.blocks_of(text)
    assert (first.line, first.output, first.reason) == (2, "1\n", "")
    assert (second.reason, second.output) == ("needs root", None)
    assert outputs(f"{runner.MARK}2\n1\n{runner.MARK}9\n") == {2: "1\n", 9: ""}


def test_the_folder_of_the_pages_has_no_html():
    git = shutil.which("git")
    if git is None:
        pytest.skip("there is no git")
    done = subprocess.run([git, "ls-files", "docs"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("this is no checkout")
    assert not [name for name in done.stdout.splitlines() if os.path.splitext(name)[1] in (".html", ".doctree")]
