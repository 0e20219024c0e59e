/* Philox 4x64 with ten rounds: random numbers as a function of key and counter, so that a draw
 * does not depend on what was drawn before or beside it. Salmon, Moraes, Dror, Shaw: "Parallel
 * random numbers: as easy as 1, 2, 3" (SC 2011). */
#ifndef TM_PHILOX_H
#define TM_PHILOX_H

#include <stdint.h>

struct philox {
    uint64_t v[4];
};

static inline struct philox philox(struct philox counter, uint64_t key0, uint64_t key1)
{
    uint64_t *c = counter.v;
    for (int round = 0; round < 10; round++) {
        unsigned __int128 a = (unsigned __int128)0xd2e7470ee14c6c93 * c[0];
        unsigned __int128 b = (unsigned __int128)0xca5a826395121157 * c[2];
        uint64_t c1 = c[1], c3 = c[3];
        c[0] = (uint64_t)(b >> 64) ^ c1 ^ key0;
        c[1] = (uint64_t)b;
        c[2] = (uint64_t)(a >> 64) ^ c3 ^ key1;
        c[3] = (uint64_t)a;
        key0 += 0x9e3779b97f4a7c15; /* the golden ratio and sqrt(3) - 1, as in the paper */
        key1 += 0xbb67ae8584caa73b;
    }
    return counter;
}

/* In [0, 1), 53 bits. */
static inline double philox_uniform(uint64_t key0, uint64_t key1, uint64_t a, uint64_t b)
{
    return (double)(philox((struct philox){{a, b, 0, 0}}, key0, key1).v[0] >> 11) * 0x1p-53;
}

#endif
