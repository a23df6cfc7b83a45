"""Which of the files in folders are taken: --glob."""

from __future__ import annotations

import os
import re


class Globs:
    """Several globs. Of those that match, the last one counts; one with "!" leaves out what it matches."""

    def __init__(self, globs: list[str]) -> None:
        self._globs = [_Glob(glob) for glob in globs]
        self._is_taken = all(glob.leaves_out for glob in self._globs)  # what none of them matches

    def takes(self, path: str) -> bool:
        """Whether a file is taken, by its path in the folder that was named."""
        taken = self._is_taken
        for glob in self._globs:
            if glob.matches(path):
                taken = not glob.leaves_out
        return taken

    def leaves_out(self, path: str) -> bool:
        """Whether a folder is left out, with all that is in it."""
        out = False
        for glob in self._globs:
            if glob.matches(path):
                out = glob.leaves_out
        return out


class _Glob:
    def __init__(self, glob: str) -> None:
        self.leaves_out = glob.startswith("!")
        text = glob.removeprefix("!")
        if not text:
            raise ValueError("--glob: a GLOB is empty")
        self._whole_path = "/" in text.rstrip("/")
        self._pattern = re.compile(_pattern(text.strip("/")))

    def matches(self, path: str) -> bool:
        """Whether it matches a path, or a name where it has no slash."""
        return self._pattern.fullmatch(path if self._whole_path else os.path.basename(path)) is not None


def _pattern(glob: str) -> str:
    """A regular expression for a glob, in which "**" goes through folders, and nothing else does."""
    found, place = [], 0
    tokens = re.compile(r"(?s)\*\*/|\*+|\?|\[!?\]?[^\]]*\]|.")
    while place < len(glob):
        token = tokens.match(glob, place)
        assert token is not None
        text, place = token[0], token.end()
        if text == "**/":
            found.append("(?:.*/)?")
        elif text.startswith("**"):
            found.append(".*")
        elif text == "*":
            found.append("[^/]*")
        elif text == "?":
            found.append("[^/]")
        elif text.startswith("[") and len(text) > 1:
            inside = text[1:-1].replace("\\", "\\\\")
            found.append(f"[^{inside[1:]}/]" if inside.startswith("!") else f"[{inside}]")
        else:
            found.append(re.escape(text))
    return f"(?s:{''.join(found)})"
