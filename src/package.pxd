"""Every call that src/ makes up into Python code: by a name of its own, with the reason for it.

Native code is given memory and returns numbers. What needs a path, numpy, the environment, several threads or the words
of an error stands in the package, and is reached by this file alone. (Objects that a call is given are asked as well:
a mapping for its file's status, a subclass of Stage for its overflow, a counter of records.)

No module is imported here. In a function, a fork in another thread could leave half of it; at import, modules would
import each other. The package imports all of these when it is imported itself, before a kernel is called; where the
command runs, which imports less, mapped.py imports what faults come to, and cli/quick.py, which doesn't, goes by the
ImportError. `look_up` takes what sys.modules has at each call, and raises ImportError where it has none. That takes
some 50 ns. A call on few bytes with usual arguments makes none, but for gather, whose arrays take microseconds.

What an extension does when it is imported itself, and what must be imported by then:

- import_guard, import_contested: addresses in _mapping and _parallel. _extensions.py imports those two first.
- `from _thread import start_new_thread` in _parallel.pyx: then and not later, so that code that replaces it, as gevent
  does, doesn't replace ours.
- `from fastmmap.logs import layout` in _drain.pyx: the layout of a stage and of a lock, which is written once.
  That module imports none of ours.
"""
from cpython.buffer cimport PyObject_CheckBuffer
from cpython.pycapsule cimport PyCapsule_Import
from cpython.ref cimport Py_INCREF
from libc.stdint cimport uintptr_t
from capi cimport *
from guard cimport *

cdef inline object look_up(str module, str name):
    """What a module that was imported has by that name."""
    return getattr(fm_imported(module), name)

# --- native state that exists once: its addresses come in capsules, by the import system ---

cdef extern from *:
    """
    typedef int (*fm_check)(void);
    static fm_check fm_check_wanted;  /* NULL until this extension has imported the guard */
    """
    ctypedef int (*fm_check)() except -1
    fm_check fm_check_wanted

cdef inline fm_guard import_guard() except NULL:
    """The process's one fm_guarded, which lives in _mapping. Only at the import of an extension."""
    global fm_check_wanted
    fm_check_wanted = <fm_check> PyCapsule_Import("fastmmap._parallel.wanted", 0)
    return <fm_guard> PyCapsule_Import("fastmmap._mapping.guarded", 0)

cdef inline fm_question import_contested() except NULL:
    """fm_contested, which lives there too. Only at the import of an extension."""
    return <fm_question> PyCapsule_Import("fastmmap._mapping.contested", 0)

cdef inline int check_wanted() except -1:
    """Ends the work of a helping thread whose call an error or an interrupt has ended: _parallel knows."""
    if fm_check_wanted != NULL:
        fm_check_wanted()
    return 0

# --- arrays: numpy is imported when it is first needed, which a fork must wait for ---

cdef extern from *:
    """
    #include "system/compiler.h"
    static void *fm_numpy;  /* of this extension; once it is known it stays */
    static inline void *fm_known_numpy(void) { return fm_read_pointer(&fm_numpy); }
    static inline void fm_keep_numpy(PyObject *numpy) { fm_store_pointer(&fm_numpy, numpy); }
    """
    void *fm_known_numpy()
    void fm_keep_numpy(object)

cdef inline object load_numpy():
    """Also in a call on few bytes, so it is looked up once."""
    cdef void *known = fm_known_numpy()
    if known != NULL:
        return <object> known
    numpy = look_up("fastmmap._imports", "load")("numpy")
    if look_up("fastmmap._imports", "is_whole")(numpy):
        Py_INCREF(numpy)
        fm_keep_numpy(numpy)
    return numpy

cdef inline object enlarge(object offsets, Py_ssize_t room):
    """A longer array that begins as `offsets`: parallel.py knows when numpy's is remapped and when it is copied."""
    return look_up("fastmmap.parallel", "enlarged")(offsets, room)

# --- arguments: those that native code doesn't know, and the words that refuse them, which the reference has too ---

