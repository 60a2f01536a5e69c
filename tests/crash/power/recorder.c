// Records what a program does to files below $RECORD_DIR, and what it prints, in one total order:
// every write, truncation, creation, rename, removal and sync. For LD_PRELOAD.
//
// $FAIL_CALL (sync or write), $FAIL_PATH and $FAIL_FROM=n: such calls on files below that path fail from the n-th
// on, as a dying disk's do.
//
// The record is written to $RECORD. An entry: u8 kind, u64 inode, u64 offset, u64 length,
// u32 n1, u32 n2, then n1 and n2 bytes.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, CREATE, RENAME, UNLINK, SYNC_BEGIN, SYNC_END, PRINT = 9, MKDIR, RMDIR };
enum { BUFFER = 1 << 22, PATH = 4096 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int record = -1;
static char directory[PATH];
static size_t directory_length;
static uint64_t entries;
static char *buffer;
static size_t used;
static ssize_t (*real_write)(int, const void *, size_t);

#define REAL(name)                                                                                 \
    (__extension__({                                                                               \
        static void *found;                                                                        \
        if (!found) found = dlsym(RTLD_NEXT, name);                                                \
        found;                                                                                     \
    }))

static void flush_buffer(void) {
    size_t done = 0;
    while (done < used) {
        ssize_t n = real_write(record, buffer + done, used - done);
        if (n <= 0) break;
        done += n;
    }
    used = 0;
}

__attribute__((constructor)) static void begin(void) {
    char *dir = getenv("RECORD_DIR"), *to = getenv("RECORD");
    real_write = dlsym(RTLD_NEXT, "write");
    if (!dir || !to || strlen(dir) >= PATH) return;
    strcpy(directory, dir);
    directory_length = strlen(directory);
    int (*real_open)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    int (*real_close)(int) = dlsym(RTLD_NEXT, "close");
    int opened = real_open(to, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND | O_CLOEXEC, 0644);
    // Out of the way of the numbers that the program expects to get.
    int high = fcntl(opened, F_DUPFD_CLOEXEC, 900);
    if (high >= 0) {
        real_close(opened);
        opened = high;
    }
    buffer = malloc(BUFFER);
    unsetenv("LD_PRELOAD");
    record = opened;
}

__attribute__((destructor)) static void end(void) {
    if (record < 0) return;
    pthread_mutex_lock(&lock);
    flush_buffer();
    pthread_mutex_unlock(&lock);
}

static void put(const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        if (used == BUFFER) flush_buffer();
        size_t n = length < BUFFER - used ? length : BUFFER - used;
        memcpy(buffer + used, at, n);
        used += n;
        at += n;
        length -= n;
    }
}

static void entry(uint8_t kind, uint64_t inode, uint64_t offset, uint64_t length, const void *one,
                  uint32_t n1, const void *two, uint32_t n2) {
    put(&kind, 1);
    put(&inode, 8);
    put(&offset, 8);
    put(&length, 8);
    put(&n1, 4);
    put(&n2, 4);
    put(one, n1);
    put(two, n2);
    entries++;
}

// Makes the path absolute; is it below the directory?
static int below(int at, const char *path, char *whole) {
    if (path[0] == '/') {
        snprintf(whole, PATH, "%s", path);
    } else {
        char from[PATH] = {0}, link[64];
        if (at == AT_FDCWD) {
            if (!getcwd(from, sizeof from)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", at);
            if (readlink(link, from, sizeof from - 1) < 0) return 0;
        }
        if (snprintf(whole, PATH, "%s/%s", from, path) >= PATH) return 0;
    }
    return record >= 0 && !strncmp(whole, directory, directory_length);
}

static int tracked(int fd, uint64_t *inode) {
    if (record < 0) return 0;
    struct stat found;
    if (fstat(fd, &found) || !(S_ISREG(found.st_mode) || S_ISDIR(found.st_mode))) return 0;
    char link[64], path[PATH] = {0};
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0) return 0;
    *inode = found.st_ino;
    return !strncmp(path, directory, directory_length);
}

