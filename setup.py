"""The part of the build that must be code: which sources make which extension. The rest is in pyproject.toml.

FASTMMAP_NO_EXTENSIONS=1   builds pure Python, on purpose, and leaves a module in the package that says so; PyPy's default
FASTMMAP_DEBUG=1           builds for a debugger: no optimisation, assertions on
FASTMMAP_COVERAGE=1        builds so that gcov counts lines, those of Cython's sources too
FASTMMAP_SANITIZE=list     builds with those sanitizers, as in address,undefined
"""

import compileall
import os
import sys
from glob import glob

from setuptools import Extension, errors, setup
from setuptools.command.build_ext import build_ext as BuildExtensions
from setuptools.command.build_py import build_py as BuildPython

# They are for CPython: others would run them slower than they run Python.
WITHOUT = os.environ.get("FASTMMAP_NO_EXTENSIONS", "01"[sys.implementation.name != "cpython"]) == "1"
MARKER = '"""Made by a build with FASTMMAP_NO_EXTENSIONS=1: that there are no extensions is on purpose."""\n'

# The scans of each instruction set: a static library, so that they are compiled once for the three that link them.
SCAN = sorted(glob("src/scan/*.c"))

# The C sources of each extension. What has state of which there may be one alone in a process is linked into one.
SOURCES = {
    "_mapping": ["src/guard/guard.c", "src/guard/earlier.c", "src/guard/windows.c"],
    "_guarded": ["src/guard/sheltered.c"],
    "_parallel": [],
    "_search": [],
    "_lines": [],
    "_many": [],
    "_replace": [],
    "_append": [],
    "_drain": [],
    "_watch": [],
}
# What any of them may include. A change of one builds all anew.
HEADERS = sorted(glob("src/*.px[di]") + glob("src/*/*.h"))

# Python's own flags ask for debug information, which takes a third of the time that a build takes.
FLAGS = ["-O0", "-g3", "-UNDEBUG"] if os.environ.get("FASTMMAP_DEBUG") == "1" else ["-O3", "-g0"]
COVERAGE = os.environ.get("FASTMMAP_COVERAGE") == "1"
SANITIZE = os.environ.get("FASTMMAP_SANITIZE")
if COVERAGE:
    FLAGS = ["-O0", "-g0", "--coverage"]
elif SANITIZE:  # so that its reports name lines
    FLAGS = ["-O1", "-g1"]
SANITIZERS = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"] if SANITIZE else []
COMPILE = [*FLAGS, "-fvisibility=hidden", *SANITIZERS]




def wheel_tag():
    """Options of a wheel without extensions: one for this Python alone.

    One for any Python would be taken by pip before the source distribution, and nobody would know that it is slower.
    """
    if not WITHOUT:
        return {}
    names = {"cpython": "cp{0.major}{0.minor}", "pypy": "pp{0.major}.pp{0.major}{0.minor}"}  # pip knows the latter alone
    tag = names.get(sys.implementation.name, "py{0.major}{0.minor}")
    return {"bdist_wheel": {"python_tag": tag.format(sys.version_info)}}


def libraries():
    if WITHOUT:
        return []
    return [("fastmmap_scan", {"sources": SCAN, "obj_deps": {"": HEADERS}, "include_dirs": ["src"], "cflags": COMPILE})]


def extensions():
    if WITHOUT:
        return []
    if sys.platform == "win32":
        sys.exit("fastmmap's extensions are for POSIX systems as yet: set FASTMMAP_NO_EXTENSIONS=1 for pure Python")
    from Cython.Build import cythonize

    modules = [
        Extension(
            f"fastmmap.{name}",
            [f"src/{name}.pyx", *sources],
            include_dirs=["src"],
            depends=[*HEADERS, *SCAN],
            extra_compile_args=COMPILE,
            extra_link_args=[*SANITIZERS, *["--coverage"] * COVERAGE],
        )
        for name, sources in SOURCES.items()
    ]
    return cythonize(modules, include_path=["src"], language_level=3, emit_linenums=COVERAGE)


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
        if self.editable_mode:  # pip compiles what it copies; else the command would be compiled whenever it starts
            compileall.compile_dir("fastmmap", quiet=1)
            compileall.compile_file("_fastmmap_command.py", quiet=1)


class build_ext(BuildExtensions):
    """Compiles one extension on each CPU, and says in a failure what can be done without a compiler."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self):
        try:
            self.run_command("build_clib")
            super().run()
        except (errors.BaseError, errors.CCompilerError) as error:
            hint = "fastmmap needs a C compiler; FASTMMAP_NO_EXTENSIONS=1 builds it in plain Python, which is slower"
            raise type(error)(f"{error}\n{hint}") from error


setup(
    libraries=libraries(),
    ext_modules=extensions(),
    cmdclass={"build_py": build_py, "build_ext": build_ext},
    options=wheel_tag(),
)
