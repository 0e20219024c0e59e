/* Folders without tokenizer.json: vocab.json with merges.txt, sentencepiece models, and those with
 * vocab.json (Marian, M2M100). What is made is what transformers' classes for such folders make.
 *
 * Called by tm_tokenizer_open on the loading thread, after the configuration has been read. */
#include "folder.h"
#include <unistd.h>

enum { FILE_MOST = 128 << 20, FAIRSEQ_FIRST = 3, CAMEMBERT_OFFSET = 4, PEGASUS_OFFSET = 103 };

static const char *const camembert[] = {"<s>NOTUSED", "<pad>", "</s>NOTUSED", "<unk>",
                                        "<unk>NOTUSED"};

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for the vocabulary");
}

static int32_t find(const struct tm_tokenizer *t, enum tm_special which)
{
    const struct str *text = &t->config.specials[which].content;
    return text->s != NULL ? trie_find(&t->model.vocab.trie, text->s, text->n) : -1;
}

/* ---- added tokens ---- */

/* One that is there keeps its id and rules, and is special if any of those that name it says so. */
static bool put_added(struct tm_buf *list, const struct added_token *a)
{
    struct added_token *have = (void *)list->data;
    for (size_t i = 0; i < list->len / sizeof *have; i++) {
        if (have[i].content.n == a->content.n &&
            memcmp(have[i].content.s, a->content.s, a->content.n) == 0) {
            have[i].special = have[i].special || a->special;
            return true;
        }
    }
    return a->content.n == 0 || tm_buf_append(list, a, sizeof *a);
}

static bool put_text(struct tm_tokenizer *t, struct tm_buf *list, const char *text, bool strip)
{
    char *copy = tm_arena_strdup(t->arena, text);
    struct added_token a = {.id = -1, .special = true, .lstrip = strip, .rstrip = strip};
    a.content = (struct str){copy, strlen(text)};
    return copy != NULL && put_added(list, &a);
}

/* Special tokens are added tokens too, so that they are found in a text. Languages and others that
 * the vocabulary does not have come after it, in order. */
static enum tm_status set_added(struct tm_tokenizer *t, struct tm_err *err)
{
    struct tok_config *c = &t->config;
    TM_CLEANUP(tm_buf_finish) struct tm_buf list = {0};
    const struct added_token *added = (const void *)c->added.data;
    const struct str *extra = (const void *)c->extra.data;
    bool ok = true;
    for (size_t i = 0; i < c->added.len / sizeof *added && ok; i++)
        ok = put_added(&list, &added[i]);
    for (int i = 0; i < TM_SPECIAL_COUNT && ok; i++) {
        struct added_token a = c->specials[i];
        a.id = -1;
        ok = a.content.s == NULL || put_added(&list, &a);
    }
    char name[32];
    bool is_camembert = c->family != NULL && c->family->ids == IDS_CAMEMBERT;
    for (size_t i = 0; is_camembert && i < TM_COUNTOF(camembert) && ok; i++)
        ok = put_text(t, &list, camembert[i], false);
    bool extra_ids = c->family != NULL && c->family->ids == IDS_T5;
    for (uint64_t i = c->extra_ids; extra_ids && i > 0 && ok && i <= 1000; i--) {
        snprintf(name, sizeof name, "<extra_id_%u>", (unsigned)i - 1);
        ok = put_text(t, &list, name, true);
    }
    for (size_t i = 0; i < c->extra.len / sizeof *extra && ok; i++)
        ok = put_text(t, &list, extra[i].s, false);
    const char *language;
    for (size_t i = 0; ok && (language = tm_tokenizer_language(t, i)) != NULL; i++) {
        tok_language_token(t, language, name, sizeof name);
        ok = put_text(t, &list, name, false);
    }
    t->n_added = list.len / sizeof *t->added;
    t->added = tm_arena_array(t->arena, t->n_added + 1, sizeof *t->added);
    if (!ok || t->added == NULL)
        return no_memory(err);
    if (list.len > 0)
        memcpy(t->added, list.data, list.len);
    t->ids_given = true;
    return TM_OK;
}

