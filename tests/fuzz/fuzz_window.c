/* Fuzz target: the file of the window of de-duplication, as an earlier life, or a disk, left it.
 * What could be read is looked up again. With dedup's private headers. */
#include "scratch.h"
#include "window_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct window *w = window_create(16);
    struct window_file *f = NULL;
    double similarity;
    scratch_write("fuzz.window", data, size);
    if (w != NULL && window_file_open(scratch_folder(), "fuzz", w, &f, NULL) == TM_OK)
        for (uint64_t i = window_oldest(w); i < window_next(w); i++)
            tm_assert(window_find(w, &window_at(w, i)->signature, 0.5, &similarity) != 0);
    window_file_close(f);
    window_destroy(w);
    return 0;
}
