/* The system's calls on Windows. What they promise is said in system.h.
 *
 * Descriptors are the C library's, and stand for handles here, so none of its translations of text comes between.
 */
#ifndef FASTMMAP_SYSTEM_WINDOWS_H
#define FASTMMAP_SYSTEM_WINDOWS_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <io.h>
#include <stdlib.h>

#ifdef __MINGW32__ /* whose headers lack what its libraries have */
_invalid_parameter_handler __cdecl _set_thread_local_invalid_parameter_handler(_invalid_parameter_handler);
#endif

/* Words that Windows' headers take away. */
#undef near
#undef far

#ifndef ESTALE
#define ESTALE 10070 /* WSAESTALE, as in Python's errno */
#endif

#define FM_MAPS_BEYOND_END 0
#define FM_KEEPS_POSITION 0

/* No call here moves more at a time: its numbers are 32 bits. */
#define FM_MOST_BYTES ((size_t)1 << 30)

/* Has errno say what an error of the system's means; -1. */
static inline int fm_fail(DWORD error)
{
    switch (error) {
    case ERROR_INVALID_HANDLE: errno = EBADF; break;
    case ERROR_ACCESS_DENIED:
    case ERROR_WRITE_PROTECT:
    case ERROR_SHARING_VIOLATION:
    case ERROR_LOCK_VIOLATION:
    case ERROR_USER_MAPPED_FILE: errno = EACCES; break;
    case ERROR_DISK_FULL:
    case ERROR_HANDLE_DISK_FULL:
    case ERROR_DISK_QUOTA_EXCEEDED: errno = ENOSPC; break;
    case ERROR_FILE_TOO_LARGE: errno = EFBIG; break;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
    case ERROR_NO_SYSTEM_RESOURCES:
    case ERROR_COMMITMENT_LIMIT:
    case ERROR_WORKING_SET_QUOTA: errno = ENOMEM; break;
    case ERROR_BROKEN_PIPE:
    case ERROR_NO_DATA: errno = EPIPE; break;
    case ERROR_NOACCESS: errno = EFAULT; break;
    case ERROR_INVALID_PARAMETER:
    case ERROR_FILE_INVALID: errno = EINVAL; break;
    default: errno = EIO;
    }
    return -1;
}

static inline int fm_failed(void)
{
    return fm_fail(GetLastError());
}

static void __cdecl fm_ignore_parameter(const wchar_t *expression, const wchar_t *function, const wchar_t *file,
                                        unsigned line, uintptr_t reserved)
{
    (void)expression, (void)function, (void)file, (void)line, (void)reserved;
}

/* The handle of a descriptor; INVALID_HANDLE_VALUE for none. The C library ends the process else. */
static inline HANDLE fm_handle(int fd)
{
    const _invalid_parameter_handler before = _set_thread_local_invalid_parameter_handler(fm_ignore_parameter);
    const HANDLE handle = (HANDLE)_get_osfhandle(fd);
    _set_thread_local_invalid_parameter_handler(before);
    return handle;
}

static inline void fm_close_descriptor(int fd)
{
    const _invalid_parameter_handler before = _set_thread_local_invalid_parameter_handler(fm_ignore_parameter);
    _close(fd);
    _set_thread_local_invalid_parameter_handler(before);
}

/* --- files --- */

static inline int fm_look(int fd, fm_file *file)
{
    const HANDLE handle = fm_handle(fd);
    const DWORD kind = GetFileType(handle);
    BY_HANDLE_FILE_INFORMATION named;
    FILE_STANDARD_INFO sized;
    if (kind == FILE_TYPE_UNKNOWN && GetLastError() != NO_ERROR)
        return fm_failed();
    if (kind != FILE_TYPE_DISK) { /* a pipe, or a console */
        const fm_file nothing = {0, 0, 0, 0, 1, 0};
        *file = nothing;
        return 0;
    }
    if (!GetFileInformationByHandle(handle, &named)
        || !GetFileInformationByHandleEx(handle, FileStandardInfo, &sized, sizeof sized))
        return fm_failed();
    file->device = named.dwVolumeSerialNumber;
    file->inode = (uint64_t)named.nFileIndexHigh << 32 | named.nFileIndexLow;
    file->size = (uint64_t)sized.EndOfFile.QuadPart;
    file->blocks = sized.AllocationSize.QuadPart / 512;
    file->names = sized.DeletePending ? 0 : sized.NumberOfLinks;
    file->regular = !(named.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY);
    return 0;
}

