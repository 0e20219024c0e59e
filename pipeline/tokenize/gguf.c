/* The tokenizer that a GGUF file carries (ggml's docs/gguf.md, keys tokenizer.*): byte-level BPE
 * ("gpt2") as the tokenizer.json that its model was published with, sentencepiece's BPE ("llama")
 * as the model file whose pieces it lists.
 *
 * Called by tm_tokenizer_open on the loading thread, for folders without another tokenizer. */
#include "folder.h"
#include "tm_weights.h"

enum { TEXTS_MOST = 512 << 20, NAME_ROOM = 64 };

struct said {
    struct tm_tokenizer *t;
    struct tm_buf texts;          /* of tokens and merges, one behind the other */
    struct tm_buf tokens, merges; /* struct span */
    struct tm_buf scores, types;  /* float, uint8_t (enum piece_type): by token */
    char model[NAME_ROOM], pre[NAME_ROOM], architecture[NAME_ROOM];
    int64_t ids[TM_SPECIAL_COUNT]; /* -1: not said */
    int8_t add_bos, add_eos, add_space;
    struct str chat_template;
};

struct span {
    size_t at, n;
};

static enum tm_status no_memory(struct tm_err *err)
{
    return tm_err_set(err, TM_NOMEM, "no memory for the GGUF file's tokenizer");
}

/* ---- what the file says ---- */

static bool put_text(struct said *x, struct tm_buf *list, const struct tm_said *v)
{
    struct span span = {x->texts.len, v->len};
    return v->text != NULL && x->texts.len + v->len < TEXTS_MOST &&
           tm_buf_append(&x->texts, v->text, v->len) && tm_buf_append(list, &span, sizeof span);
}

static bool put_name(char out[NAME_ROOM], const struct tm_said *v)
{
    snprintf(out, NAME_ROOM, "%s", v->text != NULL ? v->text : "");
    return true;
}

static bool put_template(struct said *x, const struct tm_said *v)
{
    char *text = tm_arena_strndup(x->t->arena, v->text != NULL ? v->text : "", v->len);
    x->chat_template = (struct str){text, v->len};
    return text != NULL;
}

static bool visit(void *arg, const struct tm_said *v)
{
    static const char prefix[] = "tokenizer.ggml.";
    static const struct {
        const char *key;
        enum tm_special which;
    } ids[] = {{"bos_token_id", TM_SPECIAL_BOS},
               {"eos_token_id", TM_SPECIAL_EOS},
               {"unknown_token_id", TM_SPECIAL_UNK},
               {"padding_token_id", TM_SPECIAL_PAD}};
    struct said *x = arg;
    if (strcmp(v->key, "general.architecture") == 0)
        return put_name(x->architecture, v);
    if (strcmp(v->key, "tokenizer.chat_template") == 0)
        return put_template(x, v);
    if (strncmp(v->key, prefix, sizeof prefix - 1) != 0)
        return true;
    const char *key = v->key + sizeof prefix - 1;
    const float score = (float)v->number;
    const uint8_t type = v->number >= 0 && v->number <= PIECE_BYTE ? (uint8_t)v->number : 0;
    if (strcmp(key, "tokens") == 0)
        return put_text(x, &x->tokens, v);
    if (strcmp(key, "merges") == 0)
        return put_text(x, &x->merges, v);
    if (strcmp(key, "scores") == 0)
        return tm_buf_append(&x->scores, &score, sizeof score);
    if (strcmp(key, "token_type") == 0)
        return tm_buf_append(&x->types, &type, sizeof type);
    if (strcmp(key, "model") == 0 || strcmp(key, "pre") == 0)
        return put_name(key[0] == 'm' ? x->model : x->pre, v);
    if (strcmp(key, "add_bos_token") == 0)
        x->add_bos = v->number != 0;
    else if (strcmp(key, "add_eos_token") == 0)
        x->add_eos = v->number != 0;
    else if (strcmp(key, "add_space_prefix") == 0)
        x->add_space = v->number != 0;
    for (size_t i = 0; i < TM_COUNTOF(ids); i++)
        if (strcmp(key, ids[i].key) == 0)
            x->ids[ids[i].which] = v->number >= 0 && v->number < ID_MOST ? (int64_t)v->number : -1;
    return true;
}

static size_t n_of(const struct tm_buf *spans)
{
    return spans->len / sizeof(struct span);
}

static struct str text_at(const struct said *x, const struct tm_buf *spans, size_t i)
{
    const struct span *s = (const struct span *)(const void *)spans->data + i;
    return (struct str){x->texts.data + s->at, s->n};
}

static uint8_t type_at(const struct said *x, size_t i)
{
    return x->types.len > 0                       ? ((const uint8_t *)x->types.data)[i]
           : (int64_t)i == x->ids[TM_SPECIAL_UNK] ? PIECE_UNKNOWN
                                                  : PIECE_NORMAL;
}

static bool is_added(uint8_t type)
{
    return type == PIECE_CONTROL || type == PIECE_USER_DEFINED;
}

