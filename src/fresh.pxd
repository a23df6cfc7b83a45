"""Large copies out of a mapped file: by a system call, which takes half as long as faults do where pages aren't mapped
yet.

Where they are, it takes as long. The mapping's own descriptor is read, which isn't closed before: a copy of it, when it
was closed, would take the process's record locks on the file with it. What the call doesn't give is copied from memory,
with whatever comes of that.
"""
from libc.stdint cimport int64_t
from files cimport read_some
from guard cimport *
from steps cimport *

# From this many bytes on.
cdef enum:
    FRESH_BYTES = 1 << 18

cdef struct FileCopy:
    Copy copy
    int fd
    int64_t offset          # of `source` in the file
    const char *source

cdef inline int file_copy_step(void *context) noexcept nogil:
    cdef FileCopy *job = <FileCopy *> context
    cdef Copy *copy = &job.copy
    cdef Py_ssize_t number = read_some(job.fd, copy.target, min(copy.length, <Py_ssize_t> STEP_BYTES),
                                       job.offset + (copy.source - job.source))
    if number <= 0:
        return copy_step(copy)
    copy.target += number
    copy.source += number
    copy.length -= number
    return MORE if copy.length else DONE

cdef inline int copy_from_file(fm_guard guarded, int descriptor, int64_t offset, char *target, const char *source,
                               Py_ssize_t length, Watch *watching) except -1:
    """Copies what is mapped at `source` from the file's bytes from `offset` on."""
    cdef FileCopy job
    job.copy = Copy(target=target, source=source, length=length)
    job.fd, job.offset, job.source = descriptor, offset, source
    return drive(guarded, file_copy_step, &job, length, watching)
