/* Reads what a folder says about its tokenizer (config.h).
 *
 * Called first when a tokenizer is opened. Every file may be missing. What transformers 4 and 5
 * write is read alike; keys that are not known are skipped. */
#include "tokenize.h"
#include <unistd.h>

enum { FILE_MOST = 64 << 20, LIST_MOST = 1 << 20 };

#define AT(member) offsetof(struct tok_config, member)

void tok_config_finish(struct tok_config *c)
{
    tm_buf_finish(&c->added);
    tm_buf_finish(&c->extra);
}

static enum tm_status no_memory(struct reader *r, struct tm_err *err)
{
    return tm_json_fail(&r->j, TM_NOMEM, err, "no memory for the configuration");
}

static const struct field token_fields[] = {
    {"content", FIELD_STR, true, offsetof(struct added_token, content), NULL, NULL},
    {"single_word", FIELD_BOOL, false, offsetof(struct added_token, single_word), NULL, NULL},
    {"lstrip", FIELD_BOOL, false, offsetof(struct added_token, lstrip), NULL, NULL},
    {"rstrip", FIELD_BOOL, false, offsetof(struct added_token, rstrip), NULL, NULL},
    {"normalized", FIELD_BOOL, false, offsetof(struct added_token, normalized), NULL, NULL},
    {"special", FIELD_BOOL, false, offsetof(struct added_token, special), NULL, NULL},
    {0},
};

/* A string, an object or null. */
static enum tm_status read_special(struct reader *r, struct added_token *ret, struct tm_err *err)
{
    struct added_token a = {.special = true};
    bool null, object = false;
    enum tm_status s = tok_read_null(r, &null, err);
    if (s != TM_OK || null)
        return s;
    s = tok_read_is_object(r, &object, err);
    if (s == TM_OK)
        s = object ? tok_read_fields(r, "token", token_fields, &a, err)
                   : tok_read_str(r, &a.content, err);
    a.special = true;
    if (s == TM_OK)
        *ret = a;
    return s;
}

#define SPECIAL(name, which)                                                                       \
    static enum tm_status read_##name(struct reader *r, void *base, struct tm_err *err)            \
    {                                                                                              \
        return read_special(r, &((struct tok_config *)base)->specials[which], err);                \
    }
SPECIAL(bos, TM_SPECIAL_BOS)
SPECIAL(eos, TM_SPECIAL_EOS)
SPECIAL(unk, TM_SPECIAL_UNK)
SPECIAL(sep, TM_SPECIAL_SEP)
SPECIAL(pad, TM_SPECIAL_PAD)
SPECIAL(cls, TM_SPECIAL_CLS)
SPECIAL(mask, TM_SPECIAL_MASK)

static enum tm_status put_added(struct reader *r, struct added_token *a, struct tm_err *err)
{
    struct tok_config *c = &r->t->config;
    if (c->added.len / sizeof *a >= LIST_MOST)
        return tm_json_fail(&r->j, TM_TOOLARGE, err, "more than %d added tokens", LIST_MOST);
    return tm_buf_append(&c->added, a, sizeof *a) ? TM_OK : no_memory(r, err);
}

/* {"32000": {"content": …}, …} */
static enum tm_status read_added_decoder(struct reader *r, void *base, struct tm_err *err)
{
    (void)base;
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "added_tokens_decoder is not an object");
    while (s == TM_OK) {
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_OBJECT_END)
            break;
        struct added_token a = {0};
        int64_t id;
        if (!tm_json_number_i64(ev.text, ev.len, &id) || id < 0 || id >= ID_MOST)
            return tm_json_fail(&r->j, TM_BADINPUT, err, "\"%.20s\" is not an id", ev.text);
        a.id = (int32_t)id;
        s = tok_read_fields(r, "added token", token_fields, &a, err);
        if (s == TM_OK)
            s = put_added(r, &a, err);
    }
    return s;
}

static enum tm_status read_extra(struct reader *r, void *base, struct tm_err *err)
{
    struct tok_config *c = base;
    struct added_token a = {0};
    enum tm_status s = read_special(r, &a, err);
    if (s == TM_OK && a.content.s != NULL &&
        !tm_buf_append(&c->extra, &a.content, sizeof a.content))
        s = no_memory(r, err);
    return s;
}

