/* The host side of the shim: memory, streams, events and graphs. A stream runs everything at once;
 * while it is captured, launches and copies are kept and run when the graph is. */
#include "shim.h"

#include <stdlib.h>
#include <vector>

int shim_devices = 1;
size_t shim_memory = (size_t)4 << 30, shim_memory_used;
long shim_fail_after = -1, shim_launches, shim_mallocs;
void (*shim_report)(const char *kernel, const char *what);

typedef std::vector<std::function<void()>> steps;
struct CUstream_st {
    bool captured;
    steps kept;
};
struct CUevent_st {
    int unused;
};
struct CUgraph_st {
    steps all;
};
struct CUgraphExec_st {
    steps all;
};

static cudaError_t last, sticky;

static cudaError_t say(cudaError_t e)
{
    if (sticky != cudaSuccess)
        e = sticky;
    if (e != cudaSuccess)
        last = e;
    return e;
}

static void later(cudaStream_t s, std::function<void()> what)
{
    if (s != nullptr && s->captured)
        s->kept.push_back(what);
    else
        what();
}

void shim_launch(cudaStream_t stream, const char *kernel, dim3 grid, dim3 block, size_t shared,
                 std::function<void()> body)
{
    later(stream, [=] {
        shim_launches++;
        if (shim_fail_after >= 0 && shim_fail_after-- == 0)
            sticky = last = cudaErrorIllegalAddress;
        if (sticky == cudaSuccess)
            shim_run(kernel, grid, block, shared, body);
    });
}

const char *cudaGetErrorString(cudaError_t e)
{
    return e == cudaSuccess                   ? "no error"
           : e == cudaErrorMemoryAllocation   ? "out of memory"
           : e == cudaErrorNoDevice           ? "no CUDA-capable device is detected"
           : e == cudaErrorInsufficientDriver ? "CUDA driver version is insufficient"
           : e == cudaErrorIllegalAddress     ? "an illegal memory access was encountered"
                                              : "an error of the shim";
}

cudaError_t cudaPeekAtLastError(void)
{
    return say(last);
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t e = last;
    last = cudaSuccess;
    return sticky != cudaSuccess ? sticky : e;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    *count = shim_devices;
    sticky = last = cudaSuccess; /* a new process would begin like this */
    return shim_devices > 0 ? cudaSuccess : say(cudaErrorInsufficientDriver);
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = shim_devices > 0 ? 13000 : 0;
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    return say(device < shim_devices ? cudaSuccess : cudaErrorInvalidDevice);
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    *value = attribute == cudaDevAttrComputeCapabilityMajor   ? 8
             : attribute == cudaDevAttrMultiProcessorCount    ? 4
             : attribute == cudaDevAttrComputeCapabilityMinor ? 0
                                                              : -1;
    return cudaSetDevice(device);
}

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total)
{
    *free_bytes = shim_memory - shim_memory_used;
    *total = shim_memory;
    return say(cudaSuccess);
}

/* Each block remembers its size in front. */
cudaError_t cudaMalloc(void **p, size_t bytes)
{
    enum { FRONT = 256 };
    const size_t most = 4 << 20;
    if (sticky != cudaSuccess || bytes > shim_memory - shim_memory_used)
        return say(cudaErrorMemoryAllocation);
    char *block = (char *)aligned_alloc(FRONT, (bytes + 2 * FRONT - 1) / FRONT * FRONT);
    if (block == nullptr)
        return say(cudaErrorMemoryAllocation);
    memcpy(block, &bytes, sizeof bytes);
    memset(block + FRONT, 0xff, bytes < most ? bytes : most); /* NaN; not all of a large scratch */
    shim_memory_used += bytes;
    shim_mallocs++;
    *p = block + FRONT;
    return cudaSuccess;
}

cudaError_t cudaFree(void *p)
{
    enum { FRONT = 256 };
    size_t bytes;
    if (p == nullptr)
        return cudaSuccess;
    memcpy(&bytes, (char *)p - FRONT, sizeof bytes);
    shim_memory_used -= bytes;
    free((char *)p - FRONT);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **p, size_t bytes)
{
    *p = malloc(bytes);
    return say(*p != nullptr ? cudaSuccess : cudaErrorMemoryAllocation);
}

cudaError_t cudaFreeHost(void *p)
{
    free(p);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind)
{
    (void)kind;
    if (bytes > 0)
        memcpy(to, from, bytes);
    return say(cudaSuccess);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                            cudaStream_t stream)
{
    (void)kind;
    if (bytes > 0)
        later(stream, [=] { memcpy(to, from, bytes); });
    return say(cudaSuccess);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    if (bytes > 0)
        later(stream, [=] { memset(to, value, bytes); });
    return say(cudaSuccess);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    (void)flags;
    *stream = new CUstream_st{false, {}};
    return say(cudaSuccess);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    delete stream;
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    return say(stream->captured ? cudaErrorStreamCaptureUnsupported : cudaSuccess);
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    (void)stream;
    (void)event;
    (void)flags;
    return say(cudaSuccess);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    (void)flags;
    *event = new CUevent_st{0};
    return say(cudaSuccess);
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    delete event;
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    (void)event;
    (void)stream;
    return say(cudaSuccess);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    (void)event;
    return say(cudaSuccess);
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    stream->captured = true;
    stream->kept.clear();
    return say(cudaSuccess);
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    stream->captured = false;
    *graph = new CUgraph_st{stream->kept};
    stream->kept.clear();
    return say(cudaSuccess);
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    (void)flags;
    *exec = new CUgraphExec_st{graph->all};
    return say(cudaSuccess);
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    delete graph;
    return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    delete exec;
    return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream)
{
    for (const auto &step : exec->all)
        later(stream, step);
    return say(cudaSuccess);
}
