/* The backend contract: fourteen fused operations, memory, streams.
 *
 * One row of TM_OPS is one operation: the row makes the slot in struct tm_ops, its variant name,
 * its dispatch and its checker in tests/kernels. `ref/` is the specification in plain C; `cpu/`
 * overrides slots in order of ISA; `cuda/` fills the same struct. A slot may be NULL where no
 * family that this backend runs needs it: the engine asks before it opens a model.
 *
 * Activations are packed: the tokens of all sequences of a batch lie behind one another without
 * padding, one row a token; `starts` (n + 1 entries) says where each sequence begins.
 *
 * Batch invariance: on the CPU every output element is summed in one fixed order over K whatever
 * the number of rows, so that a row's result does not depend on its neighbours.
 *
 * Pointers given to an operation belong to the backend's memory. Operations allocate nothing:
 * scratch comes with the stream. They return TM_OK, TM_DEVICE, or TM_UNSUPPORTED for a
 * combination of dtypes they do not have. Sizes are checked with tm_dassert: the engine is trusted.
 */
#ifndef TM_KERNELS_H
#define TM_KERNELS_H

#include "tm_base.h"

enum tm_dtype { TM_F32, TM_BF16, TM_F16, TM_I8, TM_F8E4M3, TM_I32, TM_U8, TM_DTYPE_COUNT };
size_t tm_dtype_size(enum tm_dtype t);
const char *tm_dtype_name(enum tm_dtype t); /* "float32", "bfloat16", … */

/* A view: rows x cols elements, row r at data + r * stride * size. Does not own. */
struct tm_tensor {
    void *data;
    enum tm_dtype dtype;
    int64_t rows, cols, stride; /* stride in elements */
    const float *scale;         /* of I8 and F8: one a row, else NULL */
};

struct tm_backend;
struct tm_stream; /* one worker's order of execution, with its scratch */
struct tm_weight; /* a linear layer's matrix, packed for this backend */

enum tm_act {
    TM_ACT_NONE,
    TM_ACT_RELU,
    TM_ACT_GELU_ERF,
    TM_ACT_GELU_TANH,
    TM_ACT_SILU,
    TM_ACT_QUICK_GELU,
    TM_ACT_TANH,
    TM_ACT_COUNT
};

struct tm_norm {
    enum { TM_NORM_NONE, TM_NORM_LAYER, TM_NORM_RMS } kind;
    const float *weight; /* (cols); NULL: ones */
    const float *bias;   /* (cols); NULL: zeros; LAYER only */
    float eps;
};

/* --- 1 embed: out[i] = norm(word[ids[i]] * scale + position[positions[i]] + type[types[i]]) --- */
struct tm_embed_args {
    const int32_t *ids, *positions, *types;         /* (rows); positions, types may be NULL */
    const struct tm_tensor *word, *position, *type; /* tables; position, type may be NULL */
    float scale;
    const struct tm_norm *norm; /* NULL: none */
};

/* --- 2 gemm: out = act(x * W^T + bias) + residual ---
 * x (M, K), W packed from (N, K), out (M, N); residual (M, N) may be out itself. W of I8 has a
 * scale an output; x is then quantised by row (as quantize_rows does) unless it is I8 already, and
 * the sums are exact: the same integers with every instruction set. */
struct tm_epilogue {
    const float *bias; /* (N) or NULL */
    enum tm_act act;
    const struct tm_tensor *residual; /* or NULL */
};

/* --- 3 add_norm: out = norm(x + residual); sum (or NULL) receives x + residual (pre-norm models).
 * residual NULL: norm(x). out and sum may be x or residual themselves, not each other. out of I8 is
 * quantised as by quantize_rows; its scales, which belong to the caller, are written. --- */

/* --- 4 glu: out (M, F) = act(x[:, :F]) * x[:, F:] --- */

/* --- 5 qk_prep: rotary positions and norms of q and k in place, and K/V appended to the cache ---
 */
struct tm_rope {
    const float *cos, *sin; /* (positions, dims / 2); split-half rotation */
    int32_t dims;           /* leading dims of a head that are rotated */
};
struct tm_kv_cache; /* below */
struct tm_qk_args {
    int32_t heads, kv_heads, head_dim;
    const int32_t *positions;              /* (rows) */
    const struct tm_rope *rope;            /* or NULL */
    const struct tm_norm *q_norm, *k_norm; /* over head_dim, before rope; or NULL */
    const struct tm_kv_cache *append;      /* or NULL */
    const int32_t *append_rows;            /* (rows) the row of append->pages … */
    const int32_t *append_positions;       /* (rows) … and where in it; NULL: positions */
    int32_t layer;
};

