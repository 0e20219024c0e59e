/* The reference judges all other variants; here it is judged itself, by numbers worked out by hand
 * or taken from the definition. Also the room's edges: dtypes, packing, backends, streams. */
#include "tm_kernels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct tm_backend *b;
static struct tm_stream *s;

static int setup(void **state)
{
    (void)state;
    return tm_backend_cpu(0, &b, NULL) == TM_OK && b->dev.stream_create(b, 0, &s, NULL) == TM_OK
               ? 0
               : -1;
}

static int teardown(void **state)
{
    (void)state;
    b->dev.stream_destroy(s);
    tm_backend_destroy(b);
    return 0;
}

static struct tm_tensor view(float *data, int64_t rows, int64_t cols)
{
    return (struct tm_tensor){data, TM_F32, rows, cols, cols, NULL};
}

static void near(double got, double want)
{
    if (fabs(got - want) > 1e-6 * fmax(1, fabs(want)))
        fail_msg("%.9g is not %.9g", got, want);
}

static struct tm_weight *pack(float *data, int64_t n, int64_t k)
{
    struct tm_tensor t = view(data, n, k);
    struct tm_weight *w = NULL;
    assert_int_equal(b->dev.pack(b, &t, TM_F32, &w, NULL), TM_OK);
    return w;
}

/* gemm of 1 x 1 by the weight 1 is the activation alone. Values from the definitions at 40 digits.
 */
static void activations(void **state)
{
    static const struct {
        enum tm_act act;
        float x;
        double y;
    } cases[] = {
        {TM_ACT_NONE, -3, -3},
        {TM_ACT_RELU, -3, 0},
        {TM_ACT_RELU, 3, 3},
        {TM_ACT_GELU_ERF, 1, 0.84134474606854293},
        {TM_ACT_GELU_ERF, -2, -0.045500263896358417},
        {TM_ACT_GELU_TANH, 1, 0.84119199060827676},
        {TM_ACT_SILU, 1, 0.73105857863000490},
        {TM_ACT_SILU, -1, -0.26894142136999512},
        {TM_ACT_QUICK_GELU, 1, 0.84579576889825960},
        {TM_ACT_TANH, 0.5f, 0.46211715726000976},
    };
    float one = 1, out;
    struct tm_weight *w = pack(&one, 1, 1);
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        float x = cases[i].x;
        struct tm_tensor in = view(&x, 1, 1), to = view(&out, 1, 1);
        struct tm_epilogue e = {.act = cases[i].act};
        assert_int_equal(b->ops.gemm(s, &to, &in, w, &e), TM_OK);
        near(out, cases[i].y);
    }
    b->dev.weight_free(b, w);
}

static void gemm_and_glu(void **state)
{
    float x[] = {1, 2, 3, -1, 0, 1}, wd[] = {1, 0, 2, -1, 1, 1}, bias[] = {10, 20};
    float residual[] = {0.5f, 0.25f, 0, 1}, out[4], half[2];
    struct tm_tensor xt = view(x, 2, 3), o = view(out, 2, 2), r = view(residual, 2, 2);
    struct tm_tensor g = view(half, 2, 1);
    struct tm_weight *w = pack(wd, 2, 3);
    struct tm_epilogue e = {bias, TM_ACT_NONE, &r};
    (void)state;
    assert_int_equal(b->ops.gemm(s, &o, &xt, w, &e), TM_OK);
    near(out[0], 17.5);
    near(out[1], 24.25);
    near(out[2], 11);
    near(out[3], 23);
    assert_int_equal(b->ops.gemm(s, &o, &xt, w, NULL), TM_OK);
    near(out[0], 7);
    assert_int_equal(b->ops.glu(s, &g, &o, TM_ACT_RELU), TM_OK);
    near(half[0], 7 * 4);
    near(half[1], 1 * 2);
    b->dev.weight_free(b, w);
}

