/* Preloaded into qemu-system-x86_64: gives a pty, which has no modem lines, a DCD line that rises at planned instants.
 *
 * QEMU's 16550 asks the chardev's file with TIOCMGET each 10 ms once the guest wants modem status interrupts
 * (tty_ioctl(2)). An edge that falls before the next question is waited for, so that the guest sees it within tens of
 * microseconds. The driver maps the same file (MODEM_LINES) and enters edges as CLOCK_MONOTONIC_RAW ns, 0 for none. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define EDGES 64
#define AHEAD_NS 15000000

struct lines {
    volatile int64_t width_ns, questions, edges[EDGES];
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static struct lines *lines_of(void)
{
    static struct lines *found;
    if (!found) {
        const char *path = getenv("MODEM_LINES");
        int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
        void *memory = fd < 0 ? MAP_FAILED : mmap(0, sizeof *found, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (fd >= 0)
            close(fd);
        if (memory != MAP_FAILED)
            found = memory;
    }
    return found;
}

/* Whether the line is up now; *next_ns becomes the first edge to come. */
static int up(struct lines *lines, int64_t now, int64_t *next_ns)
{
    int high = 0;
    *next_ns = INT64_MAX;
    for (int i = 0; i < EDGES; i++) {
        int64_t edge = lines->edges[i];
        if (edge > now && edge < *next_ns)
            *next_ns = edge;
        if (edge <= now && now < edge + lines->width_ns)
            high = 1;
    }
    return high;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, ...);
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    if (!real)
        real = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    struct lines *lines = request == TIOCMGET || request == TIOCMSET ? lines_of() : NULL;
    if (!lines || !isatty(fd))
        return real(fd, request, argument);
    if (request == TIOCMSET)
        return 0;
    int64_t next;
    int high = up(lines, now_ns(), &next);
    if (!high && next - now_ns() < AHEAD_NS) {
        while (now_ns() < next)
            ;
        high = 1;
    }
    lines->questions++;
    *(int *)argument = TIOCM_CTS | TIOCM_DSR | (high ? TIOCM_CAR : 0);
    return 0;
}