/* ---- frames ---- */

static void put(struct post_template *p, enum item_kind kind, int32_t id, uint8_t type)
{
    if (kind != ITEM_SPECIAL || id >= 0)
        p->items[p->n++] = (struct post_item){kind, id, type};
}

/* Ids of added tokens are known by now. */
void tok_set_frame(struct tm_tokenizer *t, enum frame frame)
{
    int32_t cls = tm_tokenizer_special_id(t, TM_SPECIAL_CLS);
    int32_t sep = tm_tokenizer_special_id(t, TM_SPECIAL_SEP);
    int32_t bos = tm_tokenizer_special_id(t, TM_SPECIAL_BOS);
    int32_t eos = tm_tokenizer_special_id(t, TM_SPECIAL_EOS);
    int32_t lang = tm_tokenizer_language_id(t, t->config.src_lang.s);
    bool add_bos = t->config.add_bos != 0, add_eos = t->config.add_eos == 1;
    struct { /* before A, between A and B, after */
        int32_t before, between[2], after[2];
    } ids[] = {
        [FRAME_NONE] = {-1, {-1, -1}, {-1, -1}},
        [FRAME_BERT] = {cls, {sep, -1}, {sep, -1}},
        [FRAME_ROBERTA] = {cls, {sep, sep}, {sep, -1}},
        [FRAME_EOS] = {-1, {-1, -1}, {eos, -1}},
        [FRAME_EOS_EACH] = {-1, {eos, -1}, {eos, -1}},
        [FRAME_BOS] = {add_bos ? bos : -1,
                       {add_eos ? eos : -1, add_bos ? bos : -1},
                       {add_eos ? eos : -1, -1}},
        [FRAME_LANG_FIRST] = {lang, {-1, -1}, {eos, -1}},
        [FRAME_LANG_LAST] = {-1, {-1, -1}, {eos, lang}},
    };
    t->post.present = true;
    for (int pair = 0; pair < 2; pair++) {
        struct post_template *p = pair ? &t->post.pair : &t->post.single;
        uint8_t type = pair && (frame == FRAME_BERT || frame == FRAME_BOS);
        put(p, ITEM_SPECIAL, ids[frame].before, 0);
        put(p, ITEM_A, -1, 0);
        for (int i = 0; i < 2 && pair; i++)
            put(p, ITEM_SPECIAL, ids[frame].between[i], frame == FRAME_BOS && i == 1);
        if (pair)
            put(p, ITEM_B, -1, type);
        for (int i = 0; i < 2; i++)
            put(p, ITEM_SPECIAL, ids[frame].after[i], type);
    }
}

/* ---- vocab.json and merges.txt ---- */

static enum tm_status read_merges(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    enum tm_status s = tok_read_file(path, FILE_MOST, &file, err);
    size_t line = 0;
    if (s == TM_OK)
        s = tok_merges_create(&t->model.merges, err);
    uint32_t rank = 0;
    for (size_t at = 0, n; s == TM_OK && at < file.len; at += n + 1) {
        char *text = file.data + at, *end = memchr(text, '\n', file.len - at);
        n = end != NULL ? (size_t)(end - text) : file.len - at;
        size_t len = n - (n > 0 && text[n - 1] == '\r');
        line++;
        if (len == 0 || (len >= 8 && memcmp(text, "#version", 8) == 0))
            continue;
        char *space = memchr(text, ' ', len);
        if (space == NULL || memchr(space + 1, ' ', len - (size_t)(space + 1 - text)) != NULL)
            return tm_err_set(err, TM_BADINPUT, "%s:%zu: not two tokens", path, line);
        struct str left = {text, (size_t)(space - text)};
        struct str right = {space + 1, len - left.n - 1};
        *space = text[len] = '\0';
        struct tm_err local = {0};
        s = tok_model_add_merge(&t->model, left, right, rank++, &local);
        if (s != TM_OK)
            s = tm_err_set(err, s, "%s:%zu: %s", path, line, local.text);
    }
    return s;
}

