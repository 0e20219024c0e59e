/* Monotonic and wall clock (tm_mem.h). Any thread. */
#include "tm_mem.h"
#include <stdio.h>
#include <time.h>

uint64_t tm_clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int64_t tm_clock_unix_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void tm_clock_iso(int64_t unix_ms, char out[32])
{
    /* The years 0 to 9999, which is what the form can say: a date that came from a document may be
     * anything. */
    const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999);
    unix_ms = unix_ms < first ? first : unix_ms > last ? last : unix_ms;
    int64_t ms = unix_ms % 1000;
    ms += ms < 0 ? 1000 : 0;
    time_t seconds = (time_t)((unix_ms - ms) / 1000);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL)
        t = (struct tm){.tm_year = 70, .tm_mday = 1};
    /* The remainders tell the compiler that it all fits. */
    snprintf(out, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(t.tm_year + 1900) % 10000,
             (unsigned)(t.tm_mon + 1) % 100, (unsigned)t.tm_mday % 100, (unsigned)t.tm_hour % 100,
             (unsigned)t.tm_min % 100, (unsigned)t.tm_sec % 100, (unsigned)ms % 1000);
}
