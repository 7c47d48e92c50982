/* Preloaded into the command: numbers the calls that change a disk, over all of its threads, and has one of them go wrong.
 *
 * DISK_CALLS names the calls that are numbered, DISK_LOG the file that gets a line for each of them, DISK_AT a number, and
 * DISK_DEED what happens then: `kill`, `tear` (half of what is to be written, then the end), `stop`, `none`, or the number of
 * an error; `DISK_ON` says that every call from there on fails like that. A write counts where it goes to a file. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { GOES_ON, FAILS, TEARS };

static _Atomic long numbered;
static long place;
static int log_file = -1, goes_on;
static char *calls, *deed;

static const char *told(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

__attribute__((constructor)) static void begin(void) {
    place = atol(told("DISK_AT"));
    goes_on = *told("DISK_ON") != 0;
    calls = strdup(told("DISK_CALLS"));
    deed = strdup(told("DISK_DEED"));
    log_file = open(told("DISK_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    /* What the command starts is left alone. */
    unsetenv("LD_PRELOAD");
}

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int is_numbered(const char *call) {
    char name[32];
    snprintf(name, sizeof name, " %s ", call);
    return strstr(calls, name) != NULL;
}

static int strike(const char *call, int file, const char *path) {
    if (!is_numbered(call)) return GOES_ON;
    char link[64], target[512] = "", line[640];
    if (!path) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", file);
        if (readlink(link, target, sizeof target - 1) < 0) target[0] = 0;
        path = target;
    }
    long number = ++numbered;
    int length = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
    syscall(SYS_write, log_file, line, length);
    if (number != place && !(goes_on && place && number > place)) return GOES_ON;
    if (!strcmp(deed, "kill")) die();
    if (!strcmp(deed, "tear")) return TEARS;
    if (!strcmp(deed, "stop")) kill(getpid(), SIGSTOP);
    if (!atoi(deed)) return GOES_ON;
    errno = atoi(deed);
    return FAILS;
}

#define PATH_CALL(name, parameters, arguments, path) \
    int name parameters { return strike(#name, -1, path) ? -1 : REAL(name) arguments; }
#define FILE_CALL(name, parameters, arguments) \
    int name parameters { return strike(#name, file, NULL) ? -1 : REAL(name) arguments; }

FILE_CALL(fsync, (int file), (file))
FILE_CALL(fdatasync, (int file), (file))
FILE_CALL(fchmod, (int file, mode_t mode), (file, mode))
FILE_CALL(fchown, (int file, uid_t user, gid_t group), (file, user, group))
FILE_CALL(ftruncate64, (int file, off64_t size), (file, size))
PATH_CALL(rename, (const char *from, const char *to), (from, to), to)
PATH_CALL(unlink, (const char *path), (path), path)
PATH_CALL(unlinkat, (int folder, const char *path, int flags), (folder, path, flags), path)
PATH_CALL(rmdir, (const char *path), (path), path)
PATH_CALL(mkdir, (const char *path, mode_t mode), (path, mode), path)
PATH_CALL(chmod, (const char *path, mode_t mode), (path, mode), path)
PATH_CALL(linkat, (int one, const char *from, int other, const char *to, int flags), (one, from, other, to, flags), to)

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & O_CREAT ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if (flags & O_CREAT && strike("open64", -1, path)) return -1;
    return REAL(open64)(path, flags, mode);
}

ssize_t pwrite64(int file, const void *data, size_t size, off64_t at) {
    int what = strike("pwrite64", file, NULL);
    if (what == FAILS) return -1;
    ssize_t written = REAL(pwrite64)(file, data, what == TEARS ? size / 2 : size, at);
    if (what == TEARS) die();
    return written;
}

ssize_t write(int file, const void *data, size_t size) {
    struct stat facts;
    int kept = errno;
    int what = !fstat(file, &facts) && S_ISREG(facts.st_mode) ? strike("write", file, NULL) : GOES_ON;
    if (what == FAILS) return -1;
    errno = kept;
    ssize_t written = REAL(write)(file, data, what == TEARS ? size / 2 : size);
    if (what == TEARS) die();
    return written;
}