static enum tm_status read_vocab(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    enum tm_status s = tok_read_file(path, FILE_MOST, &file, err);
    if (s != TM_OK)
        return s;
    struct reader r = {.t = t};
    tm_json_init(&r.j, path, file.data != NULL ? file.data : "", file.len);
    s = tok_model_read_vocab(&r, &t->model, err);
    tm_json_finish(&r.j);
    return s;
}

enum tm_status tok_open_bpe(struct tm_tokenizer *t, const struct files *f, struct tm_err *err)
{
    const struct family *family = t->config.family;
    enum cut cut = family != NULL && family->cut != CUT_NONE ? family->cut : CUT_GPT2;
    t->model.encode = tok_bpe_encode;
    t->model.kind = "BPE";
    t->model.unk_id = -1;
    enum tm_status s = read_vocab(t, f->vocab_json, err);
    if (s == TM_OK)
        s = read_merges(t, f->merges_txt, err);
    if (s != TM_OK)
        return s;
    tok_model_finish_reading(&t->model);
    if (cut == CUT_QWEN2)
        tok_normalizer_add_nfc(t);
    tok_pre_tokenizer_add_byte_level(t, cut == CUT_QWEN2, t->config.add_prefix_space == 1);
    tok_decoder_add_byte_level(t);
    t->post.trim_offsets = family == NULL || family->frame != FRAME_NONE;
    t->post.add_prefix_space = t->config.add_prefix_space == 1;
    t->frame_of = family != NULL ? family->frame : FRAME_NONE;
    return set_added(t, err);
}

/* ---- sentencepiece ---- */

static bool put_name(struct vocab_builder *b, int32_t *id, const char *name)
{
    return tok_vocab_add(b, name, strlen(name), (*id)++, 0);
}

/* The folder's tokens, by the scheme. */
static bool put_tokens(struct tm_tokenizer *t, const struct spm_file *f, enum ids ids,
                       struct vocab_builder *b)
{
    static const char *const fairseq[] = {"<s>", "<pad>", "</s>", "<unk>"};
    static const char *const pegasus[] = {"<pad>", "</s>", "<mask_1>", "<mask_2>"};
    int32_t id = 0;
    bool ok = true;
    char name[32];
    for (size_t i = 0; ids == IDS_FAIRSEQ && ok && i < TM_COUNTOF(fairseq); i++)
        ok = put_name(b, &id, fairseq[i]);
    for (size_t i = 0; ids == IDS_PEGASUS && ok && i < TM_COUNTOF(pegasus); i++)
        ok = put_name(b, &id, pegasus[i]);
    for (size_t i = 0; ids == IDS_CAMEMBERT && ok && i < TM_COUNTOF(camembert); i++)
        ok = put_name(b, &id, camembert[i]);
    for (unsigned i = 2; ids == IDS_PEGASUS && ok && id < PEGASUS_OFFSET; i++) {
        snprintf(name, sizeof name, "<unk_%u>", i);
        ok = put_name(b, &id, name);
    }
    size_t first = ids == IDS_FAIRSEQ ? FAIRSEQ_FIRST : ids == IDS_CAMEMBERT ? 1 : 0;
    for (size_t i = first; ok && i < spm_n(f); i++) {
        const struct spm_piece *p = &spm_pieces(f)[i];
        ok = tok_vocab_add(b, p->text.s, p->text.n, id++, 0);
    }
    const char *language;
    for (size_t i = 0; ids == IDS_FAIRSEQ && ok && (language = tm_tokenizer_language(t, i)); i++)
        ok = put_name(b, &id, language);
    if (ids == IDS_FAIRSEQ && ok)
        ok = put_name(b, &id, "<mask>");
    return ok;
}

static int32_t unknown_piece(const struct spm_file *f)
{
    int32_t i = 0;
    while (spm_pieces(f)[i].type != PIECE_UNKNOWN)
        i++;
    return i;
}