static void norms_and_embed(void **state)
{
    float x[] = {1, 2, 3, 4}, y[] = {0, 0, 0, 0}, out[4], sum[4];
    float weight[] = {1, 1, 2, 1}, bias[] = {0, 0, 0, 5};
    struct tm_tensor xt = view(x, 1, 4), yt = view(y, 1, 4), o = view(out, 1, 4);
    struct tm_tensor st = view(sum, 1, 4);
    struct tm_norm layer = {TM_NORM_LAYER, weight, bias, 0}, rms = {TM_NORM_RMS, weight, bias, 0};
    (void)state;
    assert_int_equal(b->ops.add_norm(s, &o, &st, &xt, &yt, &layer), TM_OK);
    near(out[0], -1.5 / sqrt(1.25));
    near(out[2], 2 * 0.5 / sqrt(1.25));
    near(out[3], 1.5 / sqrt(1.25) + 5);
    near(sum[3], 4);
    assert_int_equal(b->ops.add_norm(s, &o, NULL, &xt, NULL, &rms), TM_OK);
    near(out[0], 1 / sqrt(7.5));
    near(out[3], 4 / sqrt(7.5)); /* RMS has no bias */

    float word[] = {1, 2, 3, 4}, place[] = {10, 20, 30, 40};
    int32_t ids[] = {1, 0}, at[] = {0, 1};
    struct tm_tensor wt = view(word, 2, 2), pt = view(place, 2, 2), eo = view(out, 2, 2);
    struct tm_embed_args args = {ids, at, NULL, &wt, &pt, &pt, 2, NULL};
    assert_int_equal(b->ops.embed(s, &eo, &args), TM_OK);
    near(out[0], 2 * 3 + 10 + 10); /* no types: row 0 of that table */
    near(out[3], 2 * 2 + 40 + 20);
}

static void rope(void **state)
{
    float q[] = {1, 2, 3, 4, 9}, cos[] = {1, 1, 0, 0}, sin[] = {0, 0, 1, 1};
    struct tm_tensor t = view(q, 1, 5);
    int32_t at = 0;
    struct tm_rope r = {cos, sin, 4};
    struct tm_qk_args args = {.heads = 1, .kv_heads = 1, .head_dim = 5, .positions = &at};
    (void)state;
    args.rope = &r;
    assert_int_equal(b->ops.qk_prep(s, &t, NULL, NULL, &args), TM_OK);
    near(q[0], 1);
    at = 1; /* a quarter turn: (a, b) becomes (-b, a) */
    assert_int_equal(b->ops.qk_prep(s, &t, NULL, NULL, &args), TM_OK);
    near(q[0], -3);
    near(q[1], -4);
    near(q[2], 1);
    near(q[3], 2);
    near(q[4], 9); /* past dims */
}

/* One head of one dimension: weights are softmax of what the case says, values 1, 2, 4. */
static void attend(const struct tm_attn_args *args, float *out)
{
    float q[] = {1, 1, 1}, k[] = {0, 0, 0}, v[] = {1, 2, 4};
    static const int32_t starts[] = {0, 3};
    struct tm_tensor qt = view(q, 3, 1), kt = view(k, 3, 1), vt = view(v, 3, 1);
    struct tm_tensor o = view(out, 3, 1);
    assert_int_equal(b->ops.attn_varlen(s, &o, &qt, &kt, &vt, starts, 1, args), TM_OK);
}

