/* The process's memory for the GPU: see device_memory.c. */
#ifndef TM_DEVICE_MEMORY_H
#define TM_DEVICE_MEMORY_H

/* Calls main_of_test so that all its memory, constants included, can be used by kernels. 77: cannot
 * be done here. */
int device_memory_run(int (*main_of_test)(int, char **), int argc, char **argv);

#endif