static inline OVERLAPPED fm_at_offset(uint64_t offset)
{
    OVERLAPPED place = {0};
    place.Offset = (DWORD)offset;
    place.OffsetHigh = (DWORD)(offset >> 32);
    return place;
}

static inline ptrdiff_t fm_pread(int fd, void *data, size_t size, uint64_t offset)
{
    OVERLAPPED place = fm_at_offset(offset);
    DWORD done = 0;
    if (ReadFile(fm_handle(fd), data, (DWORD)(size < FM_MOST_BYTES ? size : FM_MOST_BYTES), &done, &place)
        || GetLastError() == ERROR_HANDLE_EOF)
        return (ptrdiff_t)done;
    return fm_failed();
}

static inline ptrdiff_t fm_write_handle(HANDLE handle, const void *data, size_t size, OVERLAPPED *place)
{
    DWORD done = 0;
    if (!WriteFile(handle, data, (DWORD)(size < FM_MOST_BYTES ? size : FM_MOST_BYTES), &done, place))
        return fm_failed();
    return (ptrdiff_t)done;
}

static inline ptrdiff_t fm_pwrite(int fd, const void *data, size_t size, uint64_t offset)
{
    OVERLAPPED place = fm_at_offset(offset);
    return fm_write_handle(fm_handle(fd), data, size, &place);
}

/* A pipe that doesn't wait may take nothing of what it has no room for as a whole. */
static inline ptrdiff_t fm_write_to_pipe(HANDLE handle, const void *data, size_t size)
{
    for (; size > 0; size /= 2) {
        const ptrdiff_t number = fm_write_handle(handle, data, size, NULL);
        if (number != 0)
            return number;
    }
    errno = EAGAIN;
    return -1;
}

static inline ptrdiff_t fm_write_pieces(int fd, const fm_piece *pieces)
{
    const HANDLE handle = fm_handle(fd);
    const int is_file = GetFileType(handle) == FILE_TYPE_DISK;
    ptrdiff_t written = 0;
    for (int i = 0; i < 2; i++) {
        OVERLAPPED end = fm_at_offset((uint64_t)-1); /* which the system takes for the end of the file */
        if (pieces[i].size == 0)
            continue;
        const ptrdiff_t number = is_file ? fm_write_handle(handle, pieces[i].data, pieces[i].size, &end)
                                         : fm_write_to_pipe(handle, pieces[i].data, pieces[i].size);
        if (number < 0)
            return written ? written : -1;
        written += number;
        if ((size_t)number < pieces[i].size)
            break;
    }
    return written;
}

static inline int fm_set_end(int fd, uint64_t size)
{
    FILE_END_OF_FILE_INFO end;
    end.EndOfFile.QuadPart = (LONGLONG)size;
    return SetFileInformationByHandle(fm_handle(fd), FileEndOfFileInfo, &end, sizeof end) ? 0 : fm_failed();
}

static inline void fm_pause(unsigned microseconds);

/* Which byte of a file is locked: far behind any data, for what is locked can't be read or written by others. That is
 * known to fastmmap/system/windows.py, too. */
#define FM_LOCKED_BYTE ((uint64_t)1 << 62)

/* How long one call waits for a lock: some 50 ms, since nothing interrupts the wait when Ctrl-C is typed. */
#define FM_LOCK_TURNS 100

static inline int fm_lock(int fd)
{
    const HANDLE handle = fm_handle(fd);
    for (int turn = 0; turn < FM_LOCK_TURNS; turn++) {
        OVERLAPPED place = fm_at_offset(FM_LOCKED_BYTE);
        if (LockFileEx(handle, LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &place))
            return 0;
        const DWORD error = GetLastError();
        if (error != ERROR_LOCK_VIOLATION && error != ERROR_IO_PENDING)
            return fm_fail(error);
        fm_pause(turn < 20 ? 50 : 500);
    }
    errno = EINTR;
    return -1;
}

