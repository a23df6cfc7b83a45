/* What fastmmap/system/darwin.py says of macOS, compared with its headers: compile_macos.py compiles this, with each
 * number of that module as FM_NAME, and the size of each of its structs. Nothing here runs. */
#include <copyfile.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <sys/sysctl.h>

#define SAME(what, expected) _Static_assert((what) == (expected), #what)
#define AT(type, field, expected) SAME(offsetof(struct type, field), expected)

SAME(F_PREALLOCATE, FM_PREALLOCATE);
SAME(F_GETPATH, FM_GETPATH);
SAME(F_FULLFSYNC, FM_FULLFSYNC);
SAME(F_PUNCHHOLE, FM_PUNCHHOLE);
SAME(MAXPATHLEN, FM_LONGEST);

SAME(F_ALLOCATEALL, FM_ALL);
SAME(F_PEOFPOSMODE, FM_BEHIND);
SAME(sizeof(struct fstore), FM_FSTORE);
AT(fstore, fst_posmode, 4);
AT(fstore, fst_offset, 8);
AT(fstore, fst_length, 16);

SAME(sizeof(struct fpunchhole), FM_HOLE);
AT(fpunchhole, fp_offset, 8);
AT(fpunchhole, fp_length, 16);

AT(statfs, f_flags, 64);
AT(statfs, f_fstypename, 72);
SAME(sizeof((struct statfs *)0)->f_fstypename, FM_STATFS - 72);
_Static_assert(sizeof(struct statfs) <= FM_LONGEST_STATFS, "the room for it");
SAME(MNT_LOCAL, FM_LOCAL);

SAME(AT_FDCWD, FM_HERE);
SAME(RENAME_SWAP, FM_SWAP);
SAME(COPYFILE_ACL | COPYFILE_XATTR, FM_COPIED);
SAME(UF_IMMUTABLE | SF_IMMUTABLE, FM_IMMUTABLE);
SAME(UF_APPEND | SF_APPEND, FM_APPEND_ONLY);

/* What ctypes calls, and how. */
int (*const exchange)(int, const char *, int, const char *, unsigned int) = renameatx_np;
int (*const copy)(int, int, copyfile_state_t, uint32_t) = fcopyfile;
int (*const look)(int, struct statfs *) = fstatfs;
int (*const ask)(const char *, void *, size_t *, void *, size_t) = sysctlbyname;
