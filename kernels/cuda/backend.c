/* The CUDA backend: the device, memory, streams with their scratch, graphs, the table of
 * operations. weights.c packs; the .cu files hold the operations.
 *
 * Streams belong to one worker thread each. Everything is allocated when a model or a stream is
 * opened; no operation allocates, so that a step may be captured as a graph. */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* STAGING: pinned bytes of a stream. STAGED_MOST: copies up to this size pass through it, so that
 * the caller may reuse its memory at once and the device's queue is never waited for. */
enum { ALIGN = 256, STAGING = 1 << 20, STAGED_MOST = 64 << 10 };

enum tm_status cuda_failed(struct tm_err *err, const char *what, cudaError_t e)
{
    (void)cudaGetLastError(); /* or the next launch would be blamed for it */
    return tm_err_set(err, e == cudaErrorMemoryAllocation ? TM_NOMEM : TM_DEVICE, "%s: %s", what,
                      cudaGetErrorString(e));
}

static enum tm_status status_of(cudaError_t e)
{
    return e == cudaSuccess ? TM_OK : cuda_failed(NULL, "", e);
}

/* ---- memory ---- */

static void *cuda_alloc(struct tm_backend *b, size_t bytes)
{
    const struct cuda *c = b->self;
    void *p = NULL;
    if (cudaSetDevice(c->device) != cudaSuccess || cudaMalloc(&p, TM_MAX(bytes, 1)) != cudaSuccess)
        p = NULL;
    (void)cudaGetLastError();
    return p;
}

static void cuda_free(struct tm_backend *b, void *p)
{
    (void)b;
    (void)cudaFree(p);
}

static size_t memory_free(struct tm_backend *b)
{
    const struct cuda *c = b->self;
    size_t left = 0, all = 0;
    if (cudaSetDevice(c->device) != cudaSuccess || cudaMemGetInfo(&left, &all) != cudaSuccess)
        left = 0;
    (void)cudaGetLastError();
    return left;
}

/* Room for so many bytes in the staging area, once what lies there has been copied. */
static char *stage(struct cuda_stream *s, size_t bytes)
{
    if (s->staged + bytes > STAGING) {
        if (cudaStreamSynchronize(s->handle) != cudaSuccess)
            return NULL;
        s->staged = 0;
    }
    char *at = s->staging + s->staged;
    s->staged += kern_round_up((int64_t)bytes, 16);
    return at;
}

static enum tm_status copy_in(struct tm_stream *stream, void *dst, const void *host, size_t bytes)
{
    struct cuda_stream *s = (struct cuda_stream *)stream;
    if (bytes == 0)
        return TM_OK;
    if (bytes <= STAGED_MOST) {
        char *at = stage(s, bytes);
        if (at == NULL)
            return status_of(cudaErrorIllegalAddress);
        memcpy(at, host, bytes);
        host = at;
    } /* else the runtime has read the caller's memory when it returns, as that is not pinned */
    return status_of(cudaMemcpyAsync(dst, host, bytes, cudaMemcpyHostToDevice, s->handle));
}

static enum tm_status copy_out(struct tm_stream *stream, void *host, const void *src, size_t bytes)
{
    if (bytes == 0)
        return TM_OK;
    return status_of(
        cudaMemcpyAsync(host, src, bytes, cudaMemcpyDeviceToHost, cuda_handle(stream)));
}

/* ---- streams ---- */

static void stream_destroy(struct tm_stream *stream)
{
    struct cuda_stream *s = (struct cuda_stream *)stream;
    if (s == NULL)
        return;
    (void)cudaFree(s->base.scratch);
    if (s->staging != NULL)
        (void)cudaFreeHost(s->staging);
    if (s->handle != NULL)
        (void)cudaStreamDestroy(s->handle);
    free(s);
}

static enum tm_status stream_create(struct tm_backend *b, size_t scratch_bytes,
                                    struct tm_stream **ret_stream, struct tm_err *err)
{
    const struct cuda *c = b->self;
    struct cuda_stream *s = calloc(1, sizeof *s);
    void *scratch = NULL, *staging = NULL;
    if (s == NULL)
        return tm_err_set(err, TM_NOMEM, "stream");
    s->base.backend = b;
    s->base.size = kern_round_up((int64_t)scratch_bytes, ALIGN) + c->scratch;
    cudaError_t e = cudaSetDevice(c->device);
    if (e == cudaSuccess)
        e = cudaStreamCreateWithFlags(&s->handle, cudaStreamNonBlocking);
    if (e == cudaSuccess)
        e = cudaMalloc(&scratch, s->base.size);
    if (e == cudaSuccess)
        e = cudaMallocHost(&staging, STAGING);
    s->base.scratch = scratch;
    s->staging = staging;
    if (e != cudaSuccess) {
        size_t size = s->base.size;
        char what[64];
        stream_destroy(&s->base);
        (void)snprintf(what, sizeof what, "stream with %zu bytes of scratch", size);
        return cuda_failed(err, what, e);
    }
    *ret_stream = &s->base;
    return TM_OK;
}

/* Where a kernel's own errors come out. They are sticky: the context is lost. */
static enum tm_status stream_sync(struct tm_stream *stream)
{
    struct cuda_stream *s = (struct cuda_stream *)stream;
    s->staged = 0;
    return status_of(cudaStreamSynchronize(s->handle));
}

