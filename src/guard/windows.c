/* The guard on Windows, where a page that can't be had is an exception of the thread that touched it.
 *
 * A disk or a network that can't be read, and a hole in a sparse or compressed file that can't be filled, are
 * EXCEPTION_IN_PAGE_ERROR. (A file that is mapped can't be truncated, but for one on a server.) A view whose pages are
 * gone otherwise is EXCEPTION_ACCESS_VIOLATION, as is what Wine makes of SIGBUS.
 *
 * MSVC and clang-cl have frames for that (__try). Other compilers have not, so there the process has one handler that is
 * asked before all frames (vectored). It has the thread go on where its step began, as longjmp would: nothing between
 * that place and the step has anything to clean up. Nothing is installed before the first step over mapped memory, and
 * nothing is ever uninstalled.
 */
#include "guard.h"

#ifdef _WIN32

#include "../system/compiler.h"

#include <setjmp.h>
#include <windows.h>

#ifdef _MSC_VER
#define HAS_FRAMES 1
#else
#define HAS_FRAMES 0
#endif

/* In which of the watched ranges a fault is: in one of its pages. -1: in none. */
static int range_of(const EXCEPTION_RECORD *record, const fm_watch *watch)
{
    const ULONG_PTR page_mask = ~(ULONG_PTR)4095;
    /* ExceptionInformation: 0 reading, 1 writing, 8 executing; the address. */
    if ((record->ExceptionCode != EXCEPTION_IN_PAGE_ERROR && record->ExceptionCode != EXCEPTION_ACCESS_VIOLATION)
        || record->NumberParameters < 2 || record->ExceptionInformation[0] > 1)
        return -1;
    const ULONG_PTR page = record->ExceptionInformation[1] & page_mask;
    for (int i = 0; i < watch->ranges; i++) {
        const fm_range *range = &watch->range[i];
        const ULONG_PTR first = (ULONG_PTR)range->address & page_mask;
        const ULONG_PTR last = ((ULONG_PTR)range->address + range->length - 1) & page_mask;
        if (range->length && page >= first && page <= last)
            return i;
    }
    return -1;
}

static const void *address_of(const EXCEPTION_RECORD *record)
{
    return (const void *)record->ExceptionInformation[1];
}

#if HAS_FRAMES

static int judge(const EXCEPTION_POINTERS *pointers, fm_watch *watch)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    const int faulted = range_of(record, watch);
    if (faulted < 0)
        return EXCEPTION_CONTINUE_SEARCH;
    watch->faulted = faulted;
    watch->fault = address_of(record);
    return EXCEPTION_EXECUTE_HANDLER;
}

int fm_guarded(fm_step step, void *context, fm_watch *watch)
{
    if (watch->ranges == 0)
        return step(context);
    __try {
        return step(context);
    } __except (judge(GetExceptionInformation(), watch)) {
        return FM_FAULT;
    }
}

#elif defined(__x86_64__)

/* A step that runs. It stands on the stack of its thread. */
struct frame {
    jmp_buf back;
    const fm_watch *watch;
    const void *volatile fault;
    volatile int faulted;
};

static FM_IN_EACH_THREAD struct frame *volatile running; /* NULL: no step runs */

static void jump_back(struct frame *frame)
{
    longjmp(frame->back, 1);
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *pointers)
{
    struct frame *frame = running;
    CONTEXT *registers = pointers->ContextRecord;
    const int faulted = frame == NULL ? -1 : range_of(pointers->ExceptionRecord, frame->watch);
    if (faulted < 0)
        return EXCEPTION_CONTINUE_SEARCH;
    frame->fault = address_of(pointers->ExceptionRecord);
    frame->faulted = faulted;
    running = NULL;
    /* The thread goes on with a call of jump_back instead of the access: its stack is aligned as behind a call, above
     * which 32 bytes are the callee's. */
    registers->Rsp = ((registers->Rsp - 64) & ~(DWORD64)15) - 8;
    registers->Rcx = (DWORD64)frame;
    registers->Rip = (DWORD64)jump_back;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static INIT_ONCE installed = INIT_ONCE_STATIC_INIT;

static BOOL CALLBACK install(PINIT_ONCE once, void *parameter, void **context)
{
    (void)once, (void)parameter, (void)context;
    return AddVectoredExceptionHandler(1, on_exception) != NULL; /* before those that are there, as faulthandler's */
}

int fm_guarded(fm_step step, void *context, fm_watch *watch)
{
    struct frame frame;
    int answer;
    if (watch->ranges == 0)
        return step(context);
    InitOnceExecuteOnce(&installed, install, NULL, NULL);
    frame.watch = watch;
    /* Without a frame longjmp unwinds none, which can't be done from here. (__builtin_setjmp keeps a wrong frame pointer
     * in clang 22.) Nothing that is used after the jump changes before it. */
    if (_setjmp(frame.back, NULL) == 0) {
        running = &frame;
        answer = step(context);
        running = NULL;
        return answer;
    }
    /* The handler has set them. */
    /* cppcheck-suppress uninitStructMember */
    watch->fault = frame.fault;
    /* cppcheck-suppress uninitStructMember */
    watch->faulted = frame.faulted;
    return FM_FAULT;
}

#else
#error "the guard for this CPU needs structured exceptions: build with MSVC or clang-cl"
#endif

int fm_contested(void)
{
    return 0; /* an exception is offered to all who ask for it, and nobody can take it away */
}

#endif
