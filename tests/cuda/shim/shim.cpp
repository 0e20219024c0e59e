/* Blocks as fibres: the scheduler, barriers, meetings of a warp, tensor-core instructions and
 * copies that take their time. One host thread at a time launches kernels. */
#include "shim.h"

#include <algorithm>
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>
#include <vector>

shim_dim3 threadIdx, blockIdx, blockDim, gridDim;
unsigned char *shim_shared;

namespace
{
enum { STACK = 256 << 10, GUARD = 256, CANARY = 0xa5, UNWRITTEN = 0xff, WARP = 32 };
enum wait { RUNS, AT_BARRIER, AT_MEETING, GONE }; /* what a thread waits for */

struct copy {
    void *to;
    const void *from;
    size_t bytes;
    bool there;
    int group;
};

struct fibre {
    void *sp;
    char *stack;
    enum wait wait;
    unsigned meetings;
    shim_dim3 at;
    std::vector<copy> copies;
    int groups; /* committed */
};

struct warp {
    uint32_t arrived, mask; /* of the meeting under way */
    alignas(16) unsigned char boxes[2][WARP * SHIM_BOX];
};

std::vector<fibre> fibres;
std::vector<warp> warps;
std::vector<unsigned> turns;
unsigned running, threads, living, at_barrier;
void *scheduler_sp;
const std::function<void()> *body;
const char *kernel_name;
enum shim_order order, turns_are;
uint64_t random_state = 1;

void report(const char *what)
{
    if (shim_report == nullptr) {
        fprintf(stderr, "%s: %s\n", kernel_name, what);
        abort();
    }
    shim_report(kernel_name, what);
}

/* ---- switching ---- */

#ifdef __x86_64__
/* ucontext would do, but each of its switches asks the kernel for the signal mask. */
asm(R"(
.text
.globl shim_switch
.type shim_switch, @function
shim_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
.size shim_switch, .-shim_switch
)");
extern "C" void shim_switch(void **from, void *to);

void entry();

void prepare(fibre *f)
{
    void **top = (void **)(f->stack + STACK - 64);
    *--top = nullptr; /* where entry would return to */
    *--top = (void *)entry;
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    f->sp = top;
}

void enter(fibre *f)
{
    shim_switch(&scheduler_sp, f->sp);
}

void leave(fibre *f)
{
    shim_switch(&f->sp, scheduler_sp);
}
#else
ucontext_t scheduler;

void entry();

void prepare(fibre *f)
{
    ucontext_t *c = (ucontext_t *)(f->stack);
    getcontext(c);
    c->uc_stack.ss_sp = f->stack + sizeof *c;
    c->uc_stack.ss_size = STACK - sizeof *c;
    makecontext(c, entry, 0);
    f->sp = c;
}

void enter(fibre *f)
{
    swapcontext(&scheduler, (ucontext_t *)f->sp);
}

void leave(fibre *f)
{
    swapcontext((ucontext_t *)f->sp, &scheduler);
}
#endif

void open_barrier();

void entry()
{
    fibre *f = &fibres[running];
    (*body)();
    if (!f->copies.empty())
        report("a thread ends before its copies have arrived");
    f->wait = GONE;
    living--;
    open_barrier();
    leave(f);
    abort(); /* it never comes back */
}

void pause()
{
    fibre *f = &fibres[running];
    if (f->wait == RUNS) /* the last to come need not wait */
        return;
    leave(f);
    threadIdx = f->at;
}

/* ---- one block ---- */

/* All threads that are still there wait at the barrier: they go on. */
void open_barrier()
{
    if (at_barrier == 0 || at_barrier < living)
        return;
    at_barrier = 0;
    for (unsigned i = 0; i < threads; i++)
        if (fibres[i].wait == AT_BARRIER)
            fibres[i].wait = RUNS;
}

/* The last lane of a meeting lets the others go on. */
void arrive(unsigned thread, uint32_t mask)
{
    warp *w = &warps[thread / WARP];
    if (w->arrived != 0 && w->mask != mask)
        report("lanes of a warp meet with different masks");
    w->mask = mask;
    w->arrived |= 1u << thread % WARP;
    if (w->arrived != mask)
        return;
    w->arrived = 0;
    for (unsigned l = 0; l < WARP; l++)
        if ((mask >> l & 1) != 0)
            fibres[thread / WARP * WARP + l].wait = RUNS;
}

void set_turns()
{
    if (order != SHIM_SHUFFLED && turns.size() == threads && turns_are == order)
        return;
    turns.resize(threads);
    turns_are = order;
    for (unsigned i = 0; i < threads; i++)
        turns[i] = order == SHIM_REVERSE ? threads - 1 - i : i;
    for (unsigned i = threads; order == SHIM_SHUFFLED && i > 1; i--) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        std::swap(turns[i - 1], turns[(random_state >> 33) % i]);
    }
}

