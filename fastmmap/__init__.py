"""Search, replace in and append to big files directly on mapped memory.

The functions take any C-contiguous buffer, those that only read also an os.PathLike. `kernel` names the implementation
that they run on, `kernels()` those that can be had here; FASTMMAP_KERNEL demands one.
"""

from . import _starting

TYPE_CHECKING = False  # typing itself takes milliseconds to import

with _starting.Answering():
    from . import _backend, _imports
    from . import searching as searching  # teaches the kernels to take paths
    from ._backend import usable as kernels
    from .errors import MappedFileError
    from .lines import Lines
    from .logs import ending as ending  # has stages drained when this process ends, whoever has made them by then
    from .mapped import MappedFile, open

    if _backend.NATIVE:
        from . import faults, sheltered  # noqa: F401  # what kernels come to when they need it, as src/package.pxd says

    if TYPE_CHECKING:
        from typing import Any

        from ._backend import Match
        from .editing.edit import Replacement, replace_file
        from .editing.planning import Plan, plan_replace
        from .editing.preview import Change
        from .grepping import grep
        from .logs.appender import Appender
        from .logs.follow import follow
        from .logs.handler import LogHandler
        from .many import ManyVerbs
        from .needles import Needles
        from .recovering import recover
        from .reference.append import append
        from .reference.lines import gather, line_starts
        from .reference.replace import replace
        from .reference.search import count, find, find_all, iter_find, rfind
        from .shared import open_shared

        _many = ManyVerbs(None)
        find_each, count_each = _many.find_each, _many.count_each
    else:
        for _name in _backend.PUBLIC:
            _function = globals()[_name] = getattr(_backend.chosen, _name)
            if not hasattr(_function, "__func__"):
                _function.__module__ = (
                    __name__  # by which a pickle names those that are no methods: see _backend.reduced
                )
        del _name, _function

__version__ = "0.1.0"

kernel: str = _backend.chosen.name

# Where the rest is, which is imported when it is first asked for.
_WINGS = {
    "Appender": "logs.appender",
    "Change": "editing.preview",
    "LogHandler": "logs.handler",
    "Match": "_backend",
    "Needles": "needles",
    "Plan": "editing.planning",
    "Replacement": "editing.edit",
    "follow": "logs.follow",
    "grep": "grepping",
    "open_shared": "shared",
    "plan_replace": "editing.planning",
    "recover": "recovering",
    "replace_file": "editing.edit",
}

__all__ = [
    "Appender",
    "Change",
    "Lines",
    "LogHandler",
    "MappedFile",
    "MappedFileError",
    "Match",
    "Needles",
    "Plan",
    "Replacement",
    "append",
    "count",
    "count_each",
    "find",
    "find_all",
    "find_each",
    "follow",
    "gather",
    "grep",
    "iter_find",
    "kernel",
    "kernels",
    "line_starts",
    "open",
    "open_shared",
    "plan_replace",
    "recover",
    "replace",
    "replace_file",
    "rfind",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> "Any":
        if name in _backend.FUNCTIONS["many"]:
            home = _backend.chosen
        elif name in _WINGS:
            home = _imports.load(f"{__name__}.{_WINGS[name]}")
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(home, name)
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_WINGS, *_backend.FUNCTIONS["many"]})
