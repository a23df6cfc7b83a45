"""Search, replace in and append to big files directly on mapped memory.

The functions take any C-contiguous buffer, those that only read also an os.PathLike. `kernel` names the implementation
that they run on, `kernels()` those that can be had here; FASTMMAP_KERNEL demands one.
"""

from . import _starting

with _starting.Answering():
    from typing import TYPE_CHECKING

    from . import _backend
    from . import searching as searching  # teaches the kernels to take paths
    from ._backend import usable as kernels
    from .editing.edit import Plan, Replacement, plan_replace, replace_file
    from .editing.preview import Change
    from .errors import MappedFileError
    from .lines import Lines
    from .logs.appender import Appender
    from .logs.recovering import recover
    from .mapped import MappedFile, open
    from .shared import open_shared

    if TYPE_CHECKING:
        from .reference.append import append
        from .reference.lines import gather, line_starts
        from .reference.replace import replace
        from .reference.search import count, find, find_all, iter_find, rfind
    else:
        append = _backend.chosen.append
        count = _backend.chosen.count
        find = _backend.chosen.find
        find_all = _backend.chosen.find_all
        gather = _backend.chosen.gather
        iter_find = _backend.chosen.iter_find
        line_starts = _backend.chosen.line_starts
        replace = _backend.chosen.replace
        rfind = _backend.chosen.rfind
        for _function in (append, count, find, find_all, gather, iter_find, line_starts, replace, rfind):
            _function.__module__ = __name__  # by which a pickle names those that are no methods: see _backend.reduced
        del _function

__version__ = "0.1.0"

kernel: str = _backend.chosen.name

__all__ = [
    "Appender",
    "Change",
    "Lines",
    "MappedFile",
    "MappedFileError",
    "Plan",
    "Replacement",
    "append",
    "count",
    "find",
    "find_all",
    "gather",
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
