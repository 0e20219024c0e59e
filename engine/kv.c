/* Pages of K/V: one pool a worker, for what is generated and for what is read across.
 *
 * A page belongs to one row and is never moved. Called on the worker's thread. */
#include "decode.h"

#include <stdlib.h>

static int32_t pages_of(int32_t positions)
{
    return (positions + TM_KV_PAGE - 1) / TM_KV_PAGE;
}

size_t kv_page_bytes(const struct model *m)
{
    const struct stack s = config_decoder(&m->config);
    return (size_t)s.layers * 2 * (size_t)s.kv_heads * TM_KV_PAGE * (size_t)s.head_dim *
           tm_dtype_size(m->precision->cache);
}

static enum tm_status make_pool(const struct tm_engine *e, struct kv *kv, struct tm_err *err)
{
    struct tm_backend *b = e->model.backend;
    const struct stack s = config_decoder(&e->model.config);
    int64_t cols = 2 * (int64_t)s.kv_heads * TM_KV_PAGE * s.head_dim;
    kv->pool = (struct tm_kv_pool){
        .data = {.dtype = e->model.precision->cache,
                 .rows = (int64_t)s.layers * e->pages,
                 .cols = cols,
                 .stride = cols},
        .layers = s.layers,
        .pages = e->pages,
        .kv_heads = s.kv_heads,
        .positions = TM_KV_PAGE,
        .head_dim = s.head_dim,
    };
    size_t bytes = (size_t)e->pages * kv_page_bytes(&e->model);
    kv->pool.data.data = b->dev.alloc(b, bytes);
    return kv->pool.data.data != NULL
               ? TM_OK
               : tm_err_set(err, TM_NOMEM, "%zu bytes of K/V pages a worker", bytes);
}

/* Page numbers of rows, on both sides. */
static enum tm_status make_table(const struct tm_engine *e, const struct kv *kv, int32_t positions,
                                 struct tm_kv_cache *cache, int32_t **ret_host, struct tm_err *err)
{
    struct tm_backend *b = e->model.backend;
    size_t n = (size_t)e->limits.decode_rows * (size_t)pages_of(positions);
    cache->pool = (struct tm_kv_pool *)&kv->pool;
    cache->max_pages = pages_of(positions);
    cache->beams = 1;
    cache->pages = b->dev.alloc(b, n * sizeof(int32_t));
    *ret_host = malloc(n * sizeof(int32_t));
    if (cache->pages == NULL || *ret_host == NULL)
        return tm_err_set(err, TM_NOMEM, "K/V page tables");
    for (size_t i = 0; i < n; i++)
        (*ret_host)[i] = -1;
    return TM_OK;
}

enum tm_status kv_create(const struct tm_engine *e, struct kv *kv, struct tm_err *err)
{
    enum tm_status s = make_pool(e, kv, err);
    if (s == TM_OK)
        s = make_table(e, kv, e->positions, &kv->self, &kv->self_pages, err);
    if (s == TM_OK)
        s = make_table(e, kv, e->model.max_length, &kv->cross, &kv->cross_pages, err);
    kv->free = malloc((size_t)e->pages * sizeof *kv->free);
    if (s == TM_OK && kv->free == NULL)
        s = tm_err_set(err, TM_NOMEM, "K/V page tables");
    for (int32_t i = 0; s == TM_OK && i < e->pages; i++)
        kv->free[kv->n_free++] = e->pages - 1 - i; /* the lowest are used first, and again */
    return s;
}

void kv_destroy(struct kv *kv, const struct tm_engine *e)
{
    struct tm_backend *b = e->model.backend;
    void *const device[] = {kv->pool.data.data, (void *)kv->self.pages, (void *)kv->cross.pages};
    for (size_t i = 0; i < TM_COUNTOF(device); i++)
        if (device[i] != NULL)
            b->dev.free(b, device[i]);
    free(kv->self_pages);
    free(kv->cross_pages);
    free(kv->free);
}

/* Entry `at` of a table gets a page. */
static void take(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e,
                 const struct tm_kv_cache *cache, int32_t *host, int64_t at)
{
    host[at] = kv->free[--kv->n_free];
    /* On the device too; this cannot fail on a CPU, and a device's error comes with the step. */
    (void)e->model.backend->dev.copy_in(stream, (int32_t *)cache->pages + at, &host[at],
                                        sizeof *host);
}

static bool take_all(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e,
                     const struct tm_kv_cache *cache, int32_t *host, int32_t row, int32_t n)
{
    if (pages_of(n) > kv->n_free)
        return false;
    for (int32_t i = 0; i < pages_of(n); i++)
        take(kv, stream, e, cache, host, (int64_t)row * cache->max_pages + i);
    return true;
}

bool kv_take_cross(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e, int32_t row,
                   int32_t n)
{
    return take_all(kv, stream, e, &kv->cross, kv->cross_pages, row, n);
}

bool kv_take_self(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e, int32_t row,
                  int32_t n)
{
    return take_all(kv, stream, e, &kv->self, kv->self_pages, row, n);
}

bool kv_take_position(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e,
                      int32_t row, int32_t position)
{
    int64_t at = (int64_t)row * kv->self.max_pages + position / TM_KV_PAGE;
    if (kv->self_pages[at] >= 0)
        return true;
    if (kv->n_free == 0)
        return false;
    take(kv, stream, e, &kv->self, kv->self_pages, at);
    return true;
}

static void give_all(struct kv *kv, int32_t *pages, int32_t n)
{
    for (int32_t i = n - 1; i >= 0; i--) {
        if (pages[i] >= 0)
            kv->free[kv->n_free++] = pages[i];
        pages[i] = -1;
    }
}

void kv_give(struct kv *kv, int32_t row)
{
    give_all(kv, kv->self_pages + (int64_t)row * kv->self.max_pages, kv->self.max_pages);
    give_all(kv, kv->cross_pages + (int64_t)row * kv->cross.max_pages, kv->cross.max_pages);
}

int32_t kv_held_self(const struct kv *kv, int32_t row)
{
    int32_t n = 0;
    for (int32_t i = 0; i < kv->self.max_pages; i++)
        n += kv->self_pages[(int64_t)row * kv->self.max_pages + i] >= 0;
    return n;
}
