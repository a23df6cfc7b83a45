"""The only place that chooses an implementation.

FASTMMAP_KERNEL=name is a demand: a name that can't be had is an error, because a silent second choice would turn a test
or a benchmark into one of something else.
"""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace

from . import _extensions, _imports
from ._kernels import NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    KernelMethod: Any

# Whether the extensions are built.
NATIVE = _extensions.load()

if TYPE_CHECKING or not NATIVE:
    from .reference.mapping import MAPS_BEYOND_END, Mapping
    from .reference.parallel import check_wanted, run
else:
    from ._mapping import MAPS_BEYOND_END, KernelMethod, Mapping
    from ._parallel import check_wanted, run

__all__ = [
    "MAPS_BEYOND_END",
    "NAMES",
    "NATIVE",
    "Mapping",
    "Match",
    "check_wanted",
    "chosen",
    "kernels",
    "load",
    "run",
    "set_kernel_methods",
]

if NATIVE:
    from . import guarded as guarded  # has the reference guarded

# The functions of a kernel, by the module in src/ and in reference/ where they stand.
FUNCTIONS = {
    "search": ("find", "rfind", "count", "find_all", "find_into", "iter_find"),
    "lines": (
        "line_starts",
        "gather",
        "count_newlines",
        "line",
        "lines_at",
        "line_offsets",
        "line_spans",
        "line_numbers",
        "lines_around",
        "lines_confirmed",
        "lines_hit",
        "steady",
        "iter_lines",
    ),
    "many": ("find_each", "count_each"),
    "replace": ("replace", "substitution"),
    "append": ("append", "Stage"),
    "drain": ("drain", "settle"),
}

# Those that users call, and that are imported with the package.
PUBLIC = ("append", "count", "find", "find_all", "gather", "iter_find", "line_starts", "replace", "rfind")


class Functions(SimpleNamespace):
    """The functions of one kernel, by their names. Those for many needles are imported when one is asked for."""

    def __getattr__(self, name: str) -> Any:
        if name not in FUNCTIONS["many"]:
            raise AttributeError(f"a kernel has no {name!r}")
        function = getattr(_imports.load("fastmmap.many").verbs_of(self.name), name)
        setattr(self, name, function)
        return function


def load(name: str) -> SimpleNamespace:
    """The functions of one kernel, by their names.

    An unknown name is a ValueError, a kernel that isn't built an ImportError, one that this CPU can't run a
    RuntimeError.
    """
    if name not in NAMES:
        raise ValueError(f"{name!r} is not a kernel: the names are {', '.join(NAMES)}")
    if name != "python" and not NATIVE:
        raise ImportError(f"kernel {name!r} is not built: this fastmmap has no extensions")
    functions: dict[str, Any] = {}
    for verb, names in FUNCTIONS.items():
        if verb == "many":
            continue  # see Functions
        home = _reference(verb) if name == "python" else sys.modules[f"fastmmap._{verb}"]
        if hasattr(home, "Kernel"):
            home = home.Kernel(name)
        functions.update((function, getattr(home, function)) for function in names)
    return Functions(name=name, **functions)


def _reference(verb: str) -> Any:
    """The module of the reference that has a verb's functions."""
    return _imports.load(f"{__package__}.reference.{verb}")


def kernels() -> list[str]:
    """The names of the kernels that can be had on this machine, best first.

    FASTMMAP_KERNEL=name in the environment demands one of them; `fastmmap.kernel` is the one that is used.

    Returns
    -------
    list of str
        From "avx512", "avx2", "sse2", "neon", "scalar" (a byte at a time) and "python" (the reference).

    Examples
    --------
    >>> import fastmmap
    >>> fastmmap.kernel in fastmmap.kernels()
    True
    """
    return [kernel.name for kernel in _usable()]


def _usable() -> Iterator[SimpleNamespace]:
    """The kernels that can be had here, best first."""
    for name in NAMES:
        try:
            kernel = load(name)
        except (ImportError, RuntimeError):
            continue
        yield kernel


def _choose() -> SimpleNamespace:
    """The kernel that FASTMMAP_KERNEL demands, or else the best."""
    demand = os.environ.get("FASTMMAP_KERNEL")
    if demand == "python" or not NATIVE:
        # Imported by this thread, which is importing the package: another would wait for that.
        from .reference import append, drain, lines, replace, search  # noqa: F401
    try:
        return load(demand) if demand else next(_usable())
    except (ValueError, ImportError, RuntimeError) as error:
        raise type(error)(f"FASTMMAP_KERNEL: {error}") from None


chosen = _choose()

if TYPE_CHECKING or chosen.name == "python":
    from .reference.found import Match
else:
    from ._lines import Match


def home(verb: str) -> Any:
    """What has a verb's functions of the chosen kernel."""
    function = getattr(chosen, FUNCTIONS[verb][0])
    return getattr(function, "__self__", None) or _reference(verb)


def reduced(kernel: Any, verb: str, name: str) -> tuple[Any, tuple[str]]:
    """How a kernel's object for a verb is pickled: the chosen one as whichever is chosen where the pickle is read."""
    return (home, (verb,)) if name == chosen.name else (type(kernel), (name,))


def match_again(offset: int, start: int, line: bytes, number: int, before: list[bytes], after: list[bytes]) -> Match:
    """A Match as it was pickled."""
    match = Match(offset, start, line, number)
    match.before.extend(before)
    match.after.extend(after)
    return match


def set_kernel_methods(owner: type, *names: str) -> None:
    """Has methods that pass all they get to the kernel's function of their name do so with nothing in between."""
    if NATIVE and chosen.name != "python":
        for name in names:
            setattr(owner, name, KernelMethod(getattr(chosen, name), getattr(owner, name), owner))
