/* Notes what a process writes into one directory, and what of it is synced, so that a power cut can be played.
 *
 * Preloaded (LD_PRELOAD) it stands between a process and the C library. Everything is done as asked. What changes
 * something under UNSYNCED_HOME, and what syncs it, is noted afterwards in a file of the process in UNSYNCED_LOG;
 * tests/crash/disk.py makes of these notes what a disk could have kept.
 *
 * Two rules let the notes be trusted, whenever the process is killed:
 * - A sync is noted after it succeeded, with an instant from before it began; a change is noted with an instant
 *   from after it was made. So a sync never covers a change that it might have missed.
 * - What is not noted yet when the process is killed counts as not done. Nobody was told that it was.
 *
 * Instants are those of CLOCK_MONOTONIC, which orders the processes among themselves: whoever waits for another's
 * lock gets a later one. Paths have to be absolute, as capsvc's and SQLite's are.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE, TRUNCATE, SYNC, RENAME, UNLINK, MKDIR };

/* One note: this, then the path or paths (parted by a NUL), then the data. disk.py reads the same fields. */
struct note {
    uint64_t instant, inode, offset, data_bytes;
    uint32_t kind, path_bytes;
};

#define DESCRIPTORS 4096
static ino_t opened[DESCRIPTORS]; /* the inode under the home that a descriptor was opened on, else 0 */

static pthread_mutex_t noting = PTHREAD_MUTEX_INITIALIZER;
static int log_descriptor = -1;
static pid_t log_owner;

/* Returns a path without the home before it, "" for the home itself, or NULL for one elsewhere. */
static const char *inside(const char *path)
{
    const char *home = getenv("UNSYNCED_HOME");
    size_t length = home ? strlen(home) : 0;
    if (!length || strncmp(path, home, length) != 0 || (path[length] != '/' && path[length] != '\0'))
        return NULL;
    return path[length] ? path + length + 1 : "";
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void fail(const char *why)
{
    fprintf(stderr, "unsynced: %s\n", why);
    abort(); /* a log with a hole in it would be read as a disk that forgot */
}

/* A forked child does not write into its parent's log. */
static void open_log(void)
{
    char path[PATH_MAX];
    const char *directory = getenv("UNSYNCED_LOG");
    if (!directory)
        fail("UNSYNCED_LOG is not set");
    snprintf(path, sizeof path, "%s/%d", directory, (int)getpid());
    log_descriptor = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_descriptor < 0)
        fail("the log cannot be opened");
    log_owner = getpid();
}

static void add_note(enum kind kind, uint64_t instant, ino_t inode, uint64_t offset, const char *path,
                     size_t path_bytes, const void *data, size_t data_bytes)
{
    int before = errno;
    struct note note = {instant, inode, offset, data_bytes, kind, (uint32_t)path_bytes};
    struct iovec parts[] = {{&note, sizeof note}, {(void *)path, path_bytes}, {(void *)data, data_bytes}};
    pthread_mutex_lock(&noting);
    if (log_owner != getpid())
        open_log();
    if (writev(log_descriptor, parts, 3) != (ssize_t)(sizeof note + path_bytes + data_bytes))
        fail("the log cannot be written");
    pthread_mutex_unlock(&noting);
    errno = before;
}

static void note_path(enum kind kind, ino_t inode, const char *path)
{
    add_note(kind, now(), inode, 0, path, strlen(path), NULL, 0);
}

/* The inode that a descriptor stands for, if it was opened under the home and is still that file. */
static ino_t inode_of(int descriptor)
{
    struct stat status;
    if (descriptor < 0 || descriptor >= DESCRIPTORS || !opened[descriptor])
        return 0;
    if (fstat(descriptor, &status) != 0 || status.st_ino != opened[descriptor])
        return 0;
    return status.st_ino;
}

