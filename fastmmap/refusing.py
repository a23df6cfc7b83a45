"""What keeps a file from being replaced by a new one, found out before the work."""

from __future__ import annotations

import errno
import os
import stat

from ._attributes import APPEND_ONLY, IMMUTABLE, MOUNT_POINT, attributes
from .blame import ours

# The way out where a rewrite is refused.
IN_PLACE = "fastmmap.open(path, 'r+').replace edits in place where old and new are equally long"

# What takes an attribute away.
_WAY_OUT = {IMMUTABLE: "chattr -i lifts that", APPEND_ONLY: "chattr -a lifts that"}


def refuse(path: str, status: os.stat_result, links: int, force: bool) -> None:
    """Raises OSError where a file must not be replaced, or can't be."""
    found = attributes(path)
    if MOUNT_POINT in found:
        text = f"The file is a mount point, of which nothing else can take the place. {IN_PLACE}"
        raise OSError(errno.EBUSY, text, path)
    _refuse_attributes("The file", found, path)
    folder = os.path.dirname(path)
    _refuse_attributes(f"The folder {folder!r}", attributes(folder), path)
    if links > 1:
        raise OSError(errno.EMLINK, f"{links} hard links, of which a rewrite would change one. {IN_PLACE}", path)
    if not force and not _is_writable(path, status):
        text = "The file is read-only: chmod u+w allows changes, and force=True (--force) edits it all the same"
        raise PermissionError(errno.EACCES, text, path)


def refuse_backup(path: str) -> None:
    """Raises OSError where the old file couldn't be kept under a name."""
    refuse_name(path, "The backup")
    try:
        mode = os.lstat(path).st_mode
    except ours(FileNotFoundError):
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "The backup would take the place of a directory: remove it first", path)
    if stat.S_ISLNK(mode):
        text = "The backup would take the place of a symbolic link: remove it first"
        raise FileExistsError(errno.EEXIST, text, path)
    found = attributes(path)
    if MOUNT_POINT in found:
        raise OSError(errno.EBUSY, "The older backup is a mount point: choose another name", path)
    _refuse_attributes("The older backup", found, path)


def refuse_name(path: str, what: str) -> None:
    """Raises OSError where no file can have a name: one that is too long, or that the filesystem can't hold."""
    try:
        os.lstat(path)
    except ours(OSError) as error:
        if error.errno != errno.ENOENT:
            text = f"{what} can't be named so: {error.strerror}. Choose a shorter name"
            raise OSError(error.errno, text, path) from None


def _refuse_attributes(what: str, found: set[str], path: str) -> None:
    for attribute in (IMMUTABLE, APPEND_ONLY):
        if attribute in found:
            raise PermissionError(errno.EPERM, f"{what} is {attribute}: {_WAY_OUT[attribute]}", path)


def _is_writable(path: str, status: os.stat_result) -> bool:
    """Whether a file's owner lets us write to it. To root the system lets everybody's be written: its bits tell."""
    if not status.st_mode & 0o222:
        return False
    if os.access not in os.supports_effective_ids:
        return os.access(path, os.W_OK)
    # A filesystem that is read-only is another matter, of which the system says so itself.
    return os.access(path, os.W_OK, effective_ids=True) or bool(os.statvfs(path).f_flag & os.ST_RDONLY)
