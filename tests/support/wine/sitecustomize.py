"""Puts right for the tests what Wine 10 answers otherwise than Windows. This folder belongs on PYTHONPATH there.

- os.fstat has no device for a file that was renamed while it was open: it is that of the folder for temporary files,
  where the tests make theirs.
- os.stat and os.lstat have neither device nor inode of a file that is mapped to be written to: it is opened then.
- os.path.realpath knows what Windows says of NUL, which has no such path; Wine says something else, and of long paths.
- os.symlink succeeds, and makes nothing: that is as where a user may not make links.
"""

import ctypes
import ntpath
import os
import sys
import tempfile

if sys.platform == "win32":
    import msvcrt

    _final_path = ntpath._getfinalpathname
    _fstat, _stat, _lstat, _symlink = os.fstat, os.stat, os.lstat, os.symlink
    _device = _stat(tempfile.gettempdir()).st_dev
    _kernel = ctypes.WinDLL("kernel32")
    _kernel.CreateFileW.restype = ctypes.c_void_p

    def fstat(fd):
        status = _fstat(fd)
        if status.st_dev or not status.st_ino:
            return status
        kind, (fields, others) = status.__reduce__()
        return kind((*fields[:2], _device, *fields[3:]), others)

    def stat(path, *, dir_fd=None, follow_symlinks=True):
        if isinstance(path, int):
            return fstat(path)
        status = _stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
        return status if status.st_ino else _opened(path, status)

    def lstat(path, *, dir_fd=None):
        status = _lstat(path, dir_fd=dir_fd)
        return status if status.st_ino else _opened(path, status)

    def _opened(path, status):
        # FILE_READ_ATTRIBUTES, shared with all, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS
        handle = _kernel.CreateFileW(ctypes.c_wchar_p(os.fsdecode(path)), 0x80, 7, None, 3, 0x02000000, None)
        if handle in (None, ctypes.c_void_p(-1).value):
            return status
        fd = msvcrt.open_osfhandle(handle, 0)
        try:
            return fstat(fd)
        finally:
            os.close(fd)

    def symlink(source, target, *arguments, **options):
        _symlink(source, target, *arguments, **options)
        if not os.path.lexists(target):
            raise OSError(0, "There are no symbolic links here", target, 1314)

    def final_path(path):
        try:
            return _final_path(path)
        except OSError as error:
            if error.winerror not in (31, 234):  # ERROR_GEN_FAILURE, ERROR_MORE_DATA
                raise
            raise OSError(0, error.strerror, path, 1) from None  # ERROR_INVALID_FUNCTION

    ntpath._getfinalpathname = final_path
    os.fstat, os.stat, os.lstat, os.symlink = fstat, stat, lstat, symlink
