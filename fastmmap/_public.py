"""What the package offers: the names that are imported with it, and where the others are."""

from __future__ import annotations

from . import _backend, _imports
from . import searching as searching  # teaches the kernels to take paths
from ._backend import kernels
from .errors import MappedFileError
from .lines import Lines
from .logs import ending as ending  # has stages drained when this process ends, whoever has made them by then
from .mapped import MappedFile, open

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NAMES: dict[str, Any] = {
    "Lines": Lines,
    "MappedFile": MappedFile,
    "MappedFileError": MappedFileError,
    "kernel": _backend.chosen.name,
    "kernels": kernels,
    "open": open,
    **{name: getattr(_backend.chosen, name) for name in _backend.PUBLIC},
}

kernels.__module__ = __package__
for _name in _backend.PUBLIC:
    if not hasattr(NAMES[_name], "__func__"):
        NAMES[_name].__module__ = __package__  # by which a pickle names those that are no methods: _backend.reduced

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


def named(name: str) -> Any:
    """What has a public name, imported if it is asked for the first time."""
    if name in NAMES:
        return NAMES[name]
    if name in _backend.FUNCTIONS["many"]:
        return getattr(_backend.chosen, name)
    return getattr(_imports.load(f"{__package__}.{_WINGS[name]}"), name)
