/* Opening and closing a tokenizer: which of a folder's files it is made of (tm_tokenizer.h).
 *
 * Opened on the loading thread; constant from then on, so that any thread may ask. */
#include "folder.h"
#include "tm_weights.h"
#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

enum { MEMORY_MOST = 1 << 30 };

static void closep(struct tm_tokenizer **t)
{
    tm_tokenizer_close(*t);
}

void tm_tokenizer_close(struct tm_tokenizer *t)
{
    if (t == NULL)
        return;
    tok_trie_finish(&t->model.vocab.trie);
    tok_merges_finish(&t->model.merges);
    tok_spm_free(t->model.spm);
    tm_tokenizer_close(t->target);
    tok_config_finish(&t->config);
    tm_arena_destroy(t->arena);
    free(t);
}

/* The path of a file when it is there. */
static bool look(struct tm_tokenizer *t, const char *folder, const char *name, const char **ret)
{
    char *path = tm_arena_printf(t->arena, "%s/%s", folder, name);
    if (path != NULL && *ret == NULL && access(path, F_OK) == 0)
        *ret = path;
    return path != NULL;
}

/* "vocab.yml" with anything before it, as in OPUS-MT's packages; the first by name. */
static bool look_for_yml(struct tm_tokenizer *t, const char *folder, const char **ret)
{
    static const char end[] = "vocab.yml";
    char name[256] = "";
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return true; /* whoever needs the folder will say so */
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        size_t n = strlen(e->d_name);
        if (n >= sizeof end - 1 && strcmp(e->d_name + n - (sizeof end - 1), end) == 0 &&
            (name[0] == '\0' || strcmp(e->d_name, name) < 0))
            snprintf(name, sizeof name, "%s", e->d_name);
    }
    closedir(dir);
    return name[0] == '\0' || look(t, folder, name, ret);
}

static bool find_files(struct tm_tokenizer *t, const char *folder, struct files *f)
{
    return look_for_yml(t, folder, &f->vocab_yml) &&
           look(t, folder, "tokenizer.json", &f->tokenizer_json) &&
           look(t, folder, "vocab.txt", &f->vocab_txt) &&
           look(t, folder, "vocab.json", &f->vocab_json) &&
           look(t, folder, "merges.txt", &f->merges_txt) &&
           look(t, folder, "spiece.model", &f->spm) &&
           look(t, folder, "sentencepiece.bpe.model", &f->spm) &&
           look(t, folder, "tokenizer.model", &f->spm) && look(t, folder, "spm.model", &f->spm) &&
           look(t, folder, "source.spm", &f->source_spm) &&
           look(t, folder, "target.spm", &f->target_spm) &&
           look(t, folder, "target_vocab.json", &f->target_vocab);
}

static enum tm_status read_folder(struct tm_tokenizer *t, const char *folder, bool target,
                                  struct tm_err *err)
{
    struct files f = {0};
    if (!find_files(t, folder, &f))
        return tm_err_set(err, TM_NOMEM, "no memory for paths");
    /* A Marian folder's own files are the truth; its tokenizer.json has one side only. */
    if (f.source_spm != NULL && f.target_spm != NULL &&
        (f.vocab_json != NULL || f.vocab_yml != NULL))
        return tok_open_marian(t, &f, target, err);
    if (f.tokenizer_json != NULL)
        return tok_read_tokenizer_json(t, f.tokenizer_json, err);
    const char *stranger = tok_stranger(t->config.class_name.s, t->config.model_type.s);
    if (stranger != NULL && (f.spm != NULL || f.vocab_json != NULL || f.vocab_txt != NULL))
        return tm_err_set(err, TM_UNSUPPORTED,
                          "%s: what %.64s does to a text is not known without tokenizer.json; "
                          "transformers writes one: AutoTokenizer.from_pretrained(…, "
                          "use_fast=True).save_pretrained(…)",
                          folder, stranger);
    if (f.spm != NULL)
        return tok_open_spm(t, &f, err);
    if (f.vocab_json != NULL && f.merges_txt != NULL)
        return tok_open_bpe(t, &f, err);
    if (f.vocab_txt != NULL)
        return tok_read_vocab_txt(t, f.vocab_txt, err);
    enum tm_status s = tok_open_gguf(t, folder, err);
    return s != TM_NOTFOUND
               ? s
               : tm_err_set(err, s,
                            "%s has no tokenizer: no tokenizer.json, vocab.txt, vocab.json, "
                            "sentencepiece model or GGUF file",
                            folder);
}

static enum tm_status open_one(const char *folder, bool target, struct tm_tokenizer **ret_tok,
                               struct tm_err *err)
{
    TM_CLEANUP(closep) struct tm_tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL || (t->arena = tm_arena_create(MEMORY_MOST)) == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a tokenizer");
    enum tm_status s = tok_config_read(t, folder, err);
    if (s == TM_OK)
        s = read_folder(t, folder, target, err);
    if (s == TM_OK)
        s = tok_added_tokens_build(t, err);
    if (s == TM_OK && t->frame_of != FRAME_NONE)
        tok_set_frame(t, t->frame_of);
    if (s == TM_OK)
        s = tok_post_processor_build(t, err);
    if (s != TM_OK)
        return s;
    t->bert = tok_encode_bert_fits(t);
    *ret_tok = TM_TAKE(t);
    return TM_OK;
}

enum tm_status tm_tokenizer_open(const char *folder, struct tm_tokenizer **ret_tok,
                                 struct tm_err *err)
{
    TM_CLEANUP(closep) struct tm_tokenizer *t = NULL;
    char own[4096];
    enum tm_status s = tm_weights_folder(folder, own, sizeof own, err);
    if (s == TM_OK)
        s = open_one(own, false, &t, err);
    if (s == TM_OK && t->marian)
        s = open_one(own, true, &t->target, err);
    if (s == TM_OK)
        *ret_tok = TM_TAKE(t);
    return s;
}
