"""The kernels by name. The vector ones come from dispatch.c; "scalar" stands here.

scalar is what scan.h does, a byte at a time, in plain Cython: it runs everywhere, and its contracts are those of
`fm_kernel` in kernel.h.
"""
from kernel cimport *

cdef inline size_t scalar_forward(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                  size_t capacity, size_t *scanned) noexcept nogil:
    cdef size_t i = 0, listed = 0
    cdef uint8_t first = needle.bytes[needle.first], second = needle.bytes[needle.second]
    cdef uint8_t first_case = fm_case_bit(needle, needle.first), second_case = fm_case_bit(needle, needle.second)
    while i < starts and listed <= capacity - FM_STEP:
        if (hay[i + needle.first] | first_case) == first and (hay[i + needle.second] | second_case) == second:
            out[listed] = <uint32_t> i
            listed += 1
        i += 1
    scanned[0] = i
    return listed

cdef inline size_t scalar_backward(const uint8_t *hay, size_t starts, const fm_needle *needle, uint32_t *out,
                                   size_t capacity, size_t *scanned) noexcept nogil:
    cdef size_t i = starts, listed = 0
    cdef uint8_t first = needle.bytes[needle.first], second = needle.bytes[needle.second]
    cdef uint8_t first_case = fm_case_bit(needle, needle.first), second_case = fm_case_bit(needle, needle.second)
    while i > 0 and listed <= capacity - FM_STEP:
        i -= 1
        if (hay[i + needle.first] | first_case) == first and (hay[i + needle.second] | second_case) == second:
            out[listed] = <uint32_t> i
            listed += 1
    scanned[0] = starts - i
    return listed

cdef inline size_t scalar_count_byte(const uint8_t *block, size_t length, uint8_t byte) noexcept nogil:
    cdef size_t i, count = 0
    for i in range(length):
        count += block[i] == byte
    return count

cdef inline int choose(fm_kernel *kernel, str name) except -1:
    """Fills in the kernel of that name. Not built is an ImportError, not on this CPU a RuntimeError."""
    cdef fm_status status
    cdef const fm_kernel *vector
    if name == "scalar":
        kernel[0] = fm_kernel(b"scalar", scalar_forward, scalar_backward, scalar_count_byte)
        return 0
    vector = fm_vector_kernel(name.encode(), &status)
    if status == FM_NOT_ON_THIS_CPU:
        raise RuntimeError(f"kernel {name!r} is built, but this CPU has not its instructions")
    if vector == NULL:
        raise ImportError(f"kernel {name!r} is not built: it is not for this machine's architecture")
    kernel[0] = vector[0]
    return 0
