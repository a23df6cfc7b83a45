"""Runs everything that reads the sources without running them, and says which of it has found something.

    python tools/lint.py [NAME ...]        as in ruff mypy; without any, all

The tools are those of the extra `lint`, from the environment of this Python; cppcheck is left out where there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What type checkers are shown of the public face, as users write it.
USES = "tests/support/typical_uses.py"


def found(*patterns: str) -> list[str]:
    """The files below the root that match."""
    return sorted(str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern))


# Of src/ itself those in its folders alone: Cython writes C beside its sources.
C = found("src/*/*.[ch]", "tests/**/*.[ch]", "tools/**/*.[ch]")

COMMANDS = {
    "ruff": [["ruff", "check", "."], ["ruff", "format", "--check", "."]],
    "mypy": [["mypy"], ["mypy", "--strict", USES]],
    "pyright": [["pyright", "--pythonpath", sys.executable, USES]],
    "codespell": [["codespell"]],
    "cython-lint": [["cython-lint", *found("src/*.pyx", "src/*.px[di]")]],
    "clang-format": [["clang-format", "--dry-run", "-Werror", *C]],
    "cppcheck": [
        [
            "cppcheck", "--quiet", "--error-exitcode=1", "--inline-suppr", "--std=c11", "-Isrc",
            "--enable=warning,performance,portability", *found("src/*/*.c"),
        ]
    ],
    "validate-pyproject": [["validate-pyproject", "pyproject.toml"]],
    "check-sdist": [["check-sdist", "--no-isolation"]],
    "zizmor": [["zizmor", "--offline", "--no-progress", "--persona=pedantic", ".github"]],
    "sp-repo-review": [["repo-review", "--show=err", "."]],
}  # fmt: skip


def main(names: list[str]) -> int:
    unknown = set(names) - set(COMMANDS)
    if unknown:
        sys.exit(f"no tool of {', '.join(COMMANDS)}: {', '.join(sorted(unknown))}")
    environment = {**os.environ, "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])}
    failed = []
    for name in names or COMMANDS:
        for command in COMMANDS[name]:
            program = shutil.which(command[0], path=environment["PATH"])
            if program is None and name == "cppcheck":
                print(f"{name}: not here", flush=True)
                continue
            print("+", *command[:4], flush=True)
            if program is None or subprocess.run([program, *command[1:]], cwd=ROOT, env=environment).returncode:
                failed.append(name)
    print(f"lint: {', '.join(dict.fromkeys(failed)) or 'nothing'} found something")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