/* --- 6 attn_varlen: attention within each packed sequence. With i the query's and j the key's
 * place in the sequence: softmax over the j allowed of softcap(scale * (q·k + relative key)) + T5
 * bias. out is none of q, k, v. --- */
struct tm_attn_bias {
    enum { TM_BIAS_NONE, TM_BIAS_T5, TM_BIAS_DEBERTA, TM_BIAS_RELATIVE_KEY } kind;
    /* T5 (and MPNet): score += table[bucket[j - i + reach]][h], table (buckets, heads) */
    const float *table;
    const int32_t *bucket; /* (2 * reach + 1), distances beyond reach are clamped */
    int32_t reach;
    /* DEBERTA: q · pos_k[bucket[i - j + reach]] + k · pos_q[the same], each (rows, heads *
     * head_dim) or NULL; buckets never fall as i - j grows, distances beyond reach are clamped.
     * RELATIVE_KEY: q · pos_k[i - j + reach], pos_k (2 * reach + 1, head_dim); pos_q the same
     * against k or NULL. */
    const struct tm_tensor *pos_k, *pos_q;
};
struct tm_attn_args {
    int32_t heads, kv_heads, head_dim; /* head h reads kv head h * kv_heads / heads */
    float scale;
    bool causal;
    int32_t window; /* attend to |i - j| <= window; 0: everything */
    float softcap;  /* c * tanh(score / c); 0: none */
    const uint8_t
        *global; /* (rows) 1: row attends to and is attended by all, past the window; or NULL */
    struct tm_attn_bias bias;
};

/* --- Decoding. A *slot* holds one sequence under way; it has one row a beam in the packed rows of
 * a step. Slots are at different positions: sequences come and go at every step. Everything a step
 * changes lies in backend memory, so that a captured graph stays valid. --- */
enum { TM_KV_PAGE = 32 }; /* positions in a page, of generated tokens and of a source's */

/* A pool of pages, each K then V of all heads: K (kv_head, dim, position), so that the scores of
 * neighbouring positions are neighbours, V (kv_head, position, dim). Only qk_prep writes them, only
 * attn_cached reads them. Pages are never moved; cross pages are immutable once written and shared
 * by all beams. */
struct tm_kv_pool {
    struct tm_tensor data; /* rows = layers * pages, cols = 2 * kv_heads * positions * head_dim */
    int32_t layers, pages, kv_heads, positions, head_dim;
};
/* Which beam's K/V a beam sees at each position: after a step a beam copies its parent's row and
 * sets the last entry to itself. K/V stay where they were written. */
struct tm_ancestry {
    uint8_t *owner; /* (slots, beams, positions) */
    int32_t slots, beams, positions;
};
struct tm_kv_cache {
    struct tm_kv_pool *pool;
    /* Page numbers. Self: (slots * beams, max_pages), a row a beam; cross: (slots, max_pages). */
    const int32_t *pages;
    int32_t max_pages, beams;           /* max_pages 0 (as positions 0 of ancestry): one row for
                                           all slots. beams: of ancestry; 1 for cross-attention */
    const int32_t *lengths;             /* (slots) positions that are read: [0, length) */
    const struct tm_ancestry *ancestry; /* NULL: cross-attention */
};
/* The rows of a step. A slot at its first step has one row, its beams still being the same. */
struct tm_step {
    int32_t rows, slots;
    const int32_t *slot_of_row; /* (rows) rows of a slot follow one another … */
    const int32_t *beam_of_row; /* (rows) … in order of their beams */
    const int32_t *slot;        /* (slots) slots at work, in order of their rows */
    const int32_t *first_row;   /* (slots + 1) */
};

/* --- 7 attn_cached: row r's q against the positions of its slot. With length the slot's, the query
 * stands at length - 1 (self; window and bias count from there); cross-attention sees all. --- */
struct tm_cached_args {
    struct tm_attn_args attn;
    const struct tm_kv_cache *cache;
    const struct tm_step *step;
    int32_t layer;
};

/* How a slot decodes; constant while its sequence is there. Names, order and meaning are those of
 * Hugging Face's generation (transformers 4.57, generation/logits_process.py). Lengths count the
 * decoder's ids from the first, prompt or decoder start included. */
