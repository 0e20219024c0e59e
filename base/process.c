/* What the kernel says of this process (tm_mem.h). Any thread. */
#include "tm_mem.h"

#include <stdio.h>
#include <unistd.h>

int64_t tm_resident_bytes(void)
{
    long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f == NULL)
        return 0;
    if (fscanf(f, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    fclose(f);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}