static void attention(void **state)
{
    float out[3], table[] = {0, 1}, pos[] = {5, 0, 1};
    int32_t bucket[] = {0, 0, 1}; /* the key to the right, and beyond, gets 1 */
    uint8_t global[] = {0, 0, 1};
    struct tm_attn_args a = {.heads = 1, .kv_heads = 1, .head_dim = 1, .scale = 2};
    const double e = exp(1), f = exp(2), t = exp(10);
    (void)state;
    attend(&a, out);
    near(out[0], 7.0 / 3);
    a.causal = true;
    attend(&a, out);
    near(out[0], 1);
    near(out[1], 1.5);
    a.causal = false;
    a.window = 1;
    attend(&a, out);
    near(out[0], 1.5);
    near(out[2], 3);
    a.global = global; /* 2 sees and is seen by all */
    attend(&a, out);
    near(out[0], 7.0 / 3);
    near(out[2], 7.0 / 3);
    a.window = 0;
    a.bias.kind = TM_BIAS_T5;
    a.bias.table = table;
    a.bias.bucket = bucket;
    a.bias.reach = 1;
    attend(&a, out);
    near(out[0], (1 + 2 * e + 4 * e) / (1 + 2 * e));
    near(out[1], (1 + 2 + 4 * e) / (2 + e));
    a.bias.kind = TM_BIAS_RELATIVE_KEY; /* 2 * (q . pos[i - j + 1]): left neighbours get 2 */
    struct tm_tensor p = view(pos, 3, 1);
    a.bias.pos_k = &p;
    attend(&a, out);
    near(out[2], (f * 1 + f * 2 + 4) / (2 * f + 1));
    near(out[0], (1 + t * 2 + t * 4) / (1 + 2 * t)); /* right neighbours: 5 */
    a.bias.kind = TM_BIAS_DEBERTA; /* the same by way of buckets, then against the keys */
    int32_t rows[] = {2, 1, 0};
    float turned[] = {1, 0, 5};
    struct tm_tensor u = view(turned, 3, 1);
    a.bias.pos_k = &u;
    a.bias.bucket = rows;
    attend(&a, out);
    near(out[2], (f * 1 + f * 2 + 4) / (2 * f + 1));
    near(out[0], (1 + t * 2 + t * 4) / (1 + 2 * t));
    a.bias.pos_k = NULL;
    a.bias.pos_q = &u;
    attend(&a, out);
    near(out[2], 7.0 / 3); /* the keys are zero */
    a.softcap = 1e-9f;     /* every score the same */
    attend(&a, out);
    near(out[0], 7.0 / 3);
}

static void pooling(void **state)
{
    float x[] = {3, 0, 1, 4, 5, -6}, out[2];
    static const double want[][2] = {
        {3, 0}, {3, -2.0 / 3}, {5, 4}, {5.196152423, -1.154700538}, {5, -6}};
    int32_t starts[] = {0, 3};
    uint8_t skip[] = {1, 0, 0}, all[] = {1, 1, 1};
    struct tm_tensor xt = view(x, 3, 2), o = view(out, 1, 2);
    (void)state;
    for (int kind = TM_POOL_FIRST; kind <= TM_POOL_LAST; kind++) {
        struct tm_pool_args args = {.kind = kind, .starts = starts, .n = 1};
        assert_int_equal(b->ops.pool_classify(s, &o, &xt, &args), TM_OK);
        near(out[0], want[kind][0]);
        near(out[1], want[kind][1]);
    }
    struct tm_pool_args args = {
        .kind = TM_POOL_MEAN, .starts = starts, .n = 1, .skip = skip, .normalize = true};
    assert_int_equal(b->ops.pool_classify(s, &o, &xt, &args), TM_OK);
    near(out[0], 3 / sqrt(10)); /* (1 + 5, 4 - 6) / 2, then length 1 */
    near(out[1], -1 / sqrt(10));
    args.skip = all;
    assert_int_equal(b->ops.pool_classify(s, &o, &xt, &args), TM_OK);
    near(out[0], 0);
}

static void dtypes(void **state)
{
    static const struct {
        float x;
        uint16_t bf16, f16;
    } cases[] = {
        {1, 0x3f80, 0x3c00},        {-2.5f, 0xc020, 0xc100},       {65504, 0x4780, 0x7bff},
        {65520, 0x4780, 0x7c00},    {0x1p-24f, 0x3380, 0x0001},    {0x1p-25f, 0x3300, 0x0000},
        {0x3p-25f, 0x33c0, 0x0002}, {1.00390625f, 0x3f80, 0x3c04}, {1.01171875f, 0x3f82, 0x3c0c},
        {-0.0f, 0x8000, 0x8000},
    };
    (void)state;
    for (int t = 0; t < TM_DTYPE_COUNT; t++) {
        assert_non_null(tm_dtype_name((enum tm_dtype)t));
        assert_true(tm_dtype_size((enum tm_dtype)t) > 0);
    }
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        float x = cases[i].x;
        uint16_t h;
        struct tm_tensor in = view(&x, 1, 1), to = {&h, TM_BF16, 1, 1, 1, NULL};
        assert_int_equal(b->ops.convert(s, &to, &in), TM_OK);
        assert_int_equal(h, cases[i].bf16);
        to.dtype = TM_F16;
        assert_int_equal(b->ops.convert(s, &to, &in), TM_OK);
        assert_int_equal(h, cases[i].f16);
    }
    for (int t = TM_BF16; t <= TM_F16; t++) { /* every number of 16 bits comes back */
        for (uint32_t i = 0; i < 0x10000; i++) {
            uint16_t h = (uint16_t)i, back;
            float x;
            struct tm_tensor half = {&h, (enum tm_dtype)t, 1, 1, 1, NULL};
            struct tm_tensor full = view(&x, 1, 1), again = {&back, half.dtype, 1, 1, 1, NULL};
            assert_int_equal(b->ops.convert(s, &full, &half), TM_OK);
            assert_int_equal(b->ops.convert(s, &again, &full), TM_OK);
            assert_true(back == h || isnan(x));
        }
    }
}

