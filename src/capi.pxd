"""What src/ takes of Python's C API otherwise than Cython declares it."""

cdef extern from *:
    """
    /* The module of a name, if it was imported: else an ImportError. PyImport_GetModule sets none. */
    static inline PyObject *fm_imported(PyObject *name)
    {
        PyObject *module = PyImport_GetModule(name);
        if (module == NULL && !PyErr_Occurred())
            PyErr_Format(PyExc_ImportError, "%U is needed, and nobody has imported it", name);
        return module;
    }

    /* PyBuffer_FillInfo for a __getbuffer__: Cython has put a reference to None into the view, which would be lost. */
    static inline int fm_fill_view(Py_buffer *view, PyObject *owner, void *address, Py_ssize_t size, int is_readonly,
                                   int flags)
    {
        Py_CLEAR(view->obj);
        return PyBuffer_FillInfo(view, owner, address, size, is_readonly, flags);
    }
    """
    object fm_imported(object)
    int fm_fill_view(Py_buffer *, object, void *, Py_ssize_t, bint, int) except -1

cdef extern from "Python.h":
    int try_export "PyObject_GetBuffer"(object, Py_buffer *, int)  # leaves it to the caller to look at the error
    Py_ssize_t try_ssize "PyLong_AsSsize_t"(object)  # likewise: -1 may be one
    int PyLong_CheckExact(object)
    bint PyIndex_Check(object)
    Py_ssize_t PyNumber_AsSsize_t(object, void *) except? -1
    bint PyUnicode_CheckExact(object)
    bint PyUnicode_IS_COMPACT_ASCII(object)
    Py_ssize_t PY_SSIZE_T_MAX

cdef inline bint is_ascii(object value):
    """Whether it is a str whose memory is its bytes in ASCII."""
    return PyUnicode_CheckExact(value) and PyUnicode_IS_COMPACT_ASCII(value)
