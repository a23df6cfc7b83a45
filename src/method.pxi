# Included by _mapping.pyx: a kernel's function as a method of a mapping, which is what it takes first.

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef object (*vectorcallfunc)(object, PyObject *const *, size_t, PyObject *)
    ctypedef struct PyTypeObject:
        unsigned long tp_flags
        Py_ssize_t tp_vectorcall_offset
    unsigned long Py_TPFLAGS_METHOD_DESCRIPTOR
    void PyType_Modified(PyTypeObject *)
    object PyMethod_New(object, object)
    object PyObject_Vectorcall(object, PyObject *const *, size_t, PyObject *)

cdef extern from *:
    """
    #ifndef Py_TPFLAGS_HAVE_VECTORCALL
    #define Py_TPFLAGS_HAVE_VECTORCALL _Py_TPFLAGS_HAVE_VECTORCALL
    #endif
    """
    unsigned long Py_TPFLAGS_HAVE_VECTORCALL


cdef class KernelMethod:
    """m.find(needle) calls the kernel's find(m, needle), and nothing in between: a method in Python takes longer than
    finding what is near. `described` is such a method, which tells signature and docstring."""
    cdef vectorcallfunc vectorcall
    cdef object function, described, owner
    cdef object __weakref__

    def __init__(self, function, described, owner):
        self.vectorcall = call_function
        self.function, self.described, self.owner = function, described, owner

    def __reduce__(self):
        return getattr, (self.owner, self.described.__name__)

    def __get__(self, instance, owner):
        return self if instance is None else PyMethod_New(self, instance)

    def __call__(self, *arguments, **options):
        return self.function(*arguments, **options)

    def __getattr__(self, str name):
        return getattr(self.described, name)

    def __repr__(self):
        return repr(self.described)

    @property
    def __doc__(self):
        return self.described.__doc__

    @property
    def __wrapped__(self):
        return self.described


cdef object call_function(object method, PyObject *const *arguments, size_t number, PyObject *names):
    return PyObject_Vectorcall((<KernelMethod> method).function, arguments, number, names)


cdef extern from *:
    """
    #define fm_method_vectorcall offsetof(struct __pyx_obj_8fastmmap_8_mapping_KernelMethod, vectorcall)
    """
    Py_ssize_t fm_method_vectorcall

(<PyTypeObject *> KernelMethod).tp_vectorcall_offset = fm_method_vectorcall
(<PyTypeObject *> KernelMethod).tp_flags |= Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_HAVE_VECTORCALL
PyType_Modified(<PyTypeObject *> KernelMethod)
