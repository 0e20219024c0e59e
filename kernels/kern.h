/* What the files of this room share and nobody else sees: streams, weights, scratch, dtypes. */
#ifndef TM_KERN_H
#define TM_KERN_H

#include "tm_kernels.h"

/* Scratch that every CPU stream has beside what its owner asked for. Each operation works in
 * blocks small enough for it, so that none depends on the size of a batch. */
enum { KERN_SCRATCH = 8 << 20 };

struct tm_stream {
    struct tm_backend *backend;
    char *scratch;
    size_t size, used;
};

/* A stack: an operation remembers `used`, takes what it needs and puts `used` back. 64-byte
 * aligned; running out is a programmer error, see KERN_SCRATCH. */
void *kern_scratch(struct tm_stream *s, size_t bytes);

struct tm_weight {
    enum tm_dtype dtype; /* F32, BF16 or I8 */
    int64_t n, k;
    /* 0: (n, k) as it came. Else columns of a panel: panel p holds, for each `group` inputs, the
     * weights of outputs p * panel … + panel - 1, the group's of one output together; the last
     * panel is cut to whole vectors of `lanes`, the last group filled up with zeros. */
    int32_t panel, lanes, group;
    void *data;
    /* I8: what an output's number means (n), and what its integer sum begins with (n, in whole
     * vectors): nothing, or for kernels that add 128 to each input -128 times its weights' sum. */
    float *scale;
    int32_t *start;
    size_t bytes; /* of all three */
};

static inline int64_t kern_round_up(int64_t n, int64_t to)
{
    return (n + to - 1) / to * to;
}

/* Panel p of a packed weight begins p * panel * (k in whole groups) elements into it; its width. */
static inline int64_t kern_panel_width(const struct tm_weight *w, int64_t p)
{
    int64_t left = w->n - p * w->panel;
    return left >= w->panel ? w->panel : kern_round_up(left, w->lanes);
}

/* Columns from … from + n - 1 of a weight, where `from` begins a panel. A view. */
static inline struct tm_weight kern_columns(const struct tm_weight *w, int64_t from, int64_t n)
{
    struct tm_weight part = *w;
    tm_dassert(w->panel == 0 || from % w->panel == 0);
    part.n = n;
    part.data = (char *)w->data + from * kern_round_up(w->k, w->group) * tm_dtype_size(w->dtype);
    part.scale = w->scale != NULL ? w->scale + from : NULL;
    part.start = w->start != NULL ? w->start + from : NULL;
    return part;
}

/* Epilogue of rows x cols sums at c: out = act(c + bias) + residual; c may be out. */
typedef void kern_epilogue_fn(const float *c, int64_t ldc, float *out, int64_t ldo, int64_t rows,
                              int64_t cols, const float *bias, enum tm_act act,
                              const float *residual, int64_t ldr);

/* The gemm for weights of one dtype, and how it wants them. */
struct kern_gemm {
    tm_gemm_fn *run; /* NULL: none */
    const char *name;
    int32_t panel, lanes, group;
    int32_t offset; /* what it adds to each 8-bit input */
};

struct kern_cpu { /* the self of the backends in cpu/ */
    struct tm_backend backend;
    struct kern_gemm gemm[TM_DTYPE_COUNT]; /* by the weights' dtype */
    char names[96];                        /* of those, as ops.gemm_variant says them */
    kern_epilogue_fn *epilogue;
};

/* --- dtype.c --- */
float kern_from_bf16(uint16_t h);
uint16_t kern_to_bf16(float f);
float kern_from_f16(uint16_t h);
uint16_t kern_to_f16(float f);
float kern_from_f8(uint8_t b); /* E4M3, no infinities */
uint8_t kern_to_f8(float f);   /* saturates at 448 */
/* Element c of row r, scaled where the tensor has scales. */
float kern_get(const struct tm_tensor *t, int64_t r, int64_t c);
void kern_put(const struct tm_tensor *t, int64_t r, int64_t c, float v);
bool kern_is_float(enum tm_dtype t); /* F32, BF16, F16 */
/* n numbers as 8-bit integers, absmax / 127 each; returns that. See ref/quantize_rows.c. */
float kern_quantize_row(int8_t *out, const float *x, int64_t n);

/* The scales of a tensor that is written: const only for those who read it. */
static inline float *kern_scales(const struct tm_tensor *t)
{
    return (float *)(uintptr_t)t->scale;
}

static inline float *kern_row(const struct tm_tensor *t, int64_t r)
{
    return (float *)t->data + r * t->stride;
}

/* Column of a page's row where dim d of a head's key (plane 0) or value (plane 1) at the page's
 * position t lies. */
static inline int64_t kern_kv_at(const struct tm_kv_pool *pool, int64_t plane, int64_t head,
                                 int64_t t, int64_t d)
{
    int64_t at = (plane * pool->kv_heads + head) * pool->positions * pool->head_dim;
    return at + (plane == 0 ? d * pool->positions + t : t * pool->head_dim + d);
}

/* --- ref/ --- */
extern const struct tm_ops kern_ref_ops;
float ref_act(enum tm_act act, float x);
void ref_norm(float *row, int64_t n, const struct tm_norm *norm);
kern_epilogue_fn ref_epilogue;

/* --- cpu/ --- */
/* Each overrides what its instruction set has. */
void kern_cpu_init_avx2(struct kern_cpu *cpu);
void kern_cpu_init_avx512(struct kern_cpu *cpu);
void kern_gemm_int8_avxvnni(struct kern_cpu *cpu);
void kern_gemm_int8_avx512vnni(struct kern_cpu *cpu);
void kern_gemm_bf16_avx512bf16(struct kern_cpu *cpu);
void kern_cpu_init_neon(struct kern_cpu *cpu);
void kern_gemm_int8_dotprod(struct kern_cpu *cpu);
void kern_gemm_int8_i8mm(struct kern_cpu *cpu);
void kern_gemm_bf16_bf16(struct kern_cpu *cpu);
/* Says in ops.gemm_variant which gemms were chosen. */
void kern_cpu_name(struct kern_cpu *cpu);
/* Row n of a matrix of floats in host memory. */
void kern_read_row(float *to, const struct tm_tensor *w, int64_t n);
enum tm_status kern_pack(struct tm_backend *b, const struct tm_tensor *from, enum tm_dtype as,
                         struct tm_weight **ret_weight, struct tm_err *err);
void kern_weight_free(struct tm_backend *b, struct tm_weight *w);
size_t kern_weight_bytes(const struct tm_weight *w);
enum tm_status kern_cpu_create(uint32_t mask, const char *name, struct kern_cpu **ret_cpu,
                               struct tm_err *err);

#endif
