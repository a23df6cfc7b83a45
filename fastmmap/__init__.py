"""Search, replace in and append to big files directly on mapped memory.

The functions take any C-contiguous buffer, those that only read also an os.PathLike. `kernel` names the implementation
that they run on, `kernels()` those that can be had here; FASTMMAP_KERNEL demands one.
"""

from . import _starting

__version__ = "0.1.0"

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

TYPE_CHECKING = False  # typing itself takes milliseconds to import

if TYPE_CHECKING:
    from ._backend import Match, kernels
    from .editing.edit import Replacement, replace_file
    from .editing.planning import Plan, plan_replace
    from .editing.preview import Change
    from .errors import MappedFileError
    from .grepping import grep
    from .lines import Lines
    from .logs.appender import Appender
    from .logs.follow import follow
    from .logs.handler import LogHandler
    from .many import ManyVerbs
    from .mapped import MappedFile, open
    from .needles import Needles
    from .recovering import recover
    from .reference.append import append
    from .reference.lines import gather, line_starts
    from .reference.replace import replace
    from .reference.search import count, find, find_all, iter_find, rfind
    from .shared import open_shared

    _many = ManyVerbs(None)
    find_each, count_each = _many.find_each, _many.count_each
    kernel: str
else:
    with _starting.Answering():
        if not _starting.is_command():  # which imports what it needs, and so starts in half the time
            from ._public import NAMES

            globals().update(NAMES)
            del NAMES

    def __getattr__(name):
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from ._public import named

        value = globals()[name] = named(name)
        return value

    def __dir__():
        # What users call: the modules behind it are nobody's to complete.
        return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