static void quantizing(void **state)
{
    float x[] = {-2, 1, 0.5f, 0, 0, 0}, scale[2], back[6];
    int8_t q[6];
    uint8_t f[6];
    struct tm_tensor xt = view(x, 2, 3), qt = {q, TM_I8, 2, 3, 3, scale};
    struct tm_tensor ft = {f, TM_F8E4M3, 2, 3, 3, scale}, bt = view(back, 2, 3);
    (void)state;
    assert_int_equal(b->ops.quantize_rows(s, &qt, scale, &xt), TM_OK);
    near(scale[0], 2.0 / 127);
    assert_int_equal(q[0], -127);
    assert_int_equal(q[1], 64); /* 63.5 to even */
    assert_int_equal(q[2], 32); /* 31.75 */
    assert_int_equal(q[3], 0);
    assert_int_equal(b->ops.convert(s, &bt, &qt), TM_OK);
    near(back[0], -2);
    near(back[3], 0);
    assert_int_equal(b->ops.quantize_rows(s, &ft, scale, &xt), TM_OK);
    assert_int_equal(f[0], 0xfe); /* -448, the largest */
    assert_int_equal(f[1], 0x76); /* 224 = 1.75 * 2^7 */
    assert_int_equal(b->ops.convert(s, &bt, &ft), TM_OK);
    near(back[0], -2);
    near(back[1], 1);
    near(back[2], 0.5);
    assert_int_equal(b->ops.convert(s, &qt, &xt), TM_UNSUPPORTED); /* that is quantize_rows */
}

static void backends(void **state)
{
    struct tm_err err = {0};
    struct tm_backend *other = NULL;
    struct tm_weight *w = NULL;
    float one = 1;
    struct tm_tensor t = view(&one, 1, 1);
    (void)state;
    assert_int_equal(tm_backend_cpu(UINT32_MAX, &other, &err),
                     TM_OK); /* never more than is there */
    assert_non_null(strstr(other->ops.gemm_variant, tm_isa_name(tm_cpu_isa())));
    tm_backend_destroy(other);
    assert_string_equal(b->ops.gemm_variant, "ref");
    assert_int_equal(b->dev.pack(b, &t, TM_F16, &w, &err), TM_UNSUPPORTED);
    assert_int_equal(err.status, TM_UNSUPPORTED);
    void *p = b->dev.alloc(b, 5 << 20);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_int_equal(b->dev.copy_in(s, p, &one, sizeof one), TM_OK);
    assert_int_equal(b->dev.copy_out(s, &one, p, sizeof one), TM_OK);
    b->dev.free(b, p);
    assert_null(b->dev.alloc(b, SIZE_MAX));
    b->dev.weight_free(b, NULL);
    tm_backend_destroy(NULL);
    err = (struct tm_err){0};
    other = NULL;
    if (tm_backend_blas(&other, &err) == TM_OK) {
        assert_non_null(strstr(other->ops.gemm_variant, "blas"));
        tm_backend_destroy(other);
    } else {
        assert_int_equal(err.status, TM_UNSUPPORTED);
        assert_true(strlen(err.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activations),     cmocka_unit_test(gemm_and_glu),
        cmocka_unit_test(norms_and_embed), cmocka_unit_test(rope),
        cmocka_unit_test(attention),       cmocka_unit_test(pooling),
        cmocka_unit_test(dtypes),          cmocka_unit_test(quantizing),
        cmocka_unit_test(backends),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
