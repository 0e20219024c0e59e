/* Status names and the error struct (tm_err.h). */
#include "tm_err.h"
