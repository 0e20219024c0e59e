/* Graphs, rows that fill up a bucket, copies, and what the backend says when things go wrong. */
#include "../kernels/check.h"
#include "check_cuda.h"

#include <stdlib.h>
#include <string.h>

/* ---- graphs ---- */

enum { ROWS = 5, COLS = 24 };

static enum tm_status two_steps(struct tm_tensor *out, struct tm_tensor *between_them,
                                const struct tm_tensor *x, const struct tm_weight *w)
{
    const struct tm_norm norm = {TM_NORM_RMS, NULL, NULL, 1e-6f};
    enum tm_status s = now.b->ops.add_norm(now.s, between_them, NULL, x, NULL, &norm);
    return s == TM_OK ? now.b->ops.gemm(now.s, out, between_them, w, NULL) : s;
}

/* A graph computes with what lies in memory when it runs, and nothing at all when it is made. */
static void captured(void)
{
    const struct tm_device_ops *dev = &now.b->dev;
    GRID x = grid_random(TM_F32, ROWS, COLS, 1), w = grid_random(TM_F32, COLS, COLS, 1);
    GRID middle = grid_new(TM_F32, ROWS, COLS), got = grid_new(TM_F32, ROWS, COLS);
    GRID want = grid_new(TM_F32, ROWS, COLS), untouched = grid_copy(&got);
    struct tm_weight *packed = NULL;
    void *graph = NULL;
    ok(dev->pack(now.b, &w.t, TM_BF16, &packed, NULL));
    ok(dev->graph_begin(now.s));
    ok(two_steps(&got.t, &middle.t, &x.t, packed));
    ok(dev->graph_end(now.s, &graph));
    if (memcmp(got.t.data, untouched.t.data, COLS * sizeof(float)) != 0)
        fail("a captured step has run");
    for (int round = 0; round < 3; round++) {
        for (int64_t r = 0; r < ROWS; r++)
            for (int64_t c = 0; c < COLS; c++)
                put(&x.t, r, c, uniform(1));
        ok(dev->graph_launch(now.s, graph));
        ok(dev->stream_sync(now.s));
        ok(two_steps(&want.t, &middle.t, &x.t, packed));
        same_bits("graph", &got.t, &want.t);
    }
    dev->graph_free(now.b, graph);
    dev->weight_free(now.b, packed);
}

/* A bucket has room for more rows than a step: those have the slot -1 and nothing is theirs. */
static void padded(void)
{
    enum { SLOTS = 3, BUCKET = 5, DIM = 16 };
    int32_t slot_of_row[BUCKET] = {2, 0, -1, -1, -1}, beam_of_row[BUCKET] = {0};
    int32_t slot[BUCKET] = {2, 0, -1, -1, -1}, first_row[BUCKET + 1] = {0, 1, 2, 2, 2, 2};
    int32_t pages[SLOTS] = {1, 0, 2}, lengths[SLOTS] = {7, 9, 20};
    GRID pool = grid_random(TM_F32, SLOTS, 2 * TM_KV_PAGE * DIM, 1);
    GRID q = grid_random(TM_F32, BUCKET, DIM, 1);
    GRID got = grid_new(TM_F32, BUCKET, DIM), want = grid_new(TM_F32, BUCKET, DIM);
    GRID before = grid_copy(&got);
    struct tm_kv_pool kv = {pool.t, 1, SLOTS, 1, TM_KV_PAGE, DIM};
    const struct tm_kv_cache cache = {&kv, pages, 1, 1, lengths, NULL};
    struct tm_step step = {BUCKET, BUCKET, slot_of_row, beam_of_row, slot, first_row};
    struct tm_cached_args args = {.attn = {.heads = 1, .kv_heads = 1, .head_dim = DIM, .scale = 1},
                                  .cache = &cache,
                                  .step = &step};
    ok(now.b->ops.attn_cached(now.s, &got.t, &q.t, &args));
    step.rows = step.slots = 2;
    ok(ref.b->ops.attn_cached(ref.s, &want.t, &q.t, &args));
    const struct tm_tensor rows = rows_of(&got, 0, 2), expect = rows_of(&want, 0, 2);
    near_enough("rows of the step", &rows, &expect, 2e-6, 2e-6);
    const struct tm_tensor rest = rows_of(&got, 2, 3), old = rows_of(&before, 2, 3);
    same_bits("rows that fill up", &rest, &old);
}