struct tm_decoding {
    int32_t beams;      /* rows of the slot: num_beams, or num_return_sequences when sampling */
    int32_t prompt;     /* ids before the first generated one */
    int32_t max_length; /* a sequence of this length is finished */
    int32_t min_length; /* no eos before this length (min_length, min_new_tokens: the larger) */
    float repetition_penalty, encoder_repetition_penalty;       /* 1: none */
    int32_t no_repeat_ngram_size, encoder_no_repeat_ngram_size; /* 0: none */
    int32_t forced_bos_token_id, forced_eos_token_id;           /* -1: none */
    const int32_t *eos_token_ids, *suppress_tokens, *begin_suppress_tokens;
    int32_t n_eos, n_suppress, n_begin_suppress;
    const int32_t *bad_words; /* flat: a length, then so many ids, …; n_bad_words numbers in all */
    int32_t n_bad_words;
    const int32_t *source; /* (n_source) the encoder's ids, for the encoder_ processors */
    int32_t n_source;
    bool renormalize_logits;
    /* beams > 1 without do_sample: beam search */
    float length_penalty;
    enum { TM_EARLY_FALSE, TM_EARLY_TRUE, TM_EARLY_NEVER } early_stopping;
    /* sampling: temperature, then top_k (0: all), top_p, min_p (1, 0: none), typical_p (1: none) */
    bool do_sample;
    float temperature, top_p, min_p, typical_p;
    int32_t top_k;
    uint64_t key[2]; /* of the counter-based generator; the counter is (beam, position) */
};
/* Where all slots stand. The ids of one beam lie together, prompt included. */
struct tm_decoded {
    int32_t slots, beams, positions;
    int32_t *lengths;          /* (slots) ids so far, of every beam */
    int32_t *ids;              /* (slots, beams, positions) */
    float *running;            /* (slots, beams) sums of the beams; at first 0, -1e9 … */
    int32_t *parent;           /* (slots, beams) which beam each came from in the last step */
    float *finished_scores;    /* (slots, beams) best first, length penalty applied; -1e9: none */
    int32_t *finished_lengths; /* (slots, beams) 0: none */
    int32_t *finished_ids;     /* (slots, beams, positions) */
    uint8_t *ended; /* (slots, beams) a greedy or sampling row that has ended; its ids stay */
    uint8_t *done;  /* (slots) nothing more to come */
};

/* --- 8 logits_topk: output layer, processors, best candidates of each row, best first, lower id
 * first among equals. Greedy rows (beams 1) keep logits, the others are log-softmax before the
 * processors, as in Hugging Face's beam search. --- */
struct tm_logits_args {
    const struct tm_weight *head; /* (V, H) */
    const float *bias;            /* (V) or NULL */
    float scale, softcap;         /* logits = softcap(scale * x W^T + bias); softcap 0: none */
    const struct tm_decoding *decoding; /* (slots) */
    const struct tm_decoded *decoded;
    const uint32_t *masks; /* guides: (rows, (V + 31) / 32) allowed bits, or NULL; last of all */
    const uint8_t *masked; /* (rows) 1: the row has a mask; or NULL */
    const struct tm_step *step;
};
struct tm_topk_args {
    struct tm_logits_args logits;
    int32_t k;         /* at least max(2, 1 + n_eos) * beams of every slot; 1 when all are greedy */
    int32_t *ret_ids;  /* (rows, k); -1 where fewer are allowed */
    float *ret_scores; /* (rows, k) after processors, -inf likewise */
};

/* --- 9 beam_step: greedy and beam slots of the step take their next ids: decoded, ancestry and
 * done move on by one position (formats: Hugging Face's GenerationMixin._beam_search). --- */
struct tm_beam_args {
    const int32_t *ids;  /* (rows, k) from logits_topk */
    const float *scores; /* (rows, k) */
    int32_t k;
    const struct tm_decoding *decoding;
    struct tm_decoded *decoded;
    struct tm_ancestry *ancestry; /* entries of the position that the next step writes */
    const struct tm_step *step;
    const uint8_t *stops; /* (rows, k) 1: ends a beam as an eos does (guides); NULL: none */
};

/* --- 10 sample_step: output layer, processors, warpers, one draw a row (do_sample slots); moves
 * decoded and done on like beam_step. The draw depends on key, beam and position alone. --- */
struct tm_sample_args {
    struct tm_logits_args logits;
    struct tm_decoded *decoded;
    struct tm_ancestry *ancestry;
};

