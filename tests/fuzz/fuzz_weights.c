/* Fuzz target: files of weights in every format but safetensors. The first byte says which; what
 * can be read is read, and the configuration that the file carries is asked for. With the engine's
 * private headers. */
#include "scratch.h"

#include "tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"pytorch_model.bin", "model.gguf", "model.npz"};

static void read_some(const struct tensor_set *set, const struct tensor *t)
{
    float out[300];
    int64_t n = tensor_elements(t), most = TM_MIN(n, (int64_t)TM_COUNTOF(out));
    if (tensors_read(set, t, 0, most, out, NULL) == TM_OK)
        (void)tensors_read(set, t, n - most, most, out, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tensor_set *set = NULL;
    TM_CLEANUP(tm_buf_finish) struct tm_buf json = {0};
    if (size < 1)
        return 0;
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", scratch_folder(), names[i]);
        if (i == data[0] % TM_COUNTOF(names))
            scratch_write(names[i], data + 1, size - 1);
        else
            unlink(path);
    }
    if (tensors_open(scratch_folder(), "model", &set, NULL) != TM_OK)
        return 0;
    for (size_t i = 0; i < tensors_count(set) && i < 64; i++)
        read_some(set, tensors_at(set, i));
    tensors_close(set);
    (void)tensors_config(scratch_folder(), &json, NULL);
    return 0;
}