static int open_at(int directory, const char *path, int flags, mode_t mode)
{
    const char *name = directory == AT_FDCWD || path[0] == '/' ? inside(path) : NULL;
    int is_new = name && (flags & O_CREAT) && syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
    int descriptor = (int)syscall(SYS_openat, directory, path, flags, mode);
    if (descriptor < 0)
        return descriptor;
    struct stat status;
    if (name && fstat(descriptor, &status) == 0) {
        if (descriptor >= DESCRIPTORS)
            fail("too many descriptors");
        opened[descriptor] = status.st_ino;
        if (is_new)
            note_path(CREATE, status.st_ino, name);
        else if (flags & O_TRUNC)
            add_note(TRUNCATE, now(), status.st_ino, 0, NULL, 0, NULL, 0);
    } else if (descriptor < DESCRIPTORS) {
        opened[descriptor] = 0;
    }
    return descriptor;
}

static mode_t mode_of(int flags, va_list *rest)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? (mode_t)va_arg(*rest, int) : 0;
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return open_at(directory, path, flags, mode);
}

ssize_t write(int descriptor, const void *data, size_t bytes)
{
    ssize_t written = syscall(SYS_write, descriptor, data, bytes);
    ino_t inode = written > 0 ? inode_of(descriptor) : 0;
    if (inode) {
        off_t end = lseek(descriptor, 0, SEEK_CUR); /* right for O_APPEND too */
        add_note(WRITE, now(), inode, (uint64_t)(end - written), NULL, 0, data, (size_t)written);
    }
    return written;
}

ssize_t pwrite(int descriptor, const void *data, size_t bytes, off_t offset)
{
    ssize_t written = syscall(SYS_pwrite64, descriptor, data, bytes, offset);
    ino_t inode = written > 0 ? inode_of(descriptor) : 0;
    if (inode)
        add_note(WRITE, now(), inode, (uint64_t)offset, NULL, 0, data, (size_t)written);
    return written;
}

int ftruncate(int descriptor, off_t length)
{
    int failed = (int)syscall(SYS_ftruncate, descriptor, length);
    ino_t inode = failed ? 0 : inode_of(descriptor);
    if (inode)
        add_note(TRUNCATE, now(), inode, (uint64_t)length, NULL, 0, NULL, 0);
    return failed;
}

static int sync_by(long call, int descriptor)
{
    uint64_t began = now();
    int failed = (int)syscall(call, descriptor);
    ino_t inode = failed ? 0 : inode_of(descriptor);
    if (inode)
        add_note(SYNC, began, inode, 0, NULL, 0, NULL, 0);
    return failed;
}

int fsync(int descriptor) { return sync_by(SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return sync_by(SYS_fdatasync, descriptor); }

int rename(const char *from, const char *to)
{
    int failed = (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
    const char *old = inside(from), *new = inside(to);
    if (failed || (!old && !new))
        return failed;
    if (!old || !new)
        fail("something was moved into the home or out of it");
    char both[2 * PATH_MAX];
    int bytes = snprintf(both, sizeof both, "%s%c%s", old, '\0', new);
    add_note(RENAME, now(), 0, 0, both, (size_t)bytes, NULL, 0);
    return 0;
}

int unlinkat(int directory, const char *path, int flags)
{
    const char *name = directory == AT_FDCWD || path[0] == '/' ? inside(path) : NULL;
    int failed = (int)syscall(SYS_unlinkat, directory, path, flags);
    if (!failed && name)
        note_path(UNLINK, 0, name);
    return failed;
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int mkdir(const char *path, mode_t mode)
{
    int failed = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    struct stat status;
    const char *name = inside(path);
    if (!failed && name && stat(path, &status) == 0)
        note_path(MKDIR, status.st_ino, name);
    return failed;
}

/* The same under the names that programs built for large files call. */
int open64(const char *, int, ...) __attribute__((alias("open")));
int openat64(int, const char *, int, ...) __attribute__((alias("openat")));
ssize_t pwrite64(int, const void *, size_t, off_t) __attribute__((alias("pwrite")));
int ftruncate64(int, off_t) __attribute__((alias("ftruncate")));