/* --- 11 pool_classify: one vector a sequence, then up to three small dense layers --- */
struct tm_dense {
    const struct tm_weight *weight;
    const float *bias;
    enum tm_act act;
    const struct tm_norm *norm; /* after act; or NULL */
};
struct tm_pool_args {
    /* FIRST is row starts[i] whatever skip says; a sequence with nothing to pool gives zeros. */
    enum { TM_POOL_FIRST, TM_POOL_MEAN, TM_POOL_MAX, TM_POOL_MEAN_SQRT, TM_POOL_LAST } kind;
    const int32_t *starts; /* (n + 1) */
    int32_t n;
    const uint8_t *skip; /* (rows) 1: not pooled (prompt tokens); or NULL */
    struct tm_dense dense[3];
    int32_t n_dense;
    bool normalize; /* L2, at the end */
};

/* --- 12 gather_rows: out[i] = x[index[i]], zeros where it is -1 · 13 quantize_rows: I8 or F8 with
 * a scale a row (absmax / 127, round to nearest even) · 14 convert: out = x in out's dtype --- */

typedef enum tm_status tm_embed_fn(struct tm_stream *, struct tm_tensor *out,
                                   const struct tm_embed_args *args);
typedef enum tm_status tm_gemm_fn(struct tm_stream *, struct tm_tensor *out,
                                  const struct tm_tensor *x, const struct tm_weight *w,
                                  const struct tm_epilogue *epilogue);
typedef enum tm_status tm_add_norm_fn(struct tm_stream *, struct tm_tensor *out,
                                      struct tm_tensor *sum, const struct tm_tensor *x,
                                      const struct tm_tensor *residual, const struct tm_norm *norm);
typedef enum tm_status tm_glu_fn(struct tm_stream *, struct tm_tensor *out,
                                 const struct tm_tensor *x, enum tm_act act);
typedef enum tm_status tm_qk_prep_fn(struct tm_stream *, struct tm_tensor *q, struct tm_tensor *k,
                                     const struct tm_tensor *v, const struct tm_qk_args *args);
typedef enum tm_status tm_attn_varlen_fn(struct tm_stream *, struct tm_tensor *out,
                                         const struct tm_tensor *q, const struct tm_tensor *k,
                                         const struct tm_tensor *v, const int32_t *starts,
                                         int32_t n, const struct tm_attn_args *args);
typedef enum tm_status tm_attn_cached_fn(struct tm_stream *, struct tm_tensor *out,
                                         const struct tm_tensor *q,
                                         const struct tm_cached_args *args);
typedef enum tm_status tm_logits_topk_fn(struct tm_stream *, const struct tm_tensor *x,
                                         const struct tm_topk_args *args);
typedef enum tm_status tm_beam_step_fn(struct tm_stream *, const struct tm_beam_args *args);
typedef enum tm_status tm_sample_step_fn(struct tm_stream *, const struct tm_tensor *x,
                                         const struct tm_sample_args *args);
typedef enum tm_status tm_pool_classify_fn(struct tm_stream *, struct tm_tensor *out,
                                           const struct tm_tensor *x,
                                           const struct tm_pool_args *args);
typedef enum tm_status tm_gather_rows_fn(struct tm_stream *, struct tm_tensor *out,
                                         const struct tm_tensor *x, const int32_t *index);
typedef enum tm_status tm_quantize_rows_fn(struct tm_stream *, struct tm_tensor *out,
                                           float *ret_scale, const struct tm_tensor *x);
typedef enum tm_status tm_convert_fn(struct tm_stream *, struct tm_tensor *out,
                                     const struct tm_tensor *x);

/* clang-format off */
#define TM_OPS(X)                                                                               \
    X(embed) X(gemm) X(add_norm) X(glu) X(qk_prep) X(attn_varlen) X(attn_cached) X(logits_topk) \
    X(beam_step) X(sample_step) X(pool_classify) X(gather_rows) X(quantize_rows) X(convert)
/* clang-format on */

struct tm_ops {
#define X(op)                                                                                      \
    tm_##op##_fn *op;                                                                              \
    const char *op##_variant; /* "ref", "avx512", …: for the log and the tests */
    TM_OPS(X)
#undef X
};

/* Memory and order of execution. On a CPU streams are scratch only, events and graphs are absent.
 */
