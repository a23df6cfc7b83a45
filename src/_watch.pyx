# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""inotify(7), for fastmmap/system/linux.py: a descriptor that can be read when files or folders have changed."""
from libc.errno cimport errno
from package cimport *
from system cimport *


def open_watch():
    """A descriptor that nothing is watched by yet."""
    cdef int fd = fm_open_watch()
    if fd < 0:
        raise system_error(errno)
    return fd


def add_watch(int fd, bytes path, unsigned int mask):
    """Has it be readable when one of the events of the mask comes to what is at a path; the number of the watch."""
    cdef int number = fm_add_watch(fd, path, mask)
    if number < 0:
        raise system_error(errno)
    return number


def remove_watch(int fd, int number):
    """Ends a watch, by what add_watch has returned."""
    if fm_remove_watch(fd, number) < 0:
        raise system_error(errno)
