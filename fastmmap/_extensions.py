"""The extensions: all of them are imported or none, and missing ones are reported.

None is what a build with FASTMMAP_NO_EXTENSIONS=1 has, which leaves the module `_no_extensions` to say so, and what
FASTMMAP_KERNEL=python goes on with. Where nobody has asked for that, it is a warning. Extensions that are there and
can't be imported are an error: a second choice would be a hundred times slower, and nobody would know.
"""

from __future__ import annotations

import os
import sys

from .blame import ours
from .paths import is_directory

TYPE_CHECKING = False

NAMES = ("_mapping", "_append", "_drain", "_guarded", "_lines", "_many", "_parallel", "_replace", "_search", "_watch")

WITHOUT = "FASTMMAP_KERNEL=python runs without extensions, in plain Python"


def load() -> bool:
    """Imports them; False where this fastmmap has none. ImportError where those that there are can't be used."""
    try:
        # Written out, for those who look for what a program imports before it runs, as PyInstaller does.
        if not TYPE_CHECKING:
            from . import _mapping, _parallel  # noqa: F401
        if not TYPE_CHECKING:  # the others take the guard from those
            from . import _append, _drain, _guarded, _lines, _many, _replace, _search, _watch  # noqa: F401
        return True
    except Exception as error:
        if os.environ.get("FASTMMAP_KERNEL") == "python":
            return False
        found = files()
        # A tree that was installed without extensions may have those of other Pythons in it.
        if is_on_purpose() and not any(is_loadable(file) for file in found):
            return False
        if found:
            raise ImportError(f"{explanation(found, error)}. {WITHOUT}", name=__name__) from error
    from .errors import warn

    warn(
        f"fastmmap has no extensions in {os.path.dirname(__file__)}, so it runs in plain Python, many times slower. "
        "Reinstall it where there is a C compiler. If that is the folder of its sources, which hides an installed one: "
        f"`pip install -e .` there, or use another folder. If that is on purpose: {WITHOUT}"
    )
    return False


def is_on_purpose() -> bool:
    """Whether this fastmmap was built without extensions by demand."""
    try:
        if not TYPE_CHECKING:
            from . import _no_extensions  # noqa: F401
    except ImportError:
        return False
    return True


def files() -> list[str]:
    """What there is of extensions beside this module, for whichever Python, also in a zip archive."""
    from importlib.resources import files

    try:
        names = [entry.name for entry in files(__package__).iterdir()]
    except ours(OSError):
        return []
    return sorted(name for name in names if name.endswith((".so", ".pyd")) and name.partition(".")[0] in NAMES)


def is_loadable(file: str) -> bool:
    """Whether a file's name is that of an extension for this Python."""
    from importlib.machinery import EXTENSION_SUFFIXES

    return any(file == name + suffix for name in NAMES for suffix in EXTENSION_SUFFIXES)


def explanation(found: list[str], error: Exception) -> str:
    """Why the extensions that were found can't be used, and what to do."""
    from importlib.machinery import EXTENSION_SUFFIXES

    folder = os.path.dirname(__file__)
    python = f"Python {sys.version.split()[0]} ({sys.implementation.cache_tag}, {sys.platform})"
    if not is_directory(folder):
        return f"{folder} is in an archive, from which Python can't import extensions such as {found[0]}: unpack it"
    loadable = [file for file in found if is_loadable(file)]
    if not loadable:
        return (
            f"{os.path.join(folder, found[0])} is for another Python than this {python}, which looks for "
            f"{found[0].partition('.')[0]}{EXTENSION_SUFFIXES[0]}: install fastmmap for this one"
        )
    missing = sorted(set(NAMES).difference(file.partition(".")[0] for file in loadable))
    if missing:
        return f"{folder} has {loadable[0]}, but no {', '.join(missing)} for this {python}: reinstall fastmmap"
    path = getattr(error, "path", None) or folder
    return f"{path} can't be imported by this {python}: {type(error).__name__}: {error}. Reinstall fastmmap"