cdef inline object as_buffer(object source):
    """What isn't a buffer is made one by the file layer, which knows paths."""
    return look_up("fastmmap.reference.arguments", "as_buffer")(source)

cdef inline object buffer_within(object source, Py_ssize_t start, Py_ssize_t end):
    """The same, of which only a range is looked at."""
    return look_up("fastmmap.reference.arguments", "buffer_within")(source, start, end)

cdef inline Py_ssize_t limit_or_all(object limit) except -1:
    if limit is None:
        return PY_SSIZE_T_MAX
    return look_up("fastmmap.reference.arguments", "check_limit")(limit)

cdef inline int refuse_needle(object needle) except -1:
    """Raises the TypeError for what is none."""
    look_up("fastmmap.reference.arguments", "refuse_needle")(needle)
    return 0

cdef inline bint are_several(object needle) except -1:
    """Whether that is more than one needle."""
    if PyBytes_CheckExact(needle) or isinstance(needle, str):
        return False
    return isinstance(needle, look_up("fastmmap.reference.arguments", "several"))

cdef inline bint is_stream(object source) except -1:
    """Whether that is no buffer, but can be read as a binary file is."""
    return not PyObject_CheckBuffer(source) and look_up("fastmmap.reference.arguments", "is_stream")(source)

cdef inline object in_stream(str kernel, str verb, object stream, object needle, tuple span, dict options):
    """What a search does in one: fastmmap/stepwise.py has it, which is imported when it is needed."""
    stepwise = look_up("fastmmap._imports", "load")("fastmmap.stepwise")
    return stepwise.in_stream(kernel, verb, stream, needle, span, options)

cdef inline bint are_pairs(object old, object new) except -1:
    """Whether that is {old: new, ...}, and not one of each."""
    if PyBytes_CheckExact(old) or isinstance(old, str):
        return False
    return look_up("fastmmap.reference.arguments", "are_pairs")(old, new)

cdef inline object in_many(str kernel):
    """The verbs for more than one needle: fastmmap/many.py has them, which is imported when it is needed."""
    return look_up("fastmmap._imports", "load")("fastmmap.many").verbs_of(kernel)

cdef inline int check_old(bytes old) except -1:
    if not old:
        look_up("fastmmap.reference.arguments", "check_old")(old)
    return 0

cdef inline int check_same_length(bytes old, bytes new) except -1:
    if not old or len(old) != len(new):
        look_up("fastmmap.reference.arguments", "check_same_length")(old, new)
    return 0

cdef inline int check_threads(object threads) except -1:
    if threads is not None and not (PyLong_CheckExact(threads) and threads > 0):
        look_up("fastmmap.reference.arguments", "check_threads")(threads)
    return 0

cdef inline tuple as_records(object offsets, object length):
    """Offsets and lengths as two arrays of our own: whatever numpy makes arrays of."""
    return look_up("fastmmap.reference.arguments", "as_records")(offsets, length)

cdef inline int check_lengths(object lengths) except -1:
    """Says which one is wrong; native code knows only that one is."""
    look_up("fastmmap.reference.arguments", "check_lengths")(lengths)
    return 0

cdef inline int check_within(object offsets, object lengths, Py_ssize_t size) except -1:
    """Likewise."""
    look_up("fastmmap.reference.arguments", "check_within")(offsets, lengths, size)
    return 0

# --- threads: parallel.py cuts large calls into blocks, and knows FASTMMAP_THREADS and other people's executors ---

cdef inline Py_ssize_t most_workers(object threads) except -1:
    return look_up("fastmmap.parallel", "workers")(threads)

cdef inline object in_threads(str verb):
    """The function that does a verb of a search or replace kernel in blocks."""
    return look_up("fastmmap.parallel", verb)

cdef inline object haystack(object buffer, Py_ssize_t start, Py_ssize_t end, object progress):
    """The memory that it does so in, and whom it tells how far it is."""
    return look_up("fastmmap.parallel", "Haystack")(buffer, start, end, progress)

