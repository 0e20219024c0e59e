/* The CPU backend: memory, streams and the table of variants. Streams are scratch only; copies
 * happen at once. Nothing here runs per operation. */
#include "../kern.h"
#include "../ref/ref.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { ALIGN = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };

static size_t round_up(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

void *kern_scratch(struct tm_stream *s, size_t bytes)
{
    size_t need = round_up(bytes);
    tm_assert(need <= s->size - s->used);
    void *p = s->scratch + s->used;
    s->used += need;
    return p;
}

static void *cpu_alloc(struct tm_backend *b, size_t bytes)
{
    (void)b;
    if (bytes > SIZE_MAX - ALIGN)
        return NULL;
    if (bytes < HUGE_FROM)
        return aligned_alloc(ALIGN, round_up(TM_MAX(bytes, 1)));
    /* Weights are read panel by panel, far apart: with 4 KiB pages the TLB would not hold them. */
    void *p = NULL;
    if (posix_memalign(&p, HUGE_PAGE, round_up(bytes)) != 0)
        return NULL;
    (void)madvise(p, round_up(bytes), MADV_HUGEPAGE);
    return p;
}

static void cpu_free(struct tm_backend *b, void *p)
{
    (void)b;
    free(p);
}

static enum tm_status cpu_copy(struct tm_stream *s, void *dst, const void *src, size_t bytes)
{
    (void)s;
    if (bytes != 0)
        memcpy(dst, src, bytes);
    return TM_OK;
}

static void stream_destroy(struct tm_stream *s)
{
    if (s == NULL)
        return;
    free(s->scratch);
    free(s);
}

static enum tm_status stream_create(struct tm_backend *b, size_t scratch_bytes,
                                    struct tm_stream **ret_stream, struct tm_err *err)
{
    struct tm_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return tm_err_set(err, TM_NOMEM, "stream");
    s->backend = b;
    s->size = scratch_bytes <= SIZE_MAX / 2 ? round_up(scratch_bytes) + KERN_SCRATCH : SIZE_MAX;
    s->scratch = cpu_alloc(b, s->size);
    if (s->scratch == NULL) {
        size_t size = s->size;
        stream_destroy(s);
        return tm_err_set(err, TM_NOMEM, "stream with %zu bytes of scratch", size);
    }
    *ret_stream = s;
    return TM_OK;
}

static enum tm_status stream_sync(struct tm_stream *s)
{
    (void)s;
    return TM_OK;
}

static enum tm_status cpu_gemm(struct tm_stream *stream, struct tm_tensor *out,
                               const struct tm_tensor *x, const struct tm_weight *w,
                               const struct tm_epilogue *epilogue)
{
    const struct kern_cpu *cpu = stream->backend->self;
    return cpu->gemm[w->dtype].run(stream, out, x, w, epilogue);
}

/* One name when all are the same. */
void kern_cpu_name(struct kern_cpu *cpu)
{
    const char *f32 = cpu->gemm[TM_F32].name, *bf16 = cpu->gemm[TM_BF16].name;
    const char *i8 = cpu->gemm[TM_I8].name;
    if (strcmp(f32, bf16) == 0 && strcmp(f32, i8) == 0)
        (void)snprintf(cpu->names, sizeof cpu->names, "%s", f32);
    else
        (void)snprintf(cpu->names, sizeof cpu->names, "float32 %s, bfloat16 %s, int8 %s", f32, bf16,
                       i8);
    cpu->backend.ops.gemm_variant = cpu->names;
}

/* Best last: each set of variants overrides what it has of those before. */
static void choose(struct kern_cpu *cpu, uint32_t mask)
{
    const struct kern_gemm gemm = {ref_gemm, "ref", 0, 1, 1, 0};
    cpu->backend.ops = kern_ref_ops;
    cpu->backend.ops.gemm = cpu_gemm;
    cpu->gemm[TM_F32] = cpu->gemm[TM_BF16] = cpu->gemm[TM_I8] = gemm;
    cpu->epilogue = ref_epilogue;
#ifdef TM_HAVE_X86
    if (mask & TM_ISA_AVX2)
        kern_cpu_init_avx2(cpu);
    if (mask & TM_ISA_AVXVNNI)
        kern_gemm_int8_avxvnni(cpu);
    if (mask & TM_ISA_AVX512)
        kern_cpu_init_avx512(cpu);
    if (mask & TM_ISA_AVX512VNNI)
        kern_gemm_int8_avx512vnni(cpu);
    if (mask & TM_ISA_AVX512BF16)
        kern_gemm_bf16_avx512bf16(cpu);
#elif defined(TM_HAVE_AARCH64)
    if (mask & TM_ISA_NEON)
        kern_cpu_init_neon(cpu);
    if (mask & TM_ISA_DOTPROD)
        kern_gemm_int8_dotprod(cpu);
    if (mask & TM_ISA_I8MM)
        kern_gemm_int8_i8mm(cpu);
    if (mask & TM_ISA_BF16)
        kern_gemm_bf16_bf16(cpu);
#else
    (void)mask;
#endif
    kern_cpu_name(cpu);
}

enum tm_status kern_cpu_create(uint32_t mask, const char *name, struct kern_cpu **ret_cpu,
                               struct tm_err *err)
{
    struct kern_cpu *cpu = calloc(1, sizeof *cpu);
    if (cpu == NULL)
        return tm_err_set(err, TM_NOMEM, "backend");
    choose(cpu, mask & tm_cpu_isa());
    cpu->backend.name = name;
    cpu->backend.self = cpu;
    cpu->backend.dev = (struct tm_device_ops){
        .alloc = cpu_alloc,
        .free = cpu_free,
        .copy_in = cpu_copy,
        .copy_out = cpu_copy,
        .stream_create = stream_create,
        .stream_destroy = stream_destroy,
        .stream_sync = stream_sync,
        .pack = kern_pack,
        .weight_free = kern_weight_free,
        .weight_bytes = kern_weight_bytes,
    };
    *ret_cpu = cpu;
    return TM_OK;
}

enum tm_status tm_backend_cpu(uint32_t mask, struct tm_backend **ret_backend, struct tm_err *err)
{
    struct kern_cpu *cpu = NULL;
    enum tm_status s = kern_cpu_create(mask, "cpu", &cpu, err);
    if (s != TM_OK)
        return s;
    *ret_backend = &cpu->backend;
    return TM_OK;
}

void tm_backend_destroy(struct tm_backend *b)
{
    if (b != NULL && b->dev.destroy != NULL)
        b->dev.destroy(b);
    else if (b != NULL)
        free(b->self);
}
