/* A disk whose fsync fails and forgets, for the tests: to be preloaded into a program.
 *
 * As Linux does since 4.13: what was written before a failed fsync stays readable and counts as clean, so
 * the next fsync succeeds without it. What a power cut would leave is kept beside: after each fsync that
 * succeeds, the pages written since the last one of either kind are copied there.
 *
 *   LOST_PAGES_DISK   the folder with what a power cut would leave of spool.sqlite and its log
 *   LOST_PAGES_FAIL   while this file is there, fsync takes it away and fails: once for each
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 1 << 14, FILES = 2 };

static const char *const names[FILES] = {"spool.sqlite", "spool.sqlite-wal"};
static unsigned char dirty[FILES][PAGES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Which of the files it is; -1 for any other. */
static int file_of(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size <= 0)
        return -1;
    path[size] = 0;
    const char *name = strrchr(path, '/');
    for (int file = 0; name && file < FILES; file++)
        if (!strcmp(name + 1, names[file]))
            return file;
    return -1;
}

static void wrote(int fd, off_t at, ssize_t size)
{
    int file = size > 0 && at >= 0 ? file_of(fd) : -1;
    if (file < 0)
        return;
    pthread_mutex_lock(&lock);
    for (off_t page = at / PAGE; page <= (at + size - 1) / PAGE && page < PAGES; page++)
        dirty[file][page] = 1;
    pthread_mutex_unlock(&lock);
}

/* The dirty pages reach the disk, which then has the file's length too. */
static void reaches(int fd, int file)
{
    char path[4096], bytes[PAGE];
    struct stat now;
    snprintf(path, sizeof path, "%s/%s", getenv("LOST_PAGES_DISK"), names[file]);
    int disk = open(path, O_RDWR | O_CREAT, 0600);
    if (disk < 0 || fstat(fd, &now) || ftruncate(disk, now.st_size))
        abort();
    for (off_t page = 0; page < PAGES; page++) {
        if (!dirty[file][page])
            continue;
        ssize_t size = pread(fd, bytes, PAGE, page * PAGE);
        ssize_t (*put)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
        if (size > 0 && put(disk, bytes, size, page * PAGE) != size)
            abort();
    }
    close(disk);
}

static int synced(int fd, const char *name)
{
    int file = file_of(fd);
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    if (file < 0)
        return real(fd);
    pthread_mutex_lock(&lock);
    const char *fail = getenv("LOST_PAGES_FAIL");
    int fails = fail && !unlink(fail);
    if (!fails)
        reaches(fd, file);
    memset(dirty[file], 0, PAGES);
    pthread_mutex_unlock(&lock);
    if (fails)
        errno = EIO;
    return fails ? -1 : 0;
}

int fsync(int fd) { return synced(fd, "fsync"); }
int fdatasync(int fd) { return synced(fd, "fdatasync"); }

ssize_t write(int fd, const void *bytes, size_t size)
{
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    ssize_t done = real(fd, bytes, size);
    int was = errno;
    if (done > 0 && file_of(fd) >= 0)
        wrote(fd, lseek(fd, 0, SEEK_CUR) - done, done);
    errno = was;
    return done;
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite");
    ssize_t done = real(fd, bytes, size, at);
    int was = errno;
    wrote(fd, at, done);
    errno = was;
    return done;
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at) { return pwrite(fd, bytes, size, at); }