# --- kernels: one verb's needs another's for its blocks, and which one was chosen is the package's decision ---

cdef inline object search_kernel(str name):
    """The functions of _search. It is native, but an extension needs no cimport of another at run time."""
    return look_up("fastmmap._search", "Kernel")(name)

cdef inline object reduce_kernel(object kernel, str verb, str name):
    """How a kernel is pickled: the chosen one as whichever is chosen where the pickle is read."""
    return look_up("fastmmap._backend", "reduced")(kernel, verb, name)

cdef inline tuple reduce_match(Py_ssize_t offset, Py_ssize_t start, bytes line, number, tuple around):
    """How a Match is pickled: as one of whichever kernel is chosen where the pickle is read."""
    return look_up("fastmmap._backend", "match_again"), (offset, start, line, number, *around)

# --- memory whose faults can't be caught: sheltered.py has the kernels work on copies, block by block ---

cdef inline object sheltered(fm_question contested, object kernel, const Py_buffer *view):
    """The search kernel that blocks of this memory are given to."""
    if not in_danger(contested, view):
        return kernel
    return look_up("fastmmap.sheltered", "Sheltered")(kernel)

cdef inline object sheltered_item(object mapping, object index):
    return look_up("fastmmap.sheltered", "item")(mapping, index)

cdef inline bytes copy_safely(object buffer, Py_ssize_t start, Py_ssize_t end):
    """A part of a buffer's memory, copied by a system call."""
    return look_up("fastmmap._guarded", "read")(buffer, start, end)

cdef inline int gather_sheltered(object data, object buffer, object offsets, object lengths) except -1:
    look_up("fastmmap.sheltered", "gather")(data, buffer, offsets, lengths)
    return 0

cdef inline object in_reference(str name):
    """The reference's function for lines: it reads what it looks at by a system call."""
    return getattr(look_up("fastmmap._imports", "load")("fastmmap.reference.lines"), name)

# --- the system's words: the os module's ---

cdef inline object system_error(int number):
    """The OSError for an errno."""
    return OSError(number, look_up("os", "strerror")(number))

# --- faults: faults.py asks the system about files, errors.py has the error ---

cdef inline int raise_fault(const Watch *watching) except -1:
    """The MappedFileError for the fault: _guarded finds out what was the matter."""
    cdef int i = watching.memory.faulted
    cdef uintptr_t start = <uintptr_t> watching.memory.range[i].address
    # What was reported lies in a page of the range, but perhaps outside of it.
    cdef uintptr_t last = start + watching.memory.range[i].length - 1
    cdef uintptr_t fault = min(max(<uintptr_t> watching.memory.fault, start), last)
    raise look_up("fastmmap._guarded", "lost")(<object> watching.owner[i], <uintptr_t> watching.origin[i], fault,
                                               watching.stores[i])

cdef inline int check_memory(object buffer) except -1:
    """After a system call that couldn't read a buffer (EFAULT): raises if that is so because it has lost its file."""
    look_up("fastmmap._guarded", "check_readable")(buffer)
    return 0

cdef inline object file_behind(object owner):
    """What has the file that was mapped, behind views and arrays."""
    return look_up("fastmmap.faults", "behind")(owner)

cdef inline str reason_of(object file, uintptr_t address, bint stores):
    return look_up("fastmmap.faults", "reason_of")(file, address, stores)

cdef inline object mapped_file_error(str reason, Py_ssize_t offset, object file, uintptr_t address):
    name = look_up("fastmmap.faults", "name_of")(file, address)
    return look_up("fastmmap.errors", "MappedFileError").because(reason, offset, name)

cdef inline int judge_status(object mapping, object before, object after, tuple read) except -1:
    """Raises if a file's status says that it was truncated. `read` has the fields of faults.Read."""
    look_up("fastmmap.faults", "check_status")(mapping, before, after, look_up("fastmmap.faults", "Read")(*read))
    return 0
