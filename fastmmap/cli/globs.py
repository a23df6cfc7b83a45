"""Which of the files in folders are taken: --glob."""

from __future__ import annotations

import os
import re
import warnings


class Globs:
    """Several globs. Of those that match, the last one counts; one with "!" leaves out what it matches."""

    def __init__(self, globs: list[str]) -> None:
        self._globs = [_Glob(glob) for glob in globs]
        self._is_taken = all(glob.leaves_out or glob.for_folders for glob in self._globs)  # what none of them matches

    def takes(self, path: str) -> bool:
        """Whether a file is taken, by its path in the folder that was named."""
        taken = self._is_taken
        for glob in self._globs:
            if not glob.for_folders and glob.matches(path):
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
        if not text.strip("/"):
            raise ValueError("--glob: a GLOB is empty")
        self.for_folders = text.endswith("/")
        self._whole_path = "/" in text.rstrip("/")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of signs in a class that may mean something else one day
                self._pattern = re.compile(_Reader(text.strip("/")).pattern())
        except (ValueError, re.error) as error:
            raise ValueError(f"--glob: {glob!r} is no GLOB: {error}") from None

    def matches(self, path: str) -> bool:
        """Whether it matches a path, or a name where it has no slash."""
        return self._pattern.fullmatch(path if self._whole_path else os.path.basename(path)) is not None


class _Reader:
    """Makes a regular expression of a glob. "**" goes through folders, and nothing else does."""

    def __init__(self, glob: str) -> None:
        self._glob, self._place = glob, 0

    def pattern(self) -> str:
        """The regular expression."""
        return f"(?s:{self._read(closing='')})"

    def _read(self, closing: str) -> str:
        """Up to the end, or within braces to one of the signs that end an alternative."""
        found: list[str] = []
        while self._place < len(self._glob):
            if self._glob[self._place] in closing:
                return "".join(found)
            found.append(self._one())
        if closing:
            raise ValueError("a brace isn't closed")
        return "".join(found)

    def _one(self) -> str:
        """What one sign stands for, or all that it begins."""
        rest = self._glob[self._place :]
        sign = rest[0]
        self._place += 1
        if rest.startswith("**"):
            self._place += 1
            if rest.startswith("**/"):
                self._place += 1
                return "(?:.*/)?"
            return ".*"
        if sign == "[":
            return self._class()
        if sign == "{":
            return self._alternatives()
        if sign == "\\":
            if len(rest) == 1:
                raise ValueError("nothing follows the backslash at its end")
            self._place += 1
            return re.escape(rest[1])
        return {"*": "[^/]*", "?": "[^/]"}.get(sign, re.escape(sign))

    def _alternatives(self) -> str:
        """{one,other}"""
        found = [self._read(closing=",}")]
        while self._glob[self._place] == ",":
            self._place += 1
            found.append(self._read(closing=",}"))
        self._place += 1
        return f"(?:{'|'.join(found)})"

    def _class(self) -> str:
        """[a-z], or [!a-z]: a "]" that comes first is one of them."""
        end = self._glob.find("]", self._place + (2 if self._glob.startswith(("!", "^"), self._place) else 1))
        if end < 0:
            raise ValueError("a bracket isn't closed")
        inside, self._place = self._glob[self._place : end], end + 1
        others = inside.startswith(("!", "^"))
        signs = re.sub(r"([\\\[\]^&~|])", r"\\\1", inside[1:] if others else inside)
        return f"[^{signs}/]" if others else f"(?!/)[{signs}]"
