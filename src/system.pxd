"""C declarations of src/system: every call of native code to the system. What each does is said in system/system.h."""
from libc.stdint cimport int64_t, uint32_t, uint64_t

cdef extern from "system/system.h" nogil:
    ctypedef struct fm_file:
        uint64_t device
        uint64_t inode
        uint64_t size
        int64_t blocks
        unsigned long names
        bint regular
    ctypedef struct fm_piece:
        const void *data
        size_t size
    int fm_look(int, fm_file *)
    Py_ssize_t fm_pread(int, void *, size_t, uint64_t)
    Py_ssize_t fm_pwrite(int, const void *, size_t, uint64_t)
    Py_ssize_t fm_write_pieces(int, const fm_piece *)
    int fm_set_end(int, uint64_t)
    int fm_lock(int)
    int fm_unlock(int)
    void fm_close_descriptor(int)

    ctypedef enum fm_access:
        FM_MAP_READ
        FM_MAP_WRITE
        FM_MAP_COPY
    bint FM_MAPS_BEYOND_END
    bint FM_KEEPS_POSITION
    size_t fm_page_size()
    size_t fm_map_unit()
    void *fm_map(size_t, fm_access, int, int64_t)
    void fm_unmap(void *, size_t)
    int fm_write_back(void *, size_t, int)
    int fm_advise(void *, size_t, int)
    bint fm_can_make_writable()

    int64_t fm_now()
    void fm_pause(unsigned int)
    long fm_process()

    int fm_open_watch()
    int fm_add_watch(int, const char *, uint32_t)
    int fm_remove_watch(int, int)
