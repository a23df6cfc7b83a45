"""Puts right for the tests what Wine 10 answers otherwise than Windows. This folder belongs on PYTHONPATH there.

os.fstat has no device for a file that was renamed while it was open: it is that of the folder for temporary files,
where the tests make theirs. os.symlink succeeds, and makes nothing: that is as where a user may not make links.
"""

import os
import sys
import tempfile

if sys.platform == "win32":
    _fstat, _device = os.fstat, os.stat(tempfile.gettempdir()).st_dev

    def fstat(fd):
        status = _fstat(fd)
        if status.st_dev or not status.st_ino:
            return status
        kind, (fields, others) = status.__reduce__()
        return kind((*fields[:2], _device, *fields[3:]), others)

    os.fstat = fstat

    _symlink = os.symlink

    def symlink(source, target, *arguments, **options):
        _symlink(source, target, *arguments, **options)
        if not os.path.lexists(target):
            raise OSError(0, "There are no symbolic links here", target, 1314)

    os.symlink = symlink