// Calls of FAIL_CALL on files below FAIL_PATH fail from the FAIL_FROM-th on.
static int must_fail(int fd, const char *call) {
    static int calls;
    char link[64], path[PATH] = {0}, *wanted = getenv("FAIL_CALL");
    if (!wanted || strcmp(wanted, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink(link, path, sizeof path - 1) < 0 || !strstr(path, getenv("FAIL_PATH"))) return 0;
    if (__sync_add_and_fetch(&calls, 1) < atoi(getenv("FAIL_FROM"))) return 0;
    errno = EIO;
    return 1;
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
    int (*real)(int, const char *, int, ...) = REAL("openat64");
    char whole[PATH];
    if (!below(at, path, whole) || !(flags & (O_CREAT | O_TRUNC))) return real(at, path, flags, mode);
    pthread_mutex_lock(&lock);
    struct stat found;
    int existed = !stat(whole, &found);
    int fd = real(at, path, flags, mode), error = errno;
    if (fd >= 0) {
        fstat(fd, &found);
        if (!existed) entry(CREATE, found.st_ino, 0, 0, whole, strlen(whole), 0, 0);
        else if (flags & O_TRUNC) entry(TRUNCATE, found.st_ino, 0, 0, 0, 0, 0, 0);
    }
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

#define MODE                                                                                       \
    mode_t mode = 0;                                                                               \
    if (flags & (O_CREAT | O_TMPFILE)) {                                                           \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode = va_arg(list, mode_t);                                                               \
        va_end(list);                                                                              \
    }
int open(const char *path, int flags, ...) { MODE return do_open(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return do_open(AT_FDCWD, path, flags, mode); }
int openat(int at, const char *path, int flags, ...) { MODE return do_open(at, path, flags, mode); }
int openat64(int at, const char *path, int flags, ...) { MODE return do_open(at, path, flags, mode); }

ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset) {
    ssize_t (*real)(int, const void *, size_t, off64_t) = REAL("pwrite64");
    uint64_t inode;
    if (!tracked(fd, &inode)) return real(fd, bytes, length, offset);
    if (must_fail(fd, "write")) return -1;
    pthread_mutex_lock(&lock);
    ssize_t n = real(fd, bytes, length, offset);
    int error = errno;
    if (n > 0) entry(WRITE, inode, offset, n, bytes, n, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return n;
}
ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    return pwrite64(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length) {
    if (!real_write) real_write = dlsym(RTLD_NEXT, "write");
    uint64_t inode;
    if (record >= 0 && fd == 1) {
        pthread_mutex_lock(&lock);
        entry(PRINT, 0, 0, length, bytes, length, 0, 0);
        pthread_mutex_unlock(&lock);
        return real_write(fd, bytes, length);
    }
    if (!tracked(fd, &inode)) return real_write(fd, bytes, length);
    pthread_mutex_lock(&lock);
    off64_t offset = lseek64(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t n = real_write(fd, bytes, length);
    int error = errno;
    if (n > 0) entry(WRITE, inode, offset, n, bytes, n, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return n;
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    ssize_t (*real)(int, const struct iovec *, int) = REAL("writev");
    uint64_t inode;
    if (!tracked(fd, &inode)) return real(fd, parts, count);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        if (!parts[i].iov_len) continue;
        ssize_t n = write(fd, parts[i].iov_base, parts[i].iov_len);
        if (n < 0) return total ? total : n;
        total += n;
        if ((size_t)n < parts[i].iov_len) break;
    }
    return total;
}

// What the record could not tell must not go unnoticed.
static void refuse(const char *name, int fd) {
    uint64_t inode;
    if (!tracked(fd, &inode)) return;
    fprintf(stderr, "the recorder does not know %s\n", name);
    abort();
}
ssize_t pwritev(int fd, const struct iovec *v, int n, off_t o) {
    ssize_t (*real)(int, const struct iovec *, int, off_t) = REAL("pwritev");
    refuse("pwritev", fd);
    return real(fd, v, n, o);
}
ssize_t copy_file_range(int a, off64_t *x, int b, off64_t *y, size_t n, unsigned f) {
    ssize_t (*real)(int, off64_t *, int, off64_t *, size_t, unsigned) = REAL("copy_file_range");
    refuse("copy_file_range", b);
    return real(a, x, b, y, n, f);
}

int ftruncate64(int fd, off64_t length) {
    int (*real)(int, off64_t) = REAL("ftruncate64");
    uint64_t inode;
    if (!tracked(fd, &inode)) return real(fd, length);
    pthread_mutex_lock(&lock);
    int result = real(fd, length), error = errno;
    if (!result) entry(TRUNCATE, inode, 0, length, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
    int (*real)(int, int, off64_t, off64_t) = REAL("fallocate64");
    uint64_t inode;
    if (!tracked(fd, &inode)) return real(fd, mode, offset, length);
    pthread_mutex_lock(&lock);
    int result = real(fd, mode, offset, length), error = errno;
    struct stat found;
    if (!result && !fstat(fd, &found)) entry(TRUNCATE, inode, 1, found.st_size, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int fallocate(int fd, int mode, off_t offset, off_t length) {
    return fallocate64(fd, mode, offset, length);
}

static int do_sync(int fd, const char *name) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    uint64_t inode;
    if (!tracked(fd, &inode)) return real(fd);
    if (must_fail(fd, "sync")) return -1;
    pthread_mutex_lock(&lock);
    uint64_t id = entries;
    entry(SYNC_BEGIN, inode, id, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    int result = real(fd), error = errno;
    pthread_mutex_lock(&lock);
    if (!result) entry(SYNC_END, inode, id, 0, 0, 0, 0, 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int fsync(int fd) { return do_sync(fd, "fsync"); }
int fdatasync(int fd) { return do_sync(fd, "fdatasync"); }

static int noted(int result, int error, int kind, const char *one, const char *two) {
    if (!result) entry(kind, 0, 0, 0, one, strlen(one), two, two ? strlen(two) : 0);
    pthread_mutex_unlock(&lock);
    errno = error;
    return result;
}
int renameat(int a, const char *from, int b, const char *to) {
    int (*real)(int, const char *, int, const char *) = REAL("renameat");
    char x[PATH], y[PATH];
    if (!(below(a, from, x) | below(b, to, y))) return real(a, from, b, to);
    pthread_mutex_lock(&lock);
    int result = real(a, from, b, to);
    return noted(result, errno, RENAME, x, y);
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }
int unlinkat(int at, const char *path, int flags) {
    int (*real)(int, const char *, int) = REAL("unlinkat");
    char x[PATH];
    if (!below(at, path, x)) return real(at, path, flags);
    pthread_mutex_lock(&lock);
    int result = real(at, path, flags);
    return noted(result, errno, flags & AT_REMOVEDIR ? RMDIR : UNLINK, x, 0);
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }
int mkdir(const char *path, mode_t mode) {
    int (*real)(const char *, mode_t) = REAL("mkdir");
    char x[PATH];
    if (!below(AT_FDCWD, path, x)) return real(path, mode);
    pthread_mutex_lock(&lock);
    int result = real(path, mode);
    return noted(result, errno, MKDIR, x, 0);
}
void _exit(int code) {
    end();
    void (*real)(int) = dlsym(RTLD_NEXT, "_exit");
    real(code);
    __builtin_unreachable();
}
