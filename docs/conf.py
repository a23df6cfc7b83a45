"""Sphinx: how the pages are built, `sphinx-build -W -n docs docs/_build/html`."""

from __future__ import annotations

import inspect
import re

import fastmmap
from fastmmap import _backend

project = "fastmmap"
author = "the fastmmap developers"
copyright = author
release = version = fastmmap.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
source_suffix = {".md": "markdown"}
default_role = "code"  # docstrings have names between single backticks
highlight_language = "none"
smartquotes_action = "D"  # dashes alone: a mode is "r", with the quotes that one types

# --- pages ---

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"fastmmap {version}"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_copy_source = False
html_show_sourcelink = False

# --- docstrings ---

napoleon_google_docstring = False
napoleon_numpy_docstring = True
napoleon_use_rtype = False
napoleon_use_param = False  # so that "start, end" stays one entry
napoleon_custom_sections = [("Attributes", "params_style")]
autodoc_typehints = "none"  # the sections say more
autodoc_member_order = "groupwise"
autodoc_class_signature = "mixed"
add_module_names = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 140

# What mappings, and the error, have for the layers above them. It isn't for users.
INTERNAL = {
    "because", "add_note", "with_traceback",
}  # fmt: skip
OURS = ("MappedFile", "SharedFile", "MappedFileError")

# A name of Python's own with a dot in it: its pages would have to be asked, and builds have no network.
nitpick_ignore = [("py:exc", "io.UnsupportedOperation")]


def skip(app, what, name, value, skipped, options):
    """Leaves out what isn't for users, and what is said once, in the docstring of its class."""
    if name in INTERNAL and not (name == "sync" and _is_of_an_appender(value)):
        return True
    return skipped


def _is_of_an_appender(value) -> bool:
    return getattr(value, "__qualname__", "").startswith("Appender")


def signature(app, what, name, value, options, text, returned):
    """The signatures of compiled functions and methods, which have none of their own: those of their twins."""
    if text is not None or what == "property":
        return None
    *_, owner, short = name.split(".")
    if owner in OURS and hasattr(_backend.load("python"), short):
        twin, bound = getattr(_backend.load("python"), short), True
    elif owner == "Appender" and short == "append":
        twin, bound = _backend.load("python").Stage.append, True
    else:
        return None
    parameters = list(inspect.signature(twin).parameters.values())[bound:]
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in parameters]
    return str(inspect.Signature(bare)), None


def clean(app, what, name, value, options, lines):
    """Removes the line with the signature that Cython puts before a docstring."""
    if lines and re.match(r"\w[\w.]*\(.*\)( -> .*)?$", lines[0]):
        del lines[: 2 if len(lines) > 1 and lines[1] in ("", "--") else 1]


def setup(app):
    """Registers what is done with docstrings; `clean` runs before napoleon."""
    app.connect("autodoc-skip-member", skip)
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", clean, priority=1)
