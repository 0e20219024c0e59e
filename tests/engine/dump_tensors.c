/* dump_tensors FOLDER [STEM]: prints the tensors of a folder, one JSON line each with the bits of
 * its values, or the status and message; with --config instead of a stem the configuration that the
 * weights carry. For weights.py. With the engine's private headers. */
#include "tensors.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Read in two parts that meet somewhere inside, since readers ask for parts. */
static enum tm_status read_all(const struct tensor_set *set, const struct tensor *t, float *out,
                               struct tm_err *err)
{
    int64_t n = tensor_elements(t), first = n * 3 / 7;
    enum tm_status s = tensors_read(set, t, 0, first, out, err);
    return s == TM_OK ? tensors_read(set, t, first, n - first, out + first, err) : s;
}

static void print(const struct tensor_set *set, const struct tensor *t)
{
    struct tm_err err = {TM_OK};
    size_t n = (size_t)tensor_elements(t);
    float *values = malloc((n + 1) * sizeof *values);
    tm_assert(values != NULL);
    printf("{\"name\":\"%s\",\"dtype\":\"%s\",\"file\":\"%s\",\"format\":\"%s\",\"shape\":[",
           t->name, t->dtype, tensors_file(set, t), tensors_format(set));
    for (int32_t i = 0; i < t->rank; i++)
        printf("%s%" PRId64, i > 0 ? "," : "", t->shape[i]);
    if (read_all(set, t, values, &err) != TM_OK) {
        printf("],\"error\":\"%s\"}\n", err.text);
    } else {
        printf("],\"bits\":\"");
        for (size_t i = 0; i < n; i++) {
            uint32_t bits;
            memcpy(&bits, &values[i], sizeof bits);
            printf("%08" PRIx32, bits);
        }
        printf("\"}\n");
    }
    free(values);
}

static int print_config(const char *folder)
{
    struct tm_err err = {TM_OK};
    TM_CLEANUP(tm_buf_finish) struct tm_buf json = {0};
    enum tm_status s = tensors_config(folder, &json, &err);
    if (s == TM_OK)
        printf("%s\n", json.data);
    else
        printf("%s %s\n", tm_status_code(s), err.text);
    return s != TM_OK;
}

int main(int argc, char **argv)
{
    struct tm_err err = {TM_OK};
    struct tensor_set *set = NULL;
    if (argc < 2)
        return 64;
    if (argc > 2 && strcmp(argv[2], "--config") == 0)
        return print_config(argv[1]);
    enum tm_status s = tensors_open(argv[1], argc > 2 ? argv[2] : "model", &set, &err);
    tm_assert(s == err.status); /* the message belongs to what is returned */
    if (s != TM_OK)
        printf("%s %s\n", tm_status_code(s), err.text);
    for (size_t i = 0; s == TM_OK && i < tensors_count(set); i++)
        print(set, tensors_at(set, i));
    tensors_close(set);
    return s != TM_OK;
}