static enum tm_status build(struct tm_tokenizer *t, const struct spm_file *f, const char *name,
                            enum ids ids, struct tm_err *err)
{
    static const int32_t offsets[] = {[IDS_DIRECT] = 0,
                                      [IDS_T5] = 0,
                                      [IDS_FAIRSEQ] = 1,
                                      [IDS_CAMEMBERT] = CAMEMBERT_OFFSET,
                                      [IDS_PEGASUS] = PEGASUS_OFFSET,
                                      [IDS_VOCAB] = INT32_MIN};
    struct vocab_builder b = {0};
    size_t at = 0;
    enum tm_status s = TM_OK;
    if (ids != IDS_VOCAB) {
        s = put_tokens(t, f, ids, &b)
                ? tok_vocab_build(&b, &t->model.vocab, t->arena, TWICE_FIRST, &at, err)
                : no_memory(err);
        t->model.vocab.n_tokens = t->model.vocab.n_ids;
        bool fixed = ids == IDS_FAIRSEQ || ids == IDS_CAMEMBERT; /* <unk> is the fourth */
        t->model.unk_id = fixed ? FAIRSEQ_FIRST : unknown_piece(f) + offsets[ids];
        tok_vocab_builder_finish(&b);
    } else if ((t->model.unk_id = find(t, TM_SPECIAL_UNK)) < 0) {
        s = tm_err_set(err, TM_MODEL, "the vocabulary beside %s has no unknown token", name);
    }
    if (s == TM_OK)
        s = tok_spm_build(t, f, name, offsets[ids], err);
    if (s == TM_OK)
        tok_model_finish_reading(&t->model);
    return s;
}

static enum tm_status open_spm(struct tm_tokenizer *t, const char *path, enum ids ids,
                               struct tm_err *err)
{
    TM_CLEANUP(tok_spm_finish) struct spm_file f = {0};
    enum tm_status s = tok_spm_read(path, &f, err);
    return s == TM_OK ? build(t, &f, path, ids, err) : s;
}

/* Pieces that a GGUF file holds: their places are the ids. */
enum tm_status tok_open_pieces(struct tm_tokenizer *t, const struct spm_file *f, const char *name,
                               struct tm_err *err)
{
    enum tm_status s = build(t, f, name, IDS_DIRECT, err);
    t->frame_of = FRAME_BOS;
    return s == TM_OK ? set_added(t, err) : s;
}

/* One model for both sides, with or without vocab.json. */
enum tm_status tok_open_spm(struct tm_tokenizer *t, const struct files *f, struct tm_err *err)
{
    const struct family *family = t->config.family;
    enum ids ids = family != NULL && family->ids != IDS_NONE ? family->ids : IDS_DIRECT;
    if (ids == IDS_VOCAB && f->vocab_json == NULL)
        return tm_err_set(err, TM_NOTFOUND, "%s has no vocab.json beside it", f->spm);
    enum tm_status s = ids == IDS_VOCAB ? read_vocab(t, f->vocab_json, err) : TM_OK;
    if (family != NULL && family->frame == FRAME_BERT && t->config.lower == 1)
        tok_normalizer_add_lowercase(t); /* DeBERTa-v2; no other of these classes has the option */
    if (s == TM_OK)
        s = open_spm(t, f->spm, ids, err);
    t->frame_of = family != NULL ? family->frame : FRAME_NONE;
    return s == TM_OK ? set_added(t, err) : s;
}

/* source.spm and target.spm over one vocab.json, or target_vocab.json for the target; or over
 * Marian's own vocab.yml. */
enum tm_status tok_open_marian(struct tm_tokenizer *t, const struct files *f, bool target,
                               struct tm_err *err)
{
    const char *vocab = target && t->config.separate_vocabs && f->target_vocab != NULL
                            ? f->target_vocab
                            : f->vocab_json;
    tok_config_set_family(&t->config, tok_family("MarianTokenizer", NULL));
    enum tm_status s =
        vocab != NULL ? read_vocab(t, vocab, err) : tok_read_vocab_yml(t, f->vocab_yml, err);
    if (s == TM_OK)
        s = open_spm(t, target ? f->target_spm : f->source_spm, IDS_VOCAB, err);
    t->frame_of = FRAME_EOS;
    t->marian = true;
    return s == TM_OK ? set_added(t, err) : s;
}