static inline int fm_unlock(int fd)
{
    OVERLAPPED place = fm_at_offset(FM_LOCKED_BYTE);
    return UnlockFileEx(fm_handle(fd), 0, 1, 0, &place) ? 0 : fm_failed();
}

/* --- memory --- */

static inline size_t fm_page_size(void)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwPageSize;
}

static inline size_t fm_map_unit(void)
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    return system.dwAllocationGranularity;
}

static inline void *fm_map(size_t length, fm_access access, int fd, int64_t offset)
{
    static const DWORD OF_FILES[] = {PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY};
    static const DWORD VIEWS[] = {FILE_MAP_READ, FILE_MAP_WRITE, FILE_MAP_COPY};
    const uint64_t begin = fd < 0 ? 0 : (uint64_t)offset, end = begin + length;
    const HANDLE file = fd < 0 ? INVALID_HANDLE_VALUE : fm_handle(fd);
    if (fd >= 0 && file == INVALID_HANDLE_VALUE) { /* that would be memory */
        errno = EBADF;
        return NULL;
    }
    const HANDLE section = CreateFileMappingW(file, NULL, fd < 0 ? PAGE_READWRITE : OF_FILES[access],
                                              (DWORD)(end >> 32), (DWORD)end, NULL);
    if (section == NULL) {
        fm_failed();
        return NULL;
    }
    void *address = MapViewOfFile(section, VIEWS[access], (DWORD)(begin >> 32), (DWORD)begin, length);
    if (address == NULL)
        fm_failed();
    CloseHandle(section); /* the view keeps it */
    return address;
}

static inline void fm_unmap(void *address, size_t length)
{
    (void)length;
    UnmapViewOfFile(address);
}

/* The first call only hands the pages over. */
static inline int fm_write_back(void *address, size_t length, int fd)
{
    if (!FlushViewOfFile(address, length) || (fd >= 0 && !FlushFileBuffers(fm_handle(fd))))
        return fm_failed();
    return 0;
}

static inline int fm_advise(void *address, size_t length, int advice)
{
    (void)address, (void)length, (void)advice;
    errno = EINVAL; /* there are no such numbers */
    return -1;
}

/* Windows tells which pages this process has, not which ones the system has in memory. */
static inline int fm_which_resident(void *address, size_t length, unsigned char *resident)
{
    (void)address, (void)length, (void)resident;
    errno = ENOSYS;
    return -1;
}

static inline void fm_begin_reading(void *address, size_t length)
{
    (void)address, (void)length; /* never called, as it isn't known where it pays */
}

/* What isn't locked leaves the process's working set so. */
static inline void fm_let_go(void *address, size_t length, int fd, int64_t offset)
{
    (void)fd, (void)offset;
    VirtualUnlock(address, length);
}

static inline int fm_can_make_writable(void)
{
    return 0;
}

static inline void fm_make_pages_writable(void *address, size_t length)
{
    (void)address, (void)length;
}

/* --- time, and the process --- */

static inline int64_t fm_now(void)
{
    LARGE_INTEGER ticks, in_a_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&in_a_second);
    return ticks.QuadPart / in_a_second.QuadPart * 1000000000
           + ticks.QuadPart % in_a_second.QuadPart * 1000000000 / in_a_second.QuadPart;
}

#ifndef CREATE_WAITABLE_TIMER_HIGH_RESOLUTION
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 2
#endif

/* By a timer as exact as there is: Sleep waits for 15 ms where one was asked for. */
static inline void fm_pause(unsigned microseconds)
{
    LARGE_INTEGER in;
    const HANDLE timer = CreateWaitableTimerExW(NULL, NULL, CREATE_WAITABLE_TIMER_HIGH_RESOLUTION, TIMER_ALL_ACCESS);
    in.QuadPart = -10 * (LONGLONG)microseconds;
    if (timer == NULL || !SetWaitableTimer(timer, &in, 0, NULL, NULL, FALSE)
        || WaitForSingleObject(timer, INFINITE) != WAIT_OBJECT_0)
        Sleep((microseconds + 999) / 1000); /* before Windows 10, version 1803 */
    if (timer != NULL)
        CloseHandle(timer);
}

static inline long fm_process(void)
{
    return (long)GetCurrentProcessId();
}

#endif
