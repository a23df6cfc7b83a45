"""C declarations of src/memory: a few bytes compared, stored and published, and the pages they stand on."""
from libc.stdint cimport int64_t, uint8_t, uint64_t, uintptr_t

cdef extern from "memory/agree.h" nogil:
    uint64_t fm_eight(const uint8_t *)
    uint8_t fm_fold(uint8_t)
    size_t fm_agree(const uint8_t *, const uint8_t *, size_t, int)
    size_t fm_agree_back(const uint8_t *, const uint8_t *, size_t, int)

cdef extern from "memory/store.h" nogil:
    enum: FM_SLACK
    void fm_copy_loosely(uint8_t *, const uint8_t *, size_t)
    void fm_store(uint8_t *, const uint8_t *, size_t)

cdef extern from "memory/publish.h" nogil:
    void fm_publish(uint64_t *, uint64_t)
    uint64_t fm_read_once(const uint64_t *)

cdef extern from "memory/pages.h" nogil:
    bint fm_is_cold(const uint8_t *, size_t)
    void fm_read_ahead(const uint8_t *, size_t)
    void fm_drop(const uint8_t *, const uint8_t *, int, int64_t)
    const uint8_t *fm_resident(const uint8_t *, const uint8_t *)
    void fm_ask_for(const char *)
    void fm_touch(uint8_t *, int)
    void fm_make_writable(uintptr_t, uintptr_t, uintptr_t)
