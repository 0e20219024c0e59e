/* How many cores this process may use: its affinity mask and its cgroup's cpu.max.
 *
 * cgroup v2 only; without it, or without a limit, the mask alone counts. */
#include "engine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_ROOM = 4096, MASK_MOST = 1 << 16 };

/* "max 100000" or "150000 100000": quota and period in microseconds, rounded up to cores. */
static int32_t parse_limit(const char *text)
{
    long long quota, period;
    if (sscanf(text, "%lld %lld", &quota, &period) != 2 || quota < 1 || period < 1)
        return 0;
    return (int32_t)TM_MIN((quota + period - 1) / period, INT32_MAX);
}

static int32_t read_limit(const char *folder)
{
    char path[PATH_ROOM + 16], line[128] = "";
    snprintf(path, sizeof path, "%s/cpu.max", folder);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return 0;
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    return got ? parse_limit(line) : 0;
}

int32_t cores_of_cgroup(const char *mount, const char *path)
{
    char folder[PATH_ROOM];
    int32_t least = 0;
    size_t root = strlen(mount);
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", mount, path) >= sizeof folder)
        return 0;
    for (;;) { /* the group, its parent, … the mount itself */
        int32_t n = read_limit(folder);
        if (n > 0 && (least == 0 || n < least))
            least = n;
        char *slash = strrchr(folder, '/');
        if (slash == NULL || (size_t)(slash - folder) < root)
            return least;
        *slash = '\0';
    }
}

static int32_t affinity(void)
{
    for (int cpus = 1024; cpus <= MASK_MOST; cpus *= 2) { /* EINVAL: the kernel's mask is larger */
        cpu_set_t *set = CPU_ALLOC((size_t)cpus);
        if (set == NULL)
            return 1;
        size_t size = CPU_ALLOC_SIZE(cpus);
        int n = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
        CPU_FREE(set);
        if (n > 0)
            return n;
    }
    return 1;
}

int32_t tm_engine_cores(void)
{
    char line[PATH_ROOM];
    int32_t n = affinity(), limit = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        limit = cores_of_cgroup("/sys/fs/cgroup", line + 3);
    }
    if (f != NULL)
        fclose(f);
    return limit > 0 ? TM_MIN(n, limit) : n;
}

const char *tm_engine_isa(void)
{
    return tm_isa_name(tm_cpu_isa());
}
