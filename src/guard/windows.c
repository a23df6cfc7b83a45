/* The guard on Windows, where a file that can't be read is an exception of the thread that touched it. */
#include "guard.h"

#ifdef _WIN32

#include <windows.h>

#ifndef _MSC_VER
#error "the guard needs structured exceptions: build with MSVC or clang-cl"
#endif

static int judge(const EXCEPTION_POINTERS *pointers, fm_watch *watch)
{
    const EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    /* ExceptionInformation: 0 reading or writing, 1 the address, 2 the NTSTATUS behind it. */
    if (record->ExceptionCode != EXCEPTION_IN_PAGE_ERROR || record->NumberParameters < 3)
        return EXCEPTION_CONTINUE_SEARCH;
    const ULONG_PTR at = record->ExceptionInformation[1];
    for (int i = 0; i < watch->ranges; i++) {
        const ULONG_PTR start = (ULONG_PTR)watch->range[i].address;
        if (at >= start && at - start < watch->range[i].length) {
            watch->faulted = i;
            watch->fault = (const void *)at;
            return EXCEPTION_EXECUTE_HANDLER;
        }
    }
    return EXCEPTION_CONTINUE_SEARCH;
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

int fm_contested(void)
{
    return 0; /* an exception is offered to this thread's frames first */
}

#endif
