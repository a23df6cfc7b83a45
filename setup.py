"""The part of the build that must be code: which sources make which extension. The rest is in pyproject.toml.

FASTMMAP_NO_EXTENSIONS=1   builds pure Python, on purpose, and leaves a module in the package that says so
FASTMMAP_DEBUG=1           builds for a debugger: no optimisation, assertions on
FASTMMAP_SANITIZE=list     builds with those sanitizers, as in address,undefined
"""

import os
import sys

from setuptools import Extension, errors, setup
from setuptools.command.build_ext import build_ext as BuildExtensions
from setuptools.command.build_py import build_py as BuildPython

WITHOUT = os.environ.get("FASTMMAP_NO_EXTENSIONS") == "1"
MARKER = '"""Made by a build with FASTMMAP_NO_EXTENSIONS=1: that there are no extensions is on purpose."""\n'

SCAN = ["src/scalar.c", "src/x86.c", "src/neon.c", "src/dispatch.c"]
SOURCES = {
    "_mapping": ["src/guard.c", "src/guard_windows.c"],
    "_guarded": ["src/sheltered.c"],
    "_parallel": [],
    "_search": SCAN,
    "_lines": SCAN,
    "_replace": SCAN,
    "_append": [],
    "_drain": [],
}
HEADERS = ["kernel.h", "instructions.h", "scan.h", "agree.h", "ahead.h", "copy.h", "crew.h", "guard.h"]
HEADERS += ["kernel.pxd", "twoway.pxd", "walk.pxd", "offsets.pxd", "descriptor.pxd"]


def extensions():
    if WITHOUT:
        return []
    if sys.platform == "win32":
        sys.exit("fastmmap's extensions are for POSIX systems as yet: set FASTMMAP_NO_EXTENSIONS=1 for pure Python")
    from Cython.Build import cythonize

    flags = ["-O0", "-g3", "-UNDEBUG"] if os.environ.get("FASTMMAP_DEBUG") == "1" else ["-O3"]
    sanitize = os.environ.get("FASTMMAP_SANITIZE")
    sanitizers = [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer"] if sanitize else []
    modules = [
        Extension(
            f"fastmmap.{name}",
            [f"src/{name}.pyx", *sources],
            include_dirs=["src"],
            depends=[f"src/{header}" for header in HEADERS],
            extra_compile_args=[*flags, "-fvisibility=hidden", *sanitizers],
            extra_link_args=sanitizers,
        )
        for name, sources in SOURCES.items()
    ]
    return cythonize(modules, include_path=["src"], language_level=3)


class build_py(BuildPython):
    """Has the package say whether it is without extensions on purpose."""

    def run(self):
        super().run()
        marker = os.path.join("" if self.editable_mode else self.build_lib, "fastmmap", "_no_extensions.py")
        if WITHOUT:
            with open(marker, "w") as file:
                file.write(MARKER)
        elif os.path.exists(marker):
            os.remove(marker)


class build_ext(BuildExtensions):
    """Says in a failure what can be done without a compiler."""

    def run(self):
        try:
            super().run()
        except (errors.BaseError, errors.CCompilerError) as error:
            hint = "fastmmap needs a C compiler; FASTMMAP_NO_EXTENSIONS=1 builds it in plain Python, which is slower"
            raise type(error)(f"{error}\n{hint}") from error


setup(ext_modules=extensions(), cmdclass={"build_py": build_py, "build_ext": build_ext})
