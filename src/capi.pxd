"""What src/ takes of Python's C API otherwise than Cython declares it."""

cdef extern from "Python.h":
    int try_export "PyObject_GetBuffer"(object, Py_buffer *, int)  # leaves it to the caller to look at the error
    Py_ssize_t try_ssize "PyLong_AsSsize_t"(object)  # likewise: -1 may be one
    int PyLong_CheckExact(object)
    bint PyIndex_Check(object)
    object PyImport_GetModule(object)
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1
    enum: PY_SSIZE_T_MAX
