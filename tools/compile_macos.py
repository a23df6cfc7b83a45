"""Compiles all native code for macOS, on any machine, with the warnings of our own code as errors, and links it.

    python tools/compile_macos.py [TARGET ...]      without any: x86_64-macos aarch64-macos

What it needs is looked for, not installed: zig, which has macOS' headers (`pip install ziglang`), Cython, and the
headers of this Python, for which it makes a pyconfig.h as macOS' would be. Prints a line for each file. That all
compiles and links says that every function and header is there, and that the numbers of fastmmap/system/darwin.py are
the headers', not that it works: nothing is run.
"""

from __future__ import annotations

import ast
import importlib.util
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGETS = ("x86_64-macos", "aarch64-macos")
OWN = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-function"]  # a header's functions are used elsewhere
# What Cython makes has warnings of its own. None of these may be among them.
GENERATED = [
    f"-Werror={name}"
    for name in (
        "implicit-function-declaration", "incompatible-pointer-types", "int-conversion", "return-type", "format",
        "incompatible-function-pointer-types", "deprecated-declarations", "uninitialized",
    )
]  # fmt: skip

# Headers that are no use without who includes them: x86.c and neon.c, and system.h.
PARTS = ("scan/scan.h", "scan/apart.h", "scan/many.h", "system/posix.h", "system/windows.h")

# What a pyconfig.h of Linux says that macOS' doesn't: that there are features, and which a program asks for.
UNDEFINED = (
    "HAVE_ENDIAN_H", "HAVE_SYS_EPOLL_H", "HAVE_SYS_SENDFILE_H", "HAVE_LINUX_RANDOM_H", "HAVE_CRYPT_H", "HAVE_FUTIMENS",
    "HAVE_STDDEF_MAX_ALIGN_T", "_GNU_SOURCE", "_POSIX_C_SOURCE", "_XOPEN_SOURCE", "_XOPEN_SOURCE_EXTENDED",
)  # fmt: skip


def zig() -> list[str]:
    """The command that is the compiler, without its target."""
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    if found := shutil.which("zig"):
        return [found, "cc"]
    sys.exit("zig is lacking: pip install ziglang")


def python_headers(folder: Path) -> Path:
    """A copy of this Python's headers, with a pyconfig.h for macOS."""
    original = Path(sysconfig.get_path("include"))
    if not (original / "Python.h").is_file():
        sys.exit(f"the headers of Python are lacking: there is no Python.h in {original}")
    copied = shutil.copytree(original, folder / "include")
    text = Path(sysconfig.get_config_h_filename()).read_text()
    ours = [f"#undef {name}" for name in UNDEFINED] + ["#define _DARWIN_C_SOURCE 1", ""]
    (copied / "pyconfig.h").write_text("\n".join([text, *ours]))
    return copied


def extensions() -> dict[str, list[str]]:
    """The C sources of each extension, as setup.py has them."""
    for statement in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(statement, ast.Assign) and getattr(statement.targets[0], "id", "") == "SOURCES":
            found: dict[str, list[str]] = ast.literal_eval(statement.value)
            return found
    sys.exit("setup.py has no SOURCES")


def facts() -> list[str]:
    """The numbers of darwin.py, and the sizes of its structs, as macros for macos.c."""
    sys.path.insert(0, str(ROOT))
    from fastmmap.system import darwin, libc

    found = {name: getattr(value, "size", value) for name, value in vars(darwin).items() if name.startswith("_")}
    found["_LONGEST_STATFS"] = libc.LONGEST_STATFS
    return [f"-DFM{name}={value}" for name, value in found.items() if name[1:].isupper() and isinstance(value, int)]


def sources(folder: Path) -> Iterator[tuple[str, Path, list[str]]]:
    """What is compiled: its name, where it is, and how strictly it is looked at."""
    yield "tools/macos.c", ROOT / "tools" / "macos.c", [*OWN, *facts()]
    for path in sorted(ROOT.glob("src/*/*.c")):
        yield str(path.relative_to(ROOT)), path, OWN
    for path in sorted(ROOT.glob("src/*/*.h")):
        alone = folder / f"{path.parent.name}-{path.stem}.c"
        alone.write_text(f'#include "{path}"\n')
        if f"{path.parent.name}/{path.name}" not in PARTS:
            yield str(path.relative_to(ROOT)), alone, OWN
    for path in sorted(ROOT.glob("src/*.pyx")):
        made = folder / f"{path.stem}.c"
        command = [sys.executable, "-m", "cython", "-3", "-I", "src", "--module-name", f"fastmmap.{path.stem}"]
        subprocess.run([*command, "-o", made, path], cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
        yield str(path.relative_to(ROOT)), made, GENERATED


def attempt(label: str, command: list[str | Path]) -> bool:
    """Runs a command, and says what became of it."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    print(f"{label}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
    if done.returncode:
        print(done.stderr, flush=True)
    return done.returncode == 0


def main(targets: tuple[str, ...]) -> None:
    compiler = zig()
    if importlib.util.find_spec("Cython") is None:
        sys.exit("Cython is lacking: pip install Cython")
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor() as pool:
        folder = Path(name)
        flags = ["-c", "-O1", "-g0", "-fno-sanitize=all", "-Isrc", f"-I{python_headers(folder)}"]
        compiled, answers, failed = list(sources(folder)), [], 0
        for target in targets:
            (folder / target).mkdir()
            for label, path, strictness in compiled:
                built = folder / target / label.replace("/", "-")
                command = [*compiler, "-target", target, *flags, *strictness, "-o", f"{built}.o", path]
                answers.append(pool.submit(attempt, f"{target} {label}", command))
        failed += sum(not answer.result() for answer in answers)
        linked = 0
        scan = [source for source, _, _ in compiled if source.startswith("src/scan/") and source.endswith(".c")]
        for target in targets if not failed else ():
            for extension, own in extensions().items():
                parts = [f"src/{extension}.pyx", *own, *scan]
                objects = [folder / target / f"{part.replace('/', '-')}.o" for part in parts]
                command = [*compiler, "-target", target, "-shared", "-Wl,-undefined,dynamic_lookup", *objects]
                linked += attempt(f"{target} {extension}.so", [*command, "-o", folder / target / f"{extension}.so"])
    print(f"{len(answers) - failed} compiled, {linked} linked, {failed} failed")
    if failed or not answers or linked != len(targets) * len(extensions()):
        sys.exit(1)


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or TARGETS)
