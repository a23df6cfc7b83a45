/* Reading memory that may have lost its file by a system call, which can't be killed by a fault. */
#ifdef __linux__
#define _GNU_SOURCE /* process_vm_readv */
#endif
#include "guard.h"

#ifdef _WIN32
#include <stdint.h>
#include <windows.h>
#else
#include <errno.h>
#include <stdint.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <sys/uio.h>
#endif
#ifdef __APPLE__
#include <mach/mach.h>
#endif

#ifdef _WIN32
ptrdiff_t fm_read(void *target, const void *source, size_t length)
{
    const size_t page = 4096;
    size_t done = 0, most = length;
    while (done < length) {
        SIZE_T copied = 0;
        const BOOL all = ReadProcessMemory(GetCurrentProcess(), (const char *)source + done, (char *)target + done,
                                           length - done < most ? length - done : most, &copied);
        /* What it says of a part isn't relied on: that may stop short of the page that is gone. */
        if (all)
            done += copied;
        else if (most <= page)
            break;
        if (!all || most <= page)
            most = page - ((uintptr_t)source + done) % page;
    }
    return (ptrdiff_t)done;
}
#else
ptrdiff_t fm_read(void *target, const void *source, size_t length)
{
#if defined(__linux__)
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t done = 0, most = length;
    while (done < length) {
        struct iovec here = {(char *)target + done, most};
        struct iovec there = {(char *)source + done, most};
        const ssize_t copied = process_vm_readv(getpid(), &here, 1, &there, 1, 0);
        if (copied < 0 && errno != EFAULT)
            return -1; /* a sandbox without this call */
        if (copied > 0) {
            done += (size_t)copied;
        } else if (most > page) {
            most = page; /* what it can't copy whole it need not copy in part */
        } else {
            const size_t left_in_page = page - ((uintptr_t)source + done) % page;
            if (most <= left_in_page)
                break;
            most = left_in_page;
        }
        if (most > length - done)
            most = length - done;
    }
    return (ptrdiff_t)done;
#elif defined(__APPLE__)
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t done = 0;
    while (done < length) {
        const size_t left_in_page = page - ((uintptr_t)source + done) % page;
        const size_t part = length - done < left_in_page ? length - done : left_in_page;
        vm_size_t copied = 0;
        if (vm_read_overwrite(mach_task_self(), (vm_address_t)source + done, part, (vm_address_t)target + done, &copied)
            != KERN_SUCCESS)
            break;
        done += copied;
    }
    return (ptrdiff_t)done;
#else
    (void)target;
    (void)source;
    (void)length;
    return -1;
#endif
}
#endif
