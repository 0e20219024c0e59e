/* Heapsort: libc's qsort asks for memory where there is much to sort, and a step must not. Called
 * by operations on a worker's thread. Not stable; what is sorted here has no equals that differ. */
#include "kern.h"

#include <string.h>

enum { ELEMENT_MOST = 32 };

static void swap(char *a, char *b, size_t size)
{
    char t[ELEMENT_MOST];
    memcpy(t, a, size);
    memcpy(a, b, size);
    memcpy(b, t, size);
}

/* Moves element i down until none below it, of the first n, is greater. */
static void sift(char *at, size_t i, size_t n, size_t size, kern_compare_fn *compare)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && compare(at + child * size, at + (child + 1) * size) < 0)
            child++;
        if (compare(at + i * size, at + child * size) >= 0)
            return;
        swap(at + i * size, at + child * size, size);
    }
}

void kern_sort(void *base, int64_t count, size_t size, kern_compare_fn *compare)
{
    size_t n = (size_t)count;
    tm_dassert(size <= ELEMENT_MOST);
    for (size_t i = n / 2; i-- > 0;)
        sift(base, i, n, size, compare);
    for (; n > 1; n--) {
        swap(base, (char *)base + (n - 1) * size, size);
        sift(base, 0, n - 1, size, compare);
    }
}
