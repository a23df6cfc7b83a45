"""C declarations of src/scan, and the choice of a kernel by its name."""
from libc.stdint cimport uint8_t, uint32_t

cdef extern from "scan/kernel.h" nogil:
    enum: FM_PROBES
    enum: FM_MOST_LOOKS
    enum: FM_STEP
    enum: FM_WINDOW

    ctypedef struct fm_needle:
        const uint8_t *bytes
        size_t length
        size_t probes
        size_t looks
        size_t *probe
        int fold
        int apart
        size_t periods
        size_t *period

    ctypedef struct fm_progress:
        size_t scanned
        size_t closer

    enum: FM_SETS

    ctypedef struct fm_buckets:
        int sets
        uint8_t low[4][4][16]
        uint8_t high[4][4][16]

    int fm_window(const fm_buckets *)

    ctypedef struct fm_candidate:
        uint32_t window
        uint32_t buckets

    ctypedef struct fm_kernel:
        const char *name
        size_t (*forward)(const uint8_t *, size_t, const fm_needle *, uint32_t *, size_t, fm_progress *) noexcept nogil
        size_t (*backward)(const uint8_t *, size_t, const fm_needle *, uint32_t *, fm_progress *) noexcept nogil
        size_t (*count)(const uint8_t *, size_t, const fm_needle *, fm_progress *) noexcept nogil
        size_t (*many)(const uint8_t *, size_t, const fm_buckets *, fm_candidate *, size_t, size_t *) noexcept nogil

    ctypedef enum fm_status:
        FM_READY
        FM_NOT_BUILT
        FM_NOT_ON_THIS_CPU

    const fm_kernel *fm_kernel_named(const char *, fm_status *)

cdef inline const fm_kernel *choose(str name) except NULL:
    """The kernel of that name. One that isn't built is an ImportError, one that this CPU can't run a RuntimeError."""
    cdef fm_status status
    cdef const fm_kernel *kernel = fm_kernel_named(name.encode(), &status)
    if status == FM_NOT_ON_THIS_CPU:
        raise RuntimeError(f"kernel {name!r} is built, but this CPU lacks its instructions")
    if kernel == NULL:
        raise ImportError(f"kernel {name!r} is not built: it is not for this machine's architecture")
    return kernel