static enum tm_status read_extras(struct reader *r, void *base, struct tm_err *err)
{
    struct tok_config *c = base;
    c->extra.len = 0;
    return tok_read_array(r, read_extra, base, err);
}

/* Very large numbers, and 1e30, mean none. */
static enum tm_status read_max_length(struct reader *r, void *base, struct tm_err *err)
{
    struct tok_config *c = base;
    double v;
    enum tm_status s = tm_json_f64(&r->j, &v, err);
    if (s == TM_OK && v >= 1 && v < 1e9)
        c->max_length = (size_t)v;
    return s;
}

struct template
{
    struct str name, text;
};

static enum tm_status read_template(struct reader *r, void *base, struct tm_err *err)
{
    static const struct field fields[] = {
        {"name", FIELD_STR, true, offsetof(struct template, name), NULL, NULL},
        {"template", FIELD_STR, true, offsetof(struct template, text), NULL, NULL},
        {0},
    };
    struct tok_config *c = base;
    struct template one = {0};
    enum tm_status s = tok_read_fields(r, "chat template", fields, &one, err);
    if (s == TM_OK && strcmp(one.name.s, "default") == 0)
        c->chat_template = one.text;
    return s;
}

/* A text, or a list of named ones, of which "default" counts. */
static enum tm_status read_chat_template(struct reader *r, void *base, struct tm_err *err)
{
    struct tok_config *c = base;
    struct tm_json mark = r->j;
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s != TM_OK)
        return s;
    bool list = ev.type == TM_JSON_ARRAY;
    mark.scratch = r->j.scratch;
    r->j = mark;
    s = list ? tok_read_array(r, read_template, base, err)
             : tok_read_str(r, &c->chat_template, err);
    c->chat_file = "tokenizer_config.json";
    return s;
}

static const struct field config_fields[] = {
    {"tokenizer_class", FIELD_TOKEN, false, AT(class_name), NULL, NULL},
    {"bos_token", FIELD_READ, false, 0, NULL, read_bos},
    {"eos_token", FIELD_READ, false, 0, NULL, read_eos},
    {"unk_token", FIELD_READ, false, 0, NULL, read_unk},
    {"sep_token", FIELD_READ, false, 0, NULL, read_sep},
    {"pad_token", FIELD_READ, false, 0, NULL, read_pad},
    {"cls_token", FIELD_READ, false, 0, NULL, read_cls},
    {"mask_token", FIELD_READ, false, 0, NULL, read_mask},
    {"added_tokens_decoder", FIELD_PART, false, 0, NULL, read_added_decoder},
    {"additional_special_tokens", FIELD_PART, false, 0, NULL, read_extras},
    {"src_lang", FIELD_TOKEN, false, AT(src_lang), NULL, NULL},
    {"model_max_length", FIELD_PART, false, 0, NULL, read_max_length},
    {"clean_up_tokenization_spaces", FIELD_BOOL, false, AT(clean_up), NULL, NULL},
    {"add_bos_token", FIELD_BOOL_OR_NULL, false, AT(add_bos), NULL, NULL},
    {"add_eos_token", FIELD_BOOL_OR_NULL, false, AT(add_eos), NULL, NULL},
    {"add_prefix_space", FIELD_BOOL_OR_NULL, false, AT(add_prefix_space), NULL, NULL},
    {"do_lower_case", FIELD_BOOL_OR_NULL, false, AT(lower), NULL, NULL},
    {"tokenize_chinese_chars", FIELD_BOOL, false, AT(cjk), NULL, NULL},
    {"strip_accents", FIELD_BOOL_OR_NULL, false, AT(strip_accents), NULL, NULL},
    {"separate_vocabs", FIELD_BOOL, false, AT(separate_vocabs), NULL, NULL},
    {"extra_ids", FIELD_U64, false, AT(extra_ids), NULL, NULL},
    {"chat_template", FIELD_PART, false, 0, NULL, read_chat_template},
    {0},
};
static const struct field map_fields[] = {
    {"bos_token", FIELD_READ, false, 0, NULL, read_bos},
    {"eos_token", FIELD_READ, false, 0, NULL, read_eos},
    {"unk_token", FIELD_READ, false, 0, NULL, read_unk},
    {"sep_token", FIELD_READ, false, 0, NULL, read_sep},
    {"pad_token", FIELD_READ, false, 0, NULL, read_pad},
    {"cls_token", FIELD_READ, false, 0, NULL, read_cls},
    {"mask_token", FIELD_READ, false, 0, NULL, read_mask},
    {"additional_special_tokens", FIELD_PART, false, 0, NULL, read_extras},
    {0},
};
static const struct field model_fields[] = {
    {"model_type", FIELD_TOKEN, false, AT(model_type), NULL, NULL},
    {0},
};