void run_block()
{
    for (unsigned i = 0; i < threads; i++) {
        fibre *f = &fibres[i];
        f->wait = RUNS;
        f->meetings = 0;
        f->copies.clear();
        f->groups = 0;
        f->at = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
        prepare(f);
    }
    living = threads;
    at_barrier = 0;
    for (warp &w : warps)
        w.arrived = 0;
    while (living > 0) {
        bool any = false;
        set_turns();
        for (unsigned i : turns) {
            if (fibres[i].wait != RUNS)
                continue;
            running = i;
            threadIdx = fibres[i].at;
            any = true;
            enter(&fibres[i]);
        }
        if (!any) {
            report("threads wait for others that never come");
            abort(); /* their stacks are lost */
        }
    }
}

void ready(dim3 block)
{
    threads = block.x * block.y * block.z;
    if (threads == 0 || threads > 1024) {
        report("a block of that many threads");
        abort();
    }
    while (fibres.size() < threads) {
        fibre f = {};
        f.stack = (char *)malloc(STACK);
        fibres.push_back(f);
    }
    warps.resize(threads / WARP + 1);
}

void run_grid(const char *kernel, dim3 grid, dim3 block, size_t shared,
              const std::function<void()> &what)
{
    std::vector<unsigned char> memory(shared + 2 * GUARD, (unsigned char)CANARY);
    kernel_name = kernel;
    if (shared > 48 << 10)
        report("more than 48 KiB of shared memory");
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535)
        report("a grid of that many blocks");
    body = &what;
    ready(block);
    blockDim = block;
    gridDim = grid;
    shim_shared = memory.data() + GUARD;
    for (unsigned z = 0; z < grid.z; z++) {
        for (unsigned y = 0; y < grid.y; y++) {
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                memset(shim_shared, UNWRITTEN, shared);
                run_block();
                for (size_t i = 0; i < GUARD; i++)
                    if (memory[i] != CANARY || memory[GUARD + shared + i] != CANARY) {
                        report("writes outside its shared memory");
                        std::fill(memory.begin(), memory.end(), (unsigned char)CANARY);
                    }
            }
        }
    }
}
} // namespace

/* ---- what shim.h declares ---- */

void shim_set_order(enum shim_order o)
{
    order = o;
}

void shim_run(const char *kernel, dim3 grid, dim3 block, size_t shared,
              const std::function<void()> &what)
{
    run_grid(kernel, grid, block, shared, what);
}

void shim_block_barrier(void)
{
    fibres[running].wait = AT_BARRIER;
    at_barrier++;
    open_barrier();
    pause();
}

const unsigned char *shim_meet(uint32_t mask, const void *mine, size_t bytes)
{
    fibre *f = &fibres[running];
    unsigned lane = running % WARP;
    if ((mask >> lane & 1) == 0)
        report("a lane meets others without being in the mask");
    unsigned char *boxes = warps[running / WARP].boxes[f->meetings++ & 1];
    if (bytes > 0)
        memcpy(boxes + (size_t)lane * SHIM_BOX, mine, bytes);
    f->wait = AT_MEETING;
    arrive(running, mask);
    pause();
    return boxes;
}