/* Names of special tokens, the chat template: what configuration files do not say already. */
static enum tm_status set_config(struct said *x, struct tm_err *err)
{
    struct tok_config *c = &x->t->config;
    for (int i = 0; i < TM_SPECIAL_COUNT; i++) {
        if (c->specials[i].content.s != NULL || x->ids[i] < 0 ||
            (size_t)x->ids[i] >= n_of(&x->tokens))
            continue;
        struct str text = text_at(x, &x->tokens, (size_t)x->ids[i]);
        const char *copy = tm_arena_strndup(x->t->arena, text.s, text.n);
        if (copy == NULL)
            return no_memory(err);
        c->specials[i] = (struct added_token){.content = {copy, text.n}, .special = true};
    }
    if (c->chat_template.s == NULL && x->chat_template.s != NULL) {
        c->chat_template = x->chat_template;
        c->chat_file = "the GGUF file";
    }
    if (c->family == NULL)
        tok_config_set_family(c, tok_family(NULL, x->architecture));
    return TM_OK;
}

/* ---- byte-level BPE ---- */

#define LETTERS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define REST    " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define SPLIT(numbers)                                                                             \
    "[{\"type\":\"Split\",\"behavior\":\"Isolated\",\"invert\":false,\"pattern\":{\"Regex\":",     \
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|" LETTERS "|" numbers "|" REST
#define BYTES(regex)                                                                               \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_"              \
    "regex\":" regex "}]"

/* Pre-tokenizers by the names that llama.cpp's converter gives them, as Hugging Face's files of the
 * models have them: before the pattern, the pattern, behind it. */
static const struct pre {
    const char *name, *before, *pattern, *after;
    bool nfc, ignore_merges, bos; /* bos: where the file does not say */
} pres[] = {
    {"gpt-2", "[", NULL, BYTES("true"), false, false, false},
    {"", "[", NULL, BYTES("true"), false, false, false}, /* older files */
    {"smollm", "[{\"type\":\"Digits\",\"individual_digits\":true},", NULL, BYTES("true"), false,
     false, false},
    {"llama-bpe", SPLIT("\\p{N}{1,3}"), "}}," BYTES("false"), false, true, true},
    {"qwen2", SPLIT("\\p{N}"), "}}," BYTES("false"), true, false, false},
};

static const struct pre *find_pre(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(pres); i++)
        if (strcmp(pres[i].name, name) == 0)
            return &pres[i];
    return NULL;
}

static void put_json(struct tm_buf *json, struct str text)
{
    tm_buf_json_string(json, text.s, text.n);
}

static void put_added(const struct said *x, struct tm_buf *json)
{
    bool first = true;
    tm_buf_puts(json, "{\"added_tokens\":[");
    for (size_t i = 0; i < n_of(&x->tokens); i++) {
        if (!is_added(type_at(x, i)))
            continue;
        tm_buf_printf(json, "%s{\"id\":%zu,\"content\":", first ? "" : ",", i);
        put_json(json, text_at(x, &x->tokens, i));
        tm_buf_printf(json,
                      ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,"
                      "\"normalized\":false,\"special\":%s}",
                      type_at(x, i) == PIECE_CONTROL ? "true" : "false");
        first = false;
    }
    tm_buf_puts(json, "],");
}

static void put_model(const struct said *x, const struct pre *pre, struct tm_buf *json)
{
    tm_buf_printf(json, "\"model\":{\"type\":\"BPE\",\"ignore_merges\":%s,\"vocab\":{",
                  pre->ignore_merges ? "true" : "false");
    for (size_t i = 0; i < n_of(&x->tokens); i++) {
        tm_buf_puts(json, i > 0 ? "," : "");
        put_json(json, text_at(x, &x->tokens, i));
        tm_buf_printf(json, ":%zu", i);
    }
    tm_buf_puts(json, "},\"merges\":[");
    for (size_t i = 0; i < n_of(&x->merges); i++) {
        tm_buf_puts(json, i > 0 ? "," : "");
        put_json(json, text_at(x, &x->merges, i));
    }
    tm_buf_puts(json, "]}}");
}

static enum tm_status open_bpe(const struct said *x, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf json = {0};
    const struct pre *pre = find_pre(x->pre);
    if (pre == NULL)
        return tm_err_set(err, TM_UNSUPPORTED,
                          "the GGUF file's pre-tokenizer \"%s\" is not known: put the model's "
                          "tokenizer.json beside the file",
                          x->pre);
    put_added(x, &json);
    if (pre->nfc)
        tm_buf_puts(&json, "\"normalizer\":{\"type\":\"NFC\"},");
    tm_buf_printf(&json, "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":%s",
                  pre->before);
    if (pre->pattern != NULL)
        put_json(&json, (struct str){pre->pattern, strlen(pre->pattern)});
    tm_buf_printf(&json,
                  "%s},\"decoder\":{\"type\":\"ByteLevel\",\"add_prefix_space\":true,"
                  "\"trim_offsets\":true,\"use_regex\":true},",
                  pre->after);
    put_model(x, pre, &json);
    if (json.failed)
        return no_memory(err);
    struct tm_tokenizer *t = x->t;
    enum tm_status s =
        tok_parse_tokenizer_json(t, "the GGUF file's tokenizer", json.data, json.len, err);
    t->config.add_bos = x->add_bos >= 0 ? x->add_bos : pre->bos;
    t->config.add_eos = x->add_eos;
    t->frame_of = FRAME_BOS;
    return s;
}

