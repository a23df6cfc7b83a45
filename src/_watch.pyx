# cython: binding=False, embedsignature=True, embedsignature.format=clinic, freethreading_compatible=True
"""inotify(7), for fastmmap/system/linux.py: a descriptor that can be read when files or folders have changed."""
from libc.errno cimport ENOSYS, errno
from package cimport *

cdef extern from *:
    """
    #ifdef __linux__
    #include <sys/inotify.h>
    #else
    #include <errno.h>
    #define IN_NONBLOCK 0
    #define IN_CLOEXEC 0
    static int inotify_init1(int flags) { (void)flags; errno = ENOSYS; return -1; }
    static int inotify_add_watch(int fd, const char *path, unsigned int mask)
    {
        (void)fd, (void)path, (void)mask;
        errno = ENOSYS;
        return -1;
    }
    static int inotify_rm_watch(int fd, int number) { (void)fd, (void)number; errno = ENOSYS; return -1; }
    #endif
    """
    enum: IN_NONBLOCK
    enum: IN_CLOEXEC
    int inotify_init1(int flags)
    int inotify_add_watch(int fd, const char *path, unsigned int mask)
    int inotify_rm_watch(int fd, int number)


def open_watch():
    """A descriptor that nothing is watched by yet."""
    cdef int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
    if fd < 0:
        raise system_error(errno)
    return fd


def add_watch(int fd, bytes path, unsigned int mask):
    """Has it be readable when one of the events of the mask comes to what is at a path; the number of the watch."""
    cdef int number = inotify_add_watch(fd, path, mask)
    if number < 0:
        raise system_error(errno)
    return number


def remove_watch(int fd, int number):
    """Ends a watch, by what add_watch has returned."""
    if inotify_rm_watch(fd, number) < 0:
        raise system_error(errno)
