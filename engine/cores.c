/* How many cores and how much memory this process may use: its affinity mask, the machine's memory,
 * and its cgroup's cpu.max and memory.max.
 *
 * cgroup v2 only; without it, or without a limit, the machine alone counts. */
#include "engine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_ROOM = 4096, MASK_MOST = 1 << 16 };

/* "max 100000" or "150000 100000": quota and period in microseconds, rounded up to cores. */
static int64_t parse_cores(const char *text)
{
    long long quota, period;
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota < 1 || period < 1)
        return 0;
    return TM_MIN((quota + period - 1) / period, INT32_MAX);
}

/* "max" or bytes. */
static int64_t parse_bytes(const char *text)
{
    long long bytes;
    return sscanf(text, "%lld", &bytes) == 1 && bytes > 0 ? bytes : 0;
}

static const struct {
    const char *file;
    int64_t (*parse)(const char *text); /* 0: no limit */
} limits[] = {
    [LIMIT_CORES] = {"cpu.max", parse_cores}, [LIMIT_MEMORY] = {"memory.max", parse_bytes}};

static int64_t read_limit(const char *folder, enum limit which)
{
    char path[PATH_ROOM + 16], line[128] = "";
    snprintf(path, sizeof path, "%s/%s", folder, limits[which].file);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    return got ? limits[which].parse(line) : 0;
}

int64_t limit_of_cgroup(enum limit which, const char *mount, const char *path)
{
    char folder[PATH_ROOM];
    int64_t least = 0;
    size_t root = strlen(mount);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, path) >= sizeof folder)
        return 0;
    for (;;) { /* the group, its parent, … the mount itself */
        int64_t n = read_limit(folder, which);
        if (n > 0 && (least == 0 || n < least))
            least = n;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < root)
            return least;
        *slash = '\0';
    }
}

/* The CPUs that the calling thread may run on, for CPU_FREE; NULL when there is no telling. */
static cpu_set_t *affinity(size_t *ret_size)
{
    for (int cpus = 1024; cpus <= MASK_MOST; cpus *= 2) { /* EINVAL: the kernel's mask is larger */
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        *ret_size = CPU_ALLOC_SIZE(cpus);
        if (set == NULL || sched_getaffinity(0, *ret_size, set) == 0)
            return set;
        CPU_FREE(set);
    }
    return NULL;
}

static int32_t count(void)
{
    size_t size;
    cpu_set_t *set = affinity(&size);
    int32_t n = set != NULL ? CPU_COUNT_S(size, set) : 0;
    if (set != NULL)
        CPU_FREE(set);
    return TM_MAX(n, 1);
}

void tm_engine_pin(int32_t worker, int32_t workers)
{
    size_t size;
    cpu_set_t *set = affinity(&size);
    if (set == NULL)
        return;
    if (CPU_COUNT_S(size, set) == workers) {
        int32_t at = 0;
        for (size_t cpu = 0; cpu < size * 8; cpu++)
            if (CPU_ISSET_S(cpu, size, set) && at++ != worker)
                CPU_CLR_S(cpu, size, set);
        (void)sched_setaffinity(0, size, set); /* it also works where it may not be set */
    }
    CPU_FREE(set);
}

static int64_t own_limit(enum limit which)
{
    char line[PATH_ROOM];
    int64_t limit = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        limit = limit_of_cgroup(which, "/sys/fs/cgroup", line + 3);
    }
    if (f != NULL)
        fclose(f);
    return limit;
}

int32_t tm_engine_cores(void)
{
    int64_t n = count(), limit = own_limit(LIMIT_CORES);
    return (int32_t)(limit > 0 ? TM_MIN(n, limit) : n);
}

size_t tm_engine_memory(void)
{
    int64_t n = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    int64_t limit = own_limit(LIMIT_MEMORY);
    return (size_t)(limit > 0 ? TM_MIN(n, limit) : n);
}

const char *tm_engine_isa(void)
{
    return tm_isa_name(tm_cpu_isa());
}

enum tm_status tm_engine_cuda(struct tm_err *err)
{
    struct tm_backend *b = NULL;
    enum tm_status s = tm_backend_cuda(0, &b, err);
    tm_backend_destroy(b);
    return s;
}
