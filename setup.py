"""The part of the build that must be code: which sources make which extension. The rest is in pyproject.toml.

FASTMMAP_NO_EXTENSIONS=1   builds pure Python, on purpose, and leaves a module in the package that says so; as on PyPy
FASTMMAP_DEBUG=1           builds for a debugger: no optimisation, assertions on
FASTMMAP_COVERAGE=1        builds so that gcov counts lines, those of Cython's sources too
FASTMMAP_SANITIZE=list     builds with those sanitizers, as in address,undefined
"""

import compileall
import os
import shutil
import sys
import sysconfig
from glob import glob

from setuptools import Extension, errors, setup
from setuptools.command.build_clib import build_clib as BuildLibraries
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
DEBUG = os.environ.get("FASTMMAP_DEBUG") == "1"
FLAGS = ["-O0", "-g3", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"]
COVERAGE = os.environ.get("FASTMMAP_COVERAGE") == "1"
SANITIZE = os.environ.get("FASTMMAP_SANITIZE")
if COVERAGE:
    FLAGS = ["-O0", "-g0", "--coverage"]
elif SANITIZE:  # so that its reports name lines
    FLAGS = ["-O1", "-g1"]
SANITIZERS = [f"-fsanitize={SANITIZE}", "-fno-omit-frame-pointer"] if SANITIZE else []
COMPILE = [*FLAGS, "-fvisibility=hidden", *SANITIZERS]
COMPILE_BY_MSVC = ["/std:c11", *(["/Od", "/Zi", "/UNDEBUG"] if DEBUG else ["/O2"])]


def flags(command):
    """What the compiler of a build command is told. Which one that is, nobody knows before it runs."""
    return COMPILE_BY_MSVC if command.compiler.compiler_type == "msvc" else COMPILE


# What a build takes, and where it comes from.
NEEDED = {
    "linux": [
        "Debian, Ubuntu: apt install build-essential python3-dev",
        "Fedora:         dnf install gcc python3-devel",
        "Alpine:         apk add build-base python3-dev",
    ],
    "darwin": ["the command line tools: xcode-select --install"],
    "win32": ["Visual C++ Build Tools, with the workload of desktop development in C++"],
}


def wheel_tag():
    """Options of a wheel without extensions: one for this Python alone.

    One for any Python would be taken by pip before the source distribution, and nobody would know that it is slower.
    """
    if not WITHOUT:
        return {}
    # Of PyPy's two, pip knows the latter and others the former.
    names = {"cpython": "cp{0.major}{0.minor}", "pypy": "pp{0.major}.pp{0.major}{0.minor}"}
    tag = names.get(sys.implementation.name, "py{0.major}{0.minor}")
    return {"bdist_wheel": {"python_tag": tag.format(sys.version_info)}}


def advice(compiler):
    """What to do after a build that failed: the last that pip shows of it."""
    command = getattr(compiler, "cc", None) or getattr(compiler, "compiler_so", [None])[0]  # MSVC's, and others'
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if command is None or shutil.which(command) is None:
        why = "there is no C compiler" + (f": {command} isn't found" if command else "")
    elif not os.path.exists(header):
        why = f"Python's headers are missing: there is no {header}"
    else:
        why = "the C compiler failed, and says above why"
    needed = NEEDED.get(sys.platform, ["a C compiler and Python's headers"])
    return "\n".join(
        [
            f"fastmmap's extensions can't be built: {why}.",
            "They need:",
            *[f"    {each}" for each in needed],
            "Without a compiler, set FASTMMAP_NO_EXTENSIONS=1 and install again: plain Python, with the same answers,",
            "many times slower.",
        ]
    )


def libraries():
    if WITHOUT:
        return []
    return [("fastmmap_scan", {"sources": SCAN, "obj_deps": {"": HEADERS}, "include_dirs": ["src"]})]


def extensions():
    if WITHOUT:
        return []
    return [
        Extension(
            f"fastmmap.{name}",
            [f"src/{name}.pyx", *sources],
            include_dirs=["src"],
            depends=[*HEADERS, *SCAN],
            extra_link_args=[*SANITIZERS, *["--coverage"] * COVERAGE],
        )
        for name, sources in SOURCES.items()
    ]


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


class Advising:
    """A command whose failure says what a build needs, and what can be done without it."""

    def run(self):
        try:
            super().run()
        except (OSError, errors.BaseError, errors.CCompilerError) as error:
            raise errors.CompileError(f"{error}\n\n{advice(self.compiler)}") from error


class build_clib(Advising, BuildLibraries):
    """Compiles the scans."""

    def build_libraries(self, libraries):
        for _, library in libraries:
            library["cflags"] = flags(self)
        super().build_libraries(libraries)


class build_ext(Advising, BuildExtensions):
    """Compiles one extension on each CPU."""

    def finalize_options(self):
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        for extension in self.extensions:
            extension.extra_compile_args = flags(self)
        super().build_extensions()

    def run(self):
        from Cython.Build import cythonize  # here, since a source distribution is made without

        made = cythonize(self.extensions, include_path=["src"], language_level=3, emit_linenums=COVERAGE)
        for extension, compiled in zip(self.extensions, made):
            extension.sources = compiled.sources
        self.run_command("build_clib")
        super().run()


setup(
    libraries=libraries(),
    ext_modules=extensions(),
    cmdclass={"build_py": build_py, "build_clib": build_clib, "build_ext": build_ext},
    options=wheel_tag(),
)