static float bf16(uint32_t pair, unsigned half)
{
    return __uint_as_float(half == 0 ? pair << 16 : pair & 0xffff0000u);
}

/* Fragments of mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16"): with g = lane / 4 and
 * t = lane % 4, A holds rows g and g + 8, columns 2t, 2t + 1 and those + 8; B holds rows 2t, 2t + 1
 * and those + 8 of column g; C holds rows g and g + 8, columns 2t, 2t + 1. */
void shim_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const float c[4])
{
    uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const unsigned char *boxes = shim_meet(0xffffffffu, mine, sizeof mine);
    unsigned lane = running % WARP, g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = g + i / 2 * 8, col = 2 * t + i % 2;
        float sum = c[i];
        for (unsigned k = 0; k < 16; k++) {
            uint32_t x[6], y[6];
            memcpy(x, boxes + (row % 8 * 4 + k % 8 / 2) * SHIM_BOX, sizeof x);
            memcpy(y, boxes + (col * 4 + k % 8 / 2) * SHIM_BOX, sizeof y);
            sum = fmaf(bf16(x[row / 8 + k / 8 * 2], k % 2), bf16(y[4 + k / 8], k % 2), sum);
        }
        d[i] = sum;
    }
}

/* mma.m16n8k32 of 8-bit integers: as above with four numbers where two were. */
void shim_mma_s8(int32_t d[4], const uint32_t a[4], const uint32_t b[2], const int32_t c[4])
{
    uint32_t mine[6] = {a[0], a[1], a[2], a[3], b[0], b[1]};
    const unsigned char *boxes = shim_meet(0xffffffffu, mine, sizeof mine);
    unsigned lane = running % WARP, g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 4; i++) {
        unsigned row = g + i / 2 * 8, col = 2 * t + i % 2;
        int32_t sum = c[i];
        for (unsigned k = 0; k < 32; k += 4) {
            uint32_t x[6], y[6];
            memcpy(x, boxes + (row % 8 * 4 + k % 16 / 4) * SHIM_BOX, sizeof x);
            memcpy(y, boxes + (col * 4 + k % 16 / 4) * SHIM_BOX, sizeof y);
            sum = __dp4a((int)x[row / 8 + k / 16 * 2], (int)y[4 + k / 16], sum);
        }
        d[i] = sum;
    }
}

void shim_copy_async(void *shared, const void *global, size_t bytes, bool there)
{
    fibre *f = &fibres[running];
    f->copies.push_back({shared, global, bytes, there, f->groups});
}

void shim_copy_commit(void)
{
    fibres[running].groups++;
}

void shim_copy_wait(int groups_left)
{
    fibre *f = &fibres[running];
    std::vector<copy> rest;
    for (const copy &c : f->copies) {
        if (c.group >= f->groups - groups_left) {
            rest.push_back(c);
            continue;
        }
        if (c.there)
            memcpy(c.to, c.from, c.bytes);
        else
            memset(c.to, 0, c.bytes);
    }
    f->copies.swap(rest);
}

void shim_load_transposed(uint32_t b[2], const void *row)
{
    const unsigned char *boxes = shim_meet(0xffffffffu, &row, sizeof row);
    unsigned lane = running % WARP, g = lane / 4, t = lane % 4;
    for (unsigned i = 0; i < 2; i++) {
        const uint16_t *first = shim_from<const uint16_t *>(boxes, 8 * i + 2 * t);
        const uint16_t *second = shim_from<const uint16_t *>(boxes, 8 * i + 2 * t + 1);
        b[i] = first[g] | (uint32_t)second[g] << 16;
    }
    shim_meet(0xffffffffu, nullptr, 0); /* nobody goes on before all have read */
}