void check_graphs(void)
{
    captured();
    padded();
}

/* ---- failures ---- */

static void copies(void)
{
    enum { MOST = 3 << 20 };
    static const size_t sizes[] = {0, 1, 4, 1000, 65536, 65537, MOST};
    unsigned char *from = malloc(MOST), *back = malloc(MOST);
    void *device = now.b->dev.alloc(now.b, MOST);
    if (from == NULL || back == NULL || device == NULL)
        abort();
    for (int round = 0; round < 40; round++) { /* more than the staging area holds */
        const size_t n = sizes[round % (int)TM_COUNTOF(sizes)];
        memset(from, round + 1, MOST);
        ok(now.b->dev.copy_in(now.s, device, from, n));
        memset(from, 0, MOST); /* the caller's memory is the caller's again */
        ok(now.b->dev.copy_out(now.s, back, device, n));
        ok(now.b->dev.stream_sync(now.s));
        for (size_t i = 0; i < n; i += 999)
            if (back[i] != round + 1)
                fail("byte %zu of %zu is not what was copied", i, n);
    }
    now.b->dev.free(now.b, device);
    free(from);
    free(back);
}

static void expect_status(const char *what, enum tm_status got, enum tm_status want,
                          const struct tm_err *err, const char *words)
{
    if (got != want || strstr(err->text, words) == NULL)
        fail("%s: %s, \"%s\"", what, tm_status_code(got), err->text);
}

static void absent_devices(void)
{
    struct tm_backend *b = NULL;
    struct tm_err err = {0};
    shim_devices = 0;
    expect_status("without a driver", tm_backend_cuda(0, &b, &err), TM_UNSUPPORTED, &err,
                  "no NVIDIA driver");
    shim_devices = 1;
    err = (struct tm_err){0};
    expect_status("GPU 3 of one", tm_backend_cuda(3, &b, &err), TM_UNSUPPORTED, &err,
                  "no GPU 3, there are 1");
}

static void short_of_memory(void)
{
    struct tm_backend *b = NULL;
    struct tm_stream *s = NULL;
    struct tm_weight *w = NULL;
    struct tm_err err = {0};
    GRID from = grid_random(TM_F32, 600, 600, 1);
    const size_t had = shim_memory, used = shim_memory_used;
    ok(cuda_create(0, 1 << 20, &b, NULL));
    shim_memory = shim_memory_used + (1 << 20) - 1;
    expect_status("a stream", b->dev.stream_create(b, 0, &s, &err), TM_NOMEM, &err, "scratch");
    err = (struct tm_err){0};
    expect_status("weights", b->dev.pack(b, &from.t, TM_F32, &w, &err), TM_NOMEM, &err, "weights");
    if (b->dev.alloc(b, 1 << 20) != NULL)
        fail("memory that is not there");
    shim_memory = had;
    tm_backend_destroy(b);
    if (shim_memory_used != used)
        fail("%zu bytes are lost", shim_memory_used - used);
}

/* A kernel breaks the device: from then on every call says so, until the process starts again. */
static void broken(void)
{
    struct tm_backend *b = NULL;
    struct tm_stream *s = NULL;
    float number = 1;
    GRID x = grid_random(TM_F32, 2, 8, 1), out = grid_new(TM_F32, 2, 8);
    ok(cuda_create(0, 1 << 20, &b, NULL));
    ok(b->dev.stream_create(b, 0, &s, NULL));
    shim_fail_after = 0;
    (void)b->ops.convert(s, &out.t, &x.t);
    if (b->dev.stream_sync(s) != TM_DEVICE)
        fail("a broken device is not reported");
    if (b->ops.convert(s, &out.t, &x.t) != TM_DEVICE || b->dev.stream_sync(s) != TM_DEVICE ||
        b->dev.copy_in(s, out.t.data, &number, sizeof number) != TM_DEVICE)
        fail("a broken device works again");
    shim_fail_after = -1;
    b->dev.stream_destroy(s);
    tm_backend_destroy(b);
    ok(cuda_create(0, 1 << 20, &b, NULL)); /* as a new process would */
    tm_backend_destroy(b);
}

void check_failures(void)
{
    copies();
    absent_devices();
    short_of_memory();
    broken();
}
