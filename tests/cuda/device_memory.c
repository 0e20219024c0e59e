/* Lets a GPU read and write the memory of this very process, so that the checkers of tests/kernels
 * run on it as they are: what malloc gives, the stack, constants and variables are pinned and
 * mapped. Linked with --wrap for malloc and its kin. */
#include "device_memory.h"

#include <cuda_runtime_api.h>

#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { CLASSES = 40, FRONT = 64 };
static const size_t ARENA = (size_t)2 << 30, STACK = 64 << 20;

void *__real_malloc(size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void __wrap_free(void *p);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

struct block { /* in front of what is handed out */
    int size_class;
    struct block *next;
};
static char *arena;
static size_t used;
static struct block *free_list[CLASSES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int is_ours(const void *p)
{
    return arena != NULL && (const char *)p >= arena && (const char *)p < arena + ARENA;
}

void *__wrap_malloc(size_t n)
{
    int k = 7;
    if (arena == NULL)
        return __real_malloc(n);
    while (((size_t)1 << k) < n + FRONT)
        k++;
    pthread_mutex_lock(&lock);
    struct block *b = free_list[k];
    if (b != NULL) {
        free_list[k] = b->next;
    } else if (ARENA - used >= (size_t)1 << k) {
        b = (struct block *)(arena + used);
        used += (size_t)1 << k;
    }
    pthread_mutex_unlock(&lock);
    if (b == NULL)
        return NULL;
    b->size_class = k;
    return (char *)b + FRONT;
}

void __wrap_free(void *p)
{
    if (p == NULL)
        return;
    if (!is_ours(p)) {
        __real_free(p);
        return;
    }
    struct block *b = (struct block *)((char *)p - FRONT);
    pthread_mutex_lock(&lock);
    b->next = free_list[b->size_class];
    free_list[b->size_class] = b;
    pthread_mutex_unlock(&lock);
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = size != 0 && n > SIZE_MAX / size ? NULL : __wrap_malloc(n * size);
    if (p != NULL)
        memset(p, 0, n * size);
    return p;
}

void *__wrap_realloc(void *p, size_t n)
{
    void *to = __wrap_malloc(n);
    if (to == NULL || p == NULL)
        return to;
    /* of a block from before the arena the size is not known: read no further than is mapped */
    size_t had =
        is_ours(p) ? ((size_t)1 << ((struct block *)((char *)p - FRONT))->size_class) - FRONT : n;
    memcpy(to, p, had < n ? had : n);
    __wrap_free(p);
    return to;
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return align <= FRONT ? __wrap_malloc(n) : NULL;
}

/* A segment of the program: made writable and written to, so that its pages are this process's own,
 * then pinned. */
static int pin(struct dl_phdr_info *info, size_t size, void *result)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *h = &info->dlpi_phdr[i];
        if (h->p_type != PT_LOAD || (h->p_flags & PF_X) != 0)
            continue;
        const uintptr_t from = (info->dlpi_addr + h->p_vaddr) / page * page;
        const uintptr_t to = (info->dlpi_addr + h->p_vaddr + h->p_memsz + page - 1) / page * page;
        if (mprotect((void *)from, to - from, PROT_READ | PROT_WRITE) != 0)
            continue;
        for (volatile char *p = (volatile char *)from; p < (volatile char *)to; p += page)
            *p = *p;
        cudaError_t e = cudaHostRegister((void *)from, to - from, cudaHostRegisterMapped);
        if (e != cudaSuccess)
            *(cudaError_t *)result = e;
    }
    return 1; /* the program comes first; its libraries are of no concern */
}

struct call {
    int (*main)(int, char **);
    int argc;
    char **argv;
    int status;
};

static void *on_thread(void *arg)
{
    struct call *c = arg;
    c->status = c->main(c->argc, c->argv);
    return NULL;
}

int device_memory_run(int (*main_of_test)(int, char **), int argc, char **argv)
{
    struct call call = {main_of_test, argc, argv, 70};
    int pageable = 0;
    void *memory = NULL;
    pthread_attr_t attr;
    pthread_t thread;
    cudaError_t e = cudaDeviceGetAttribute(&pageable, cudaDevAttrPageableMemoryAccess, 0);
    /* the GPU reads all of a process's memory as it is, or there is none: the test says so */
    if (e != cudaSuccess || pageable)
        return main_of_test(argc, argv);
    e = cudaHostAlloc(&memory, ARENA, cudaHostAllocMapped);
    if (e == cudaSuccess)
        (void)dl_iterate_phdr(pin, &e);
    if (e != cudaSuccess) {
        printf("the GPU cannot be given this process's memory: %s\n", cudaGetErrorString(e));
        return 77;
    }
    used = STACK;
    arena = memory;
    (void)pthread_attr_init(&attr);
    (void)pthread_attr_setstack(&attr, memory, STACK);
    if (pthread_create(&thread, &attr, on_thread, &call) == 0)
        (void)pthread_join(thread, NULL);
    return call.status;
}