struct tm_device_ops {
    void *(*alloc)(struct tm_backend *, size_t bytes); /* 64-byte aligned; NULL when short */
    void (*free)(struct tm_backend *, void *p);
    enum tm_status (*copy_in)(struct tm_stream *, void *dst, const void *host, size_t bytes);
    enum tm_status (*copy_out)(struct tm_stream *, void *host, const void *src, size_t bytes);
    /* scratch_bytes: for the caller's plans; a CPU adds what its own operations need. */
    enum tm_status (*stream_create)(struct tm_backend *, size_t scratch_bytes,
                                    struct tm_stream **ret_stream, struct tm_err *err);
    void (*stream_destroy)(struct tm_stream *);
    enum tm_status (*stream_sync)(struct tm_stream *);
    size_t (*memory_free)(struct tm_backend *); /* bytes left to alloc; NULL: the host's own */
    /* Optional, all or none: */
    enum tm_status (*event_record)(struct tm_stream *, void **event);
    enum tm_status (*event_wait)(struct tm_stream *, void *event);
    void (*event_free)(struct tm_backend *, void *event); /* NULL is fine */
    enum tm_status (*graph_begin)(struct tm_stream *);
    enum tm_status (*graph_end)(struct tm_stream *, void **ret_graph);
    enum tm_status (*graph_launch)(struct tm_stream *, void *graph);
    void (*graph_free)(struct tm_backend *, void *graph); /* NULL is fine */
    /* Copies w (N, K), F32, BF16 or F16 in host memory, into the backend's own layout as dtype
     * `as`. The source may be dropped afterwards. */
    enum tm_status (*pack)(struct tm_backend *, const struct tm_tensor *w, enum tm_dtype as,
                           struct tm_weight **ret_weight, struct tm_err *err);
    void (*weight_free)(struct tm_backend *, struct tm_weight *); /* NULL is fine */
    size_t (*weight_bytes)(const struct tm_weight *);
    void (*destroy)(struct tm_backend *); /* optional: where there is more to give back than self */
};

struct tm_backend {
    const char *name; /* "cpu", "blas", "cuda" */
    struct tm_ops ops;
    struct tm_device_ops dev;
    void *self;
};

/* Instruction sets of x86-64 and of aarch64. */
enum tm_isa {
    TM_ISA_AVX2 = 1 << 0,       /* AVX2, FMA, F16C */
    TM_ISA_AVXVNNI = 1 << 1,    /* with AVX2: 8-bit dot products */
    TM_ISA_AVX512 = 1 << 2,     /* with AVX2: F, BW, DQ, VL */
    TM_ISA_AVX512VNNI = 1 << 3, /* with AVX512: 8-bit dot products */
    TM_ISA_AVX512BF16 = 1 << 4, /* with AVX512VNNI: bfloat16 dot products */
    TM_ISA_NEON = 1 << 8,
    TM_ISA_DOTPROD = 1 << 9, /* with NEON: 8-bit dot products */
    TM_ISA_I8MM = 1 << 10,   /* with DOTPROD: products of 8-bit matrices */
    TM_ISA_BF16 = 1 << 11,   /* with I8MM: bfloat16 dot products */
};
/* What this machine has, as far as the environment variable TEXTMILL_ISA allows: the name of the
 * best set to use, as below. */
uint32_t tm_cpu_isa(void);
/* Of the best set: "ref", "avx2", "avxvnni", "avx512", "avx512vnni", "avx512bf16", "neon",
 * "dotprod", "i8mm", "bf16". */
const char *tm_isa_name(uint32_t mask);
/* Do bfloat16 dot products run faster than float32 ones on this processor, with the sets in mask?
 * Having them is not enough: some take twice the time. */
bool tm_cpu_fast_bf16(uint32_t mask);

/* The CPU backend. mask 0: the reference alone; else the best variants within mask and
 * tm_cpu_isa(). Never fails for want of an instruction set. */
enum tm_status tm_backend_cpu(uint32_t mask, struct tm_backend **ret_backend, struct tm_err *err);
/* The same with OpenBLAS for gemm; TM_UNSUPPORTED when built without. Not batch-invariant. */
enum tm_status tm_backend_blas(struct tm_backend **ret_backend, struct tm_err *err);
/* An NVIDIA GPU, by its number; bfloat16, float32, int8 and float8_e4m3 weights. TM_UNSUPPORTED,
 * with the reason, when built without CUDA, without a driver, or on a GPU it was not compiled for.
 */
enum tm_status tm_backend_cuda(int device, struct tm_backend **ret_backend, struct tm_err *err);
void tm_backend_destroy(struct tm_backend *b); /* NULL is fine */

#endif
