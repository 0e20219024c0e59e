/* Counts calls of malloc and its kin, those from inside libc too (qsort makes some): the program's
 * own definitions come before libc's. */
#include "allocations.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)
#define SANITIZED
#endif

#ifdef SANITIZED
long allocations(void)
{
    return -1;
}
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t count, size_t n);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
/* libc must find them, though the rest of the program is hidden. */
#define SEEN __attribute__((visibility("default")))
SEEN void *malloc(size_t n);
SEEN void *calloc(size_t count, size_t n);
SEEN void *realloc(void *p, size_t n);
SEEN void *aligned_alloc(size_t align, size_t n);
SEEN int posix_memalign(void **ret, size_t align, size_t n);

static _Atomic long calls;

long allocations(void)
{
    return calls;
}

void *malloc(size_t n)
{
    calls++;
    return __libc_malloc(n);
}

void *calloc(size_t count, size_t n)
{
    calls++;
    return __libc_calloc(count, n);
}

void *realloc(void *p, size_t n)
{
    calls++;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    calls++;
    return __libc_memalign(align, n);
}

int posix_memalign(void **ret, size_t align, size_t n)
{
    calls++;
    *ret = __libc_memalign(align, n);
    return *ret != NULL ? 0 : ENOMEM;
}
#endif
