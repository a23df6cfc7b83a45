"""Options and arguments that several commands have, so that each means the same everywhere."""

from __future__ import annotations

from .options import Argument, Option
from .values import OneOf, threads, whole

# What is looked for.
NEEDLE = Argument("NEEDLE", "what to look for, literally; with -E a regular expression", unless=("-e", "-f"))
NEEDLES = [
    Option("-e --needle --regexp", "a NEEDLE; several, or one that begins with a dash, are given so",
           "NEEDLE", many=True),
    Option("-f --file", "a file of NEEDLEs, one in each line; - is standard input", "FILE", many=True),
    Option("-E --extended-regexp", "NEEDLEs are regular expressions, those of Python's re on bytes"),
    Option("-F --fixed-strings", "NEEDLEs are literal, which they are without it, too"),
]  # fmt: skip
ESCAPES = Option("--escapes", r"\n, \t, \r, \0, \xHH and \\ in arguments stand for those bytes")
IGNORE_CASE = Option("-i --ignore-case", "ASCII letters match in either case")
OVERLAPPING = Option("--overlapping", "matches may overlap")
MAX_COUNT = Option("-m --max-count", "stop after N in each file", "N", whole)

# Where.
FILES = Argument("FILE", "a file, or - for standard input; without FILE that is read", least=0, many=True)
WALKING = [
    Option("-r --recursive", "take the files in folders and theirs, in the order of their names; links in them aren't "
           "followed; without FILE, those in this folder"),
    Option("-g --glob", "of the files in folders only those whose name matches, or whose path if GLOB has a slash: "
           "*, ?, [...], {a,b} and **; those that match !GLOB not; the last one that matches counts",
           "GLOB", many=True),
]  # fmt: skip

# What is printed.
NAMES = [
    Option("-H --with-filename", "print file names, which is so for several files or -r"),
    Option("-h --no-filename", "print no file names"),
    Option("-0 --null", "print a NUL byte behind file names, instead of a colon or newline"),
]
COLOR = Option("--color", "colours: auto (on a terminal, unless NO_COLOR is set), always or never", "WHEN",
               OneOf("auto", "always", "never"), default="auto")  # fmt: skip

# How.
PROGRESS = Option("--progress", "show a progress bar on standard error, as for long work on a terminal")
THREADS = Option("-j --threads", "how many threads may work at most; without it, as many as pay", "N", threads)
