/* Hash of bytes for tables (tm_mem.h): MurmurHash64A's structure with a stronger finish.
 *
 * Not for names that outlive the process: the value depends on byte order. Any thread. */
#include "tm_mem.h"
#include <string.h>

static uint64_t mix(uint64_t h)
{
    h ^= h >> 33;
    h *= UINT64_C(0xff51afd7ed558ccd);
    h ^= h >> 33;
    h *= UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ h >> 33;
}

uint64_t tm_hash(const void *bytes, size_t n, uint64_t seed)
{
    const uint64_t m = UINT64_C(0xc6a4a7935bd1e995);
    const unsigned char *p = bytes;
    uint64_t h = seed ^ (n * m), k;
    for (; n >= sizeof k; n -= sizeof k, p += sizeof k) {
        memcpy(&k, p, sizeof k);
        k *= m;
        k ^= k >> 47;
        h = (h ^ k * m) * m;
    }
    if (n > 0) {
        k = 0;
        memcpy(&k, p, n);
        h = (h ^ k) * m;
    }
    return mix(h);
}
