/* The `blas` variant: the CPU backend with OpenBLAS under gemm, for hosts without a packed kernel,
 * and the oracle of the tests. Its sums depend on the number of rows: not batch-invariant.
 *
 * The library is opened at run time, not linked: OpenBLAS 0.3.21 reads OPENBLAS_CORETYPE while it
 * is being loaded and takes Haswell kernels on AMD cores it does not know, at half the speed, so
 * the variable has to be there first. One the user has set is left alone. */
#include "../kern.h"

#ifdef TM_HAVE_BLAS

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* values of the CBLAS interface */

typedef void sgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                      const float *a, int lda, const float *b, int ldb, float beta, float *c,
                      int ldc);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static sgemm_fn *sgemm; /* NULL: not there */

/* Sets name while *set is true and the user has not; *set says afterwards whether it did. */
static void env_begin(const char *name, const char *value, bool *set)
{
    *set = value != NULL && getenv(name) == NULL && setenv(name, value, 0) == 0;
}

static void env_end(const char *name, bool set)
{
    if (set)
        (void)unsetenv(name);
}

static void load(void)
{
    uint32_t isa = tm_cpu_isa();
    const char *core = isa & TM_ISA_AVX512 ? "SkylakeX" : isa & TM_ISA_AVX2 ? "Haswell" : NULL;
    bool set_core, set_threads;
    env_begin("OPENBLAS_CORETYPE", core, &set_core);
    env_begin("OPENBLAS_NUM_THREADS", "1", &set_threads);
    void *lib = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    env_end("OPENBLAS_NUM_THREADS", set_threads);
    env_end("OPENBLAS_CORETYPE", set_core);
    if (lib == NULL)
        return;
    void *set_num_threads = dlsym(lib, "openblas_set_num_threads");
    if (set_num_threads != NULL)
        ((void (*)(int))set_num_threads)(1); /* one worker a core: see the engine */
    sgemm = (sgemm_fn *)dlsym(lib, "cblas_sgemm");
}

/* Through scratch, since residual may be out. */
static enum tm_status blas_gemm(struct tm_stream *stream, struct tm_tensor *out,
                                const struct tm_tensor *x, const struct tm_weight *w,
                                const struct tm_epilogue *e)
{
    static const struct tm_epilogue none;
    const struct kern_cpu *cpu = stream->backend->self;
    if (e == NULL)
        e = &none;
    const struct tm_tensor *res = e->residual;
    if (x->dtype != TM_F32 || out->dtype != TM_F32 || (res != NULL && res->dtype != TM_F32))
        return TM_UNSUPPORTED;
    int64_t ldr = res != NULL ? res->stride : 0;
    size_t mark = stream->used;
    if (res == NULL && x->rows > 0 && w->n > 0 && w->k > 0) { /* straight into out */
        sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)x->rows, (int)w->n, (int)w->k, 1, x->data,
              (int)x->stride, w->data, (int)w->k, 0, out->data, (int)out->stride);
        cpu->epilogue(out->data, out->stride, out->data, out->stride, x->rows, w->n, e->bias,
                      e->act, NULL, 0);
        return TM_OK;
    }
    int64_t block = TM_MAX(1, TM_MIN(x->rows, (int64_t)KERN_SCRATCH / 2 / 4 / TM_MAX(w->n, 1)));
    float *c = kern_scratch(stream, (size_t)(block * w->n) * sizeof *c);
    for (int64_t r = 0; r < x->rows; r += block) {
        int64_t rows = TM_MIN(block, x->rows - r);
        for (int64_t i = 0; w->k == 0 && i < rows * w->n; i++)
            c[i] = 0;
        if (w->k > 0 && w->n > 0)
            sgemm(ROW_MAJOR, NO_TRANS, TRANS, (int)rows, (int)w->n, (int)w->k, 1, kern_row(x, r),
                  (int)x->stride, w->data, (int)w->k, 0, c, (int)w->n);
        cpu->epilogue(c, w->n, kern_row(out, r), out->stride, rows, w->n, e->bias, e->act,
                      res != NULL ? kern_row(res, r) : NULL, ldr);
    }
    stream->used = mark;
    return TM_OK;
}

enum tm_status tm_backend_blas(struct tm_backend **ret_backend, struct tm_err *err)
{
    struct kern_cpu *cpu = NULL;
    (void)pthread_once(&once, load);
    if (sgemm == NULL)
        return tm_err_set(err, TM_UNSUPPORTED, "libopenblas.so.0 cannot be loaded on this machine");
    enum tm_status s = kern_cpu_create(tm_cpu_isa(), "blas", &cpu, err);
    if (s != TM_OK)
        return s;
    cpu->gemm[TM_F32] = (struct kern_gemm){blas_gemm, "blas", 0, 1, 1, 0}; /* weights stay (N, K) */
    kern_cpu_name(cpu);
    *ret_backend = &cpu->backend;
    return TM_OK;
}

#else

enum tm_status tm_backend_blas(struct tm_backend **ret_backend, struct tm_err *err)
{
    (void)ret_backend;
    return tm_err_set(err, TM_UNSUPPORTED, "built without OpenBLAS (meson -Dblas=enabled)");
}

#endif
