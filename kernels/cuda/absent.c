/* Built without CUDA: the backend says so. */
#include "../tm_kernels.h"

enum tm_status tm_backend_cuda(int device, struct tm_backend **ret_backend, struct tm_err *err)
{
    (void)device;
    (void)ret_backend;
    return tm_err_set(err, TM_UNSUPPORTED, "this textmill is built without CUDA");
}
