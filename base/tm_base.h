/* The one header of base/: what every room needs and nothing of what textmill is about.
 * libc and pthreads only, so that engine/ builds wherever a compiler is. */
#ifndef TM_BASE_H
#define TM_BASE_H

#include "tm_err.h"
#include "tm_mem.h"
#include "tm_queue.h"
#include "tm_log.h"
#include "tm_json.h"
#include "tm_conf.h"
#ifndef __cplusplus /* its counters are C11 atomics; kernels/cuda/ needs none */
#include "tm_metrics.h"
#endif

#endif