/* added_tokens.json: {token: id, …} */
static enum tm_status read_added_file(struct reader *r, struct tm_err *err)
{
    struct tm_json_event ev;
    enum tm_status s = tm_json_next(&r->j, &ev, err);
    if (s == TM_OK && ev.type != TM_JSON_OBJECT)
        s = tm_json_fail(&r->j, TM_BADINPUT, err, "an object expected");
    while (s == TM_OK) {
        s = tm_json_next(&r->j, &ev, err);
        if (s != TM_OK || ev.type == TM_JSON_OBJECT_END)
            break;
        struct added_token a = {0};
        char *text = tm_arena_strndup(r->t->arena, ev.text, ev.len);
        if (text == NULL)
            return no_memory(r, err);
        a.content = (struct str){text, ev.len};
        s = tok_read_id(r, &a.id, err);
        if (s == TM_OK)
            s = put_added(r, &a, err);
    }
    return s;
}

/* fields NULL: added_tokens.json. */
static enum tm_status read_file(struct tm_tokenizer *t, const char *folder, const char *name,
                                const struct field *fields, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    if (!tm_buf_printf(&path, "%s/%s", folder, name))
        return tm_err_set(err, TM_NOMEM, "no memory for a path");
    if (access(path.data, F_OK) != 0)
        return TM_OK;
    enum tm_status s = tm_read_file(path.data, FILE_MOST, &file, err);
    if (s != TM_OK)
        return s;
    struct reader r = {.t = t};
    tm_json_init(&r.j, path.data, file.data != NULL ? file.data : "", file.len);
    s = fields != NULL ? tok_read_fields(&r, "the configuration", fields, &t->config, err)
                       : read_added_file(&r, err);
    tm_json_finish(&r.j);
    return s;
}

static enum tm_status read_jinja(struct tm_tokenizer *t, const char *folder, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf path = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0};
    if (!tm_buf_printf(&path, "%s/chat_template.jinja", folder))
        return tm_err_set(err, TM_NOMEM, "no memory for a path");
    if (access(path.data, F_OK) != 0)
        return TM_OK;
    enum tm_status s = tm_read_file(path.data, FILE_MOST, &file, err);
    if (s != TM_OK)
        return s;
    char *text = tm_arena_strndup(t->arena, file.data != NULL ? file.data : "", file.len);
    if (text == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for the chat template");
    t->config.chat_template = (struct str){text, file.len};
    t->config.chat_file = "chat_template.jinja";
    return TM_OK;
}

enum tm_status tok_config_read(struct tm_tokenizer *t, const char *folder, struct tm_err *err)
{
    struct tok_config *c = &t->config;
    c->max_length = SIZE_MAX;
    c->add_bos = c->add_eos = c->add_prefix_space = -1;
    c->lower = c->strip_accents = -1;
    c->cjk = true;
    c->extra_ids = 100;
    enum tm_status s = read_file(t, folder, "special_tokens_map.json", map_fields, err);
    if (s == TM_OK)
        s = read_file(t, folder, "added_tokens.json", NULL, err);
    if (s == TM_OK)
        s = read_file(t, folder, "tokenizer_config.json", config_fields, err);
    if (s == TM_OK)
        s = read_file(t, folder, "config.json", model_fields, err);
    if (s == TM_OK)
        s = read_jinja(t, folder, err);
    if (s != TM_OK)
        return s;
    tok_config_set_family(c, tok_family(c->class_name.s, c->model_type.s));
    return TM_OK;
}

void tok_config_set_family(struct tok_config *c, const struct family *family)
{
    c->family = family;
    for (int i = 0; i < TM_SPECIAL_COUNT && family != NULL; i++) {
        const char *text = family->specials[i];
        if (c->specials[i].content.s == NULL && text != NULL)
            c->specials[i] =
                (struct added_token){.content = {text, strlen(text)},
                                     .lstrip = strcmp(text, "[MASK]") != 0 && i == TM_SPECIAL_MASK,
                                     .special = true};
    }
}
