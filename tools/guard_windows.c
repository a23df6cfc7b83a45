/* The guard of src/guard/windows.c, by itself: faults of each kind, in each kind of place, for Windows or Wine.
 *
 *   python -m ziglang cc -target x86_64-windows-gnu -O2 -Isrc/guard -o guard.exe tools/guard_windows.c src/guard/windows.c \
 *       src/guard/sheltered.c
 *   wine guard.exe 100000
 */
#include "guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#define PAGE 4096
#define PAGES 16
#define GONE 5 /* which of them can't be touched */

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: not so: %s\n", __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

typedef struct {
    volatile unsigned char *bytes;
    size_t length;
    size_t done;
    unsigned sum;
} work;

static int read_all(void *context)
{
    work *job = context;
    for (; job->done < job->length; job->done++)
        job->sum += job->bytes[job->done];
    return 7;
}

static int store_all(void *context)
{
    work *job = context;
    for (; job->done < job->length; job->done++)
        job->bytes[job->done] = 1;
    return 7;
}

/* The same, by a stack on which much stands. */
static int read_deep(void *context)
{
    volatile char room[300];
    work *job = context;
    room[0] = 1;
    if (job->sum < 50) {
        job->sum++;
        return read_deep(context) + room[0] - 1;
    }
    return read_all(context);
}

static int fail_to_read(void *context)
{
    work *job = context;
    const ULONG_PTR what[3] = {0, (ULONG_PTR)job->bytes + 3 * PAGE + 17, 0xC0000185 /* STATUS_IO_DEVICE_ERROR */};
    RaiseException(EXCEPTION_IN_PAGE_ERROR, 0, 3, what);
    return 7;
}

static fm_watch watch_all(const work *job)
{
    fm_watch watch = {{{NULL, 0}, {(const void *)job->bytes, job->length}}, 2, -1, NULL};
    return watch;
}

/* Runs a step over memory whose page GONE can't be touched. */
static void run(fm_step step, unsigned char *memory, size_t fault)
{
    work job = {memory, PAGES * PAGE, 0, 0};
    fm_watch watch = watch_all(&job);
    CHECK(fm_guarded(step, &job, &watch) == FM_FAULT);
    CHECK(watch.faulted == 1);
    CHECK((size_t)((const unsigned char *)watch.fault - memory) == fault);
}

static unsigned char *others; /* memory that is none of the guard's */
static volatile LONG passed_on;

static LONG CALLBACK mend(EXCEPTION_POINTERS *pointers)
{
    DWORD before;
    if (others == NULL || pointers->ExceptionRecord->ExceptionInformation[1] != (ULONG_PTR)others + GONE * PAGE)
        return EXCEPTION_CONTINUE_SEARCH;
    InterlockedIncrement(&passed_on);
    VirtualProtect(others + GONE * PAGE, PAGE, PAGE_READWRITE, &before);
    return EXCEPTION_CONTINUE_EXECUTION;
}

static unsigned char *pages(void)
{
    unsigned char *memory = VirtualAlloc(NULL, PAGES * PAGE, MEM_COMMIT | MEM_RESERVE, PAGE_READWRITE);
    CHECK(memory != NULL);
    memset(memory, 1, PAGES * PAGE);
    return memory;
}

static void forbid(unsigned char *memory, DWORD protection)
{
    DWORD before;
    CHECK(VirtualProtect(memory + GONE * PAGE, PAGE, protection, &before));
}

static DWORD WINAPI many_times(void *argument)
{
    unsigned char *memory = pages();
    double kept = (double)(size_t)memory;
    const double begin = kept;
    forbid(memory, PAGE_NOACCESS);
    for (size_t i = 0; i < *(const size_t *)argument; i++) {
        kept += 1.5; /* in a register that a callee must keep */
        run(i % 2 ? read_all : store_all, memory, GONE * PAGE);
    }
    CHECK(kept == begin + 1.5 * (double)*(const size_t *)argument);
    return 0;
}

int main(int count, char **arguments)
{
    size_t times = count > 1 ? strtoull(arguments[1], NULL, 10) : 1000;
    unsigned char *memory = pages();
    work job = {memory, PAGES * PAGE, 0, 0};
    fm_watch watch = watch_all(&job);
    HANDLE threads[4];

    CHECK(fm_guarded(read_all, &job, &watch) == 7 && job.sum == PAGES * PAGE);
    watch.ranges = 0;
    CHECK(fm_guarded(read_all, &job, &watch) == 7);
    forbid(memory, PAGE_NOACCESS);
    run(read_all, memory, GONE * PAGE);
    run(store_all, memory, GONE * PAGE);
    run(read_deep, memory, GONE * PAGE);
    run(fail_to_read, memory, 3 * PAGE + 17);
    forbid(memory, PAGE_READONLY);
    run(store_all, memory, GONE * PAGE);

    /* A part of a page. */
    forbid(memory, PAGE_NOACCESS);
    job = (work){memory + GONE * PAGE + 100, 50, 0, 0};
    watch = watch_all(&job);
    CHECK(fm_guarded(read_all, &job, &watch) == FM_FAULT && watch.fault == memory + GONE * PAGE + 100);

    /* What a system call reads of it. */
    unsigned char copy[3 * PAGE];
    CHECK(fm_read(copy, memory + (GONE - 2) * PAGE + 9, sizeof copy) == 2 * PAGE - 9);
    CHECK(fm_read(copy, memory + GONE * PAGE, 1) == 0);
    CHECK(fm_read(copy, memory + (GONE + 1) * PAGE, sizeof copy) == (ptrdiff_t)sizeof copy);

    /* Others' faults are others'. */
    CHECK(AddVectoredExceptionHandler(0, mend) != NULL);
    others = pages();
    forbid(others, PAGE_NOACCESS);
    job = (work){others, PAGES * PAGE, 0, 0};
    watch = watch_all(&(work){memory, PAGES * PAGE, 0, 0});
    CHECK(fm_guarded(read_all, &job, &watch) == 7 && passed_on == 1);
    others = NULL;

    VirtualFree(memory + GONE * PAGE, PAGE, MEM_DECOMMIT);
    run(read_all, memory, GONE * PAGE);
    run(store_all, memory, GONE * PAGE);

    for (int i = 0; i < 4; i++)
        CHECK((threads[i] = CreateThread(NULL, 1 << 16, many_times, &times, 0, NULL)) != NULL);
    CHECK(WaitForMultipleObjects(4, threads, TRUE, INFINITE) == WAIT_OBJECT_0);
    for (int i = 0; i < 4; i++) {
        DWORD status = 1;
        CHECK(GetExitCodeThread(threads[i], &status) && status == 0);
    }
    printf("every fault was caught, and %zu in each of 4 threads\n", times);
    return 0;
}