/* ---- events and graphs ---- */

static enum tm_status event_record(struct tm_stream *s, void **event)
{
    cudaEvent_t e = *event;
    if (e == NULL && cudaEventCreateWithFlags(&e, cudaEventDisableTiming) != cudaSuccess)
        return status_of(cudaGetLastError());
    *event = e;
    return status_of(cudaEventRecord(e, cuda_handle(s)));
}

static enum tm_status event_wait(struct tm_stream *s, void *event)
{
    return status_of(cudaStreamWaitEvent(cuda_handle(s), event, 0));
}

static enum tm_status graph_begin(struct tm_stream *s)
{
    return status_of(cudaStreamBeginCapture(cuda_handle(s), cudaStreamCaptureModeThreadLocal));
}

static enum tm_status graph_end(struct tm_stream *s, void **ret_graph)
{
    cudaGraph_t graph = NULL;
    cudaGraphExec_t exec = NULL;
    cudaError_t e = cudaStreamEndCapture(cuda_handle(s), &graph);
    if (e == cudaSuccess)
        e = cudaGraphInstantiate(&exec, graph, 0);
    if (graph != NULL)
        (void)cudaGraphDestroy(graph);
    if (e == cudaSuccess)
        *ret_graph = exec;
    return status_of(e);
}

static enum tm_status graph_launch(struct tm_stream *s, void *graph)
{
    return status_of(cudaGraphLaunch(graph, cuda_handle(s)));
}

static void event_free(struct tm_backend *b, void *event)
{
    (void)b;
    if (event != NULL)
        (void)cudaEventDestroy(event);
}

static void graph_free(struct tm_backend *b, void *graph)
{
    (void)b;
    if (graph != NULL)
        (void)cudaGraphExecDestroy(graph);
}

/* ---- the backend ---- */

static const struct tm_ops cuda_ops = {
#define X(op) .op = cuda_##op, .op##_variant = "cuda",
    TM_OPS(X)
#undef X
};

/* What the driver says, in words for a person who expected a GPU. */
static enum tm_status find_device(struct cuda *c, struct tm_err *err)
{
    int count = 0, driver = 0, runtime = 0, major = 0, minor = 0;
    cudaError_t e = cudaGetDeviceCount(&count);
    (void)cudaDriverGetVersion(&driver);
    (void)cudaRuntimeGetVersion(&runtime);
    (void)cudaGetLastError();
    if (e != cudaSuccess && driver == 0)
        return tm_err_set(err, TM_UNSUPPORTED, "no NVIDIA driver is installed");
    if (e == cudaErrorInsufficientDriver)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "the NVIDIA driver is for CUDA %d.%d, this needs %d.%d or newer",
                          driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    if (e != cudaSuccess || count == 0)
        return tm_err_set(err, TM_UNSUPPORTED, "no NVIDIA GPU: %s", cudaGetErrorString(e));
    if (c->device >= count)
        return tm_err_set(err, TM_UNSUPPORTED, "no GPU %d, there are %d", c->device, count);
    e = cudaSetDevice(c->device);
    if (e == cudaSuccess)
        e = cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, c->device);
    if (e == cudaSuccess)
        e = cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, c->device);
    if (e == cudaSuccess)
        e = cudaDeviceGetAttribute(&c->processors, cudaDevAttrMultiProcessorCount, c->device);
    if (e != cudaSuccess)
        return cuda_failed(err, "GPU", e);
    c->capability = major * 10 + minor;
    if (major < 8)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "GPU %d has compute capability %d.%d, this needs 8.0", c->device, major,
                          minor);
    return TM_OK;
}

enum tm_status cuda_create(int device, size_t scratch, struct tm_backend **ret_backend,
                           struct tm_err *err)
{
    struct cuda *c = calloc(1, sizeof *c);
    if (c == NULL)
        return tm_err_set(err, TM_NOMEM, "backend");
    c->device = device;
    c->scratch = scratch;
    enum tm_status s = find_device(c, err);
    if (s != TM_OK) {
        free(c);
        return s;
    }
    c->backend = (struct tm_backend){
        .name = "cuda",
        .ops = cuda_ops,
        .dev =
            {
                .alloc = cuda_alloc,
                .free = cuda_free,
                .copy_in = copy_in,
                .copy_out = copy_out,
                .stream_create = stream_create,
                .stream_destroy = stream_destroy,
                .stream_sync = stream_sync,
                .memory_free = memory_free,
                .event_record = event_record,
                .event_wait = event_wait,
                .event_free = event_free,
                .graph_begin = graph_begin,
                .graph_end = graph_end,
                .graph_launch = graph_launch,
                .graph_free = graph_free,
                .pack = cuda_pack,
                .weight_free = cuda_weight_free,
                .weight_bytes = kern_weight_bytes,
            },
        .self = c,
    };
    c->backend.ops.gemm_variant = "float32 fma, bfloat16 bf16 mma, int8 mma";
    *ret_backend = &c->backend;
    return TM_OK;
}

enum tm_status tm_backend_cuda(int device, struct tm_backend **ret_backend, struct tm_err *err)
{
    return cuda_create(device, CUDA_SCRATCH, ret_backend, err);
}