/* ---- sentencepiece ---- */

static enum tm_status put_pieces(const struct said *x, struct spm_file *f, struct tm_err *err)
{
    struct tok_config *c = &x->t->config;
    for (size_t i = 0; i < n_of(&x->tokens); i++) {
        struct spm_piece p = {.text = text_at(x, &x->tokens, i), .type = type_at(x, i)};
        p.score = ((const float *)(const void *)x->scores.data)[i];
        f->byte_fallback = f->byte_fallback || p.type == PIECE_BYTE;
        if (!tok_spm_add(f, &p))
            return f->pieces.failed
                       ? no_memory(err)
                       : tm_err_set(err, TM_BADINPUT, "the GGUF file's token %zu is no piece", i);
        if (!is_added(p.type))
            continue;
        struct added_token a = {.id = (int32_t)i, .special = p.type == PIECE_CONTROL};
        a.content = (struct str){tm_arena_strndup(x->t->arena, p.text.s, p.text.n), p.text.n};
        if (a.content.s == NULL || !tm_buf_append(&c->added, &a, sizeof a))
            return no_memory(err);
    }
    return TM_OK;
}

static enum tm_status open_pieces(struct said *x, struct tm_err *err)
{
    static const char name[] = "the GGUF file's tokenizer";
    TM_CLEANUP(tok_spm_finish) struct spm_file f = {0};
    tok_spm_defaults(&f);
    f.type = SPM_BPE;
    f.remove_spaces = false;
    f.dummy_prefix = x->add_space != 0;
    if (x->scores.len / sizeof(float) != n_of(&x->tokens))
        return tm_err_set(err, TM_BADINPUT, "%s: %zu scores of %zu tokens", name,
                          x->scores.len / sizeof(float), n_of(&x->tokens));
    x->t->config.add_bos = x->add_bos;
    x->t->config.add_eos = x->add_eos;
    enum tm_status s = put_pieces(x, &f, err);
    if (s == TM_OK)
        s = tok_spm_check(name, &f, err);
    return s == TM_OK ? tok_open_pieces(x->t, &f, name, err) : s;
}

/* ---- either ---- */

static enum tm_status open_said(struct said *x, struct tm_err *err)
{
    if (n_of(&x->tokens) == 0)
        return tm_err_set(err, TM_NOTFOUND, "the GGUF file has no tokenizer");
    if (n_of(&x->tokens) > ID_MOST || (x->types.len > 0 && x->types.len != n_of(&x->tokens)))
        return tm_err_set(err, TM_BADINPUT, "the GGUF file's tokenizer: %zu types of %zu tokens",
                          x->types.len, n_of(&x->tokens));
    const bool pieces = strcmp(x->model, "llama") == 0;
    if (pieces && x->ids[TM_SPECIAL_UNK] < 0)
        x->ids[TM_SPECIAL_UNK] = 0;
    enum tm_status s = set_config(x, err);
    if (s != TM_OK)
        return s;
    if (pieces)
        return open_pieces(x, err);
    if (strcmp(x->model, "gpt2") == 0)
        return open_bpe(x, err);
    return tm_err_set(err, TM_UNSUPPORTED,
                      "the GGUF file's tokenizer \"%s\" is not supported: put the model's "
                      "tokenizer.json beside the file",
                      x->model);
}

enum tm_status tok_open_gguf(struct tm_tokenizer *t, const char *folder, struct tm_err *err)
{
    struct said x = {.t = t, .add_bos = -1, .add_eos = -1, .add_space = -1};
    struct tm_err why = {TM_OK};
    for (int i = 0; i < TM_SPECIAL_COUNT; i++)
        x.ids[i] = -1;
    enum tm_status s = tm_weights_said(folder, visit, &x, &why);
    if (s == TM_OK)
        s = open_said(&x, &why);
    struct tm_buf *const all[] = {&x.texts, &x.tokens, &x.merges, &x.scores, &x.types};
    for (size_t i = 0; i < TM_COUNTOF(all); i++) {
        if (all[i]->failed)
            s = no_memory(&why);
        tm_buf_finish(all[i]);
    }
    if (s == TM_CANCELLED) /* visit had enough */
        s = tm_err_set(&why, TM_BADINPUT,
                       "a token or merge of the GGUF file is no text, or all are "
                       "too much of it");
    return s == TM_OK || s == TM_NOTFOUND ? s : tm_err_set(err, s, "%s: %s", folder, why.text);
}
