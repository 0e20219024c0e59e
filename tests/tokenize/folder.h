/* A folder of its own for a test that opens tokenizers it wrote itself. */
#ifndef TESTS_TOKENIZE_FOLDER_H
#define TESTS_TOKENIZE_FOLDER_H

#include "tm_tokenizer.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct folder {
    char path[256];
};

static inline bool folder_make(struct folder *f)
{
    const char *where = getenv("TMPDIR");
    snprintf(f->path, sizeof f->path, "%s/textmill-tokenize-XXXXXX",
             where != NULL ? where : P_tmpdir);
    return mkdtemp(f->path) != NULL;
}

static inline void folder_file(const struct folder *f, const char *name, char out[320])
{
    snprintf(out, 320, "%s/%s", f->path, name);
}

static inline bool folder_write(const struct folder *f, const char *name, const char *text,
                                size_t n)
{
    char path[320];
    folder_file(f, name, path);
    FILE *file = fopen(path, "w");
    if (file == NULL)
        return false;
    bool done = fwrite(text, 1, n, file) == n;
    return fclose(file) == 0 && done;
}

static inline void folder_remove(const struct folder *f)
{
    static const char *const names[] = {
        "tokenizer.json", "vocab.txt", "tokenizer_config.json", "chat_template.jinja", "source.spm",
        "target.spm",     "vocab.yml"};
    char path[320];
    for (size_t i = 0; i < TM_COUNTOF(names); i++) {
        folder_file(f, names[i], path);
        unlink(path);
    }
    rmdir(f->path);
}

#endif
