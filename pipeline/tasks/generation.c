/* Text generation: a prompt made from the document by a template, put into the model's chat
 * template where it has one, and what the model says to it.
 *
 * A prompt longer than the model takes is made again with fewer of the text's sentences: the result
 * says how much of the text the model saw. */
#include "tasks.h"
#include "tm_template.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PROMPT = 16 << 20, NEW_TOKENS = 20 /* as generate() has it, when nothing is set */ };

struct self {
    struct tm_generator *generator;
    struct tm_template *prompt, *system, *chat; /* system, chat: NULL without */
};

struct state {
    double coverage;
    int32_t n_prompt;
};

static void close_task(struct tm_task *t)
{
    struct self *self = t->self;
    tm_generator_close(self->generator);
    tm_template_close(self->prompt);
    tm_template_close(self->system);
    tm_template_close(self->chat);
    free(self);
}

static enum tm_status open_templates(const struct tm_task *t, struct self *self, struct tm_err *err)
{
    const struct tm_conf_task *c = t->conf;
    const char *file, *chat = c->chat ? tm_tokenizer_chat_template(t->model->tok, &file) : NULL;
    enum tm_status s =
        tm_template_open("template", c->prompt, strlen(c->prompt), &self->prompt, err);
    if (s == TM_OK && c->system[0] != '\0')
        s = tm_template_open("system", c->system, strlen(c->system), &self->system, err);
    if (s != TM_OK)
        return s == TM_BADINPUT ? TM_CONFIG : s;
    if (chat != NULL)
        s = tm_template_open(file, chat, strlen(chat), &self->chat, err);
    if (s == TM_OK && self->system != NULL && self->chat == NULL)
        return tm_err_set(err, TM_CONFIG, "generation: system needs a model with a chat template");
    return s;
}

static enum tm_status open_task(struct tm_task *t, struct tm_err *err)
{
    struct self *self = calloc(1, sizeof *self);
    if (self == NULL)
        return tm_err_set(err, TM_NOMEM, "generation");
    t->self = self;
    enum tm_status s = tm_generator_open(t->model, t->conf, &self->generator, err);
    if (s == TM_OK)
        s = open_templates(t, self, err);
    if (s != TM_OK)
        close_task(t);
    return s;
}

/* ---- the prompt ---- */

static void decrefp(json_t **json)
{
    json_decref(*json);
}

/* What templates see. What a document has not is undefined, and written as nothing. */
static json_t *variables(const struct tm_doc *doc, size_t text_len)
{
    const struct {
        const char *name, *value;
    } fields[] = {{"id", doc->id},
                  {"title", doc->title},
                  {"url", doc->url},
                  {"source", doc->source},
                  {"language", doc->lang},
                  {"kind", doc->kind},
                  {"published_at", doc->published_at}};
    json_t *vars = json_object();
    if (doc->prompt_vars != NULL)
        json_object_update(vars, doc->prompt_vars);
    for (size_t i = 0; i < TM_COUNTOF(fields); i++)
        if (fields[i].value != NULL)
            json_object_set_new(vars, fields[i].name, json_string(fields[i].value));
    json_object_set_new(vars, "text", json_stringn(doc->text, text_len));
    return vars;
}

static enum tm_status add_message(const struct tm_template *t, const char *role, const json_t *vars,
                                  json_t *messages, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = MAX_PROMPT};
    enum tm_status s = tm_template_render(t, vars, &text, err);
    if (s == TM_OK && text.failed)
        s = tm_err_set(err, TM_TOOLARGE, "a prompt of more than %d bytes", MAX_PROMPT);
    if (s == TM_OK)
        json_array_append_new(messages, json_pack("{s:s, s:s%}", "role", role, "content",
                                                  text.data != NULL ? text.data : "", text.len));
    return s;
}

static void set_token(const struct tm_task *t, json_t *vars, const char *name,
                      enum tm_special which)
{
    const char *token =
        tm_tokenizer_token(t->model->tok, tm_tokenizer_special_id(t->model->tok, which));
    if (token != NULL)
        json_object_set_new(vars, name, json_string(token));
}

static enum tm_status render_chat(const struct tm_task *t, const json_t *vars, struct tm_buf *out,
                                  struct tm_err *err)
{
    const struct self *self = t->self;
    TM_CLEANUP(decrefp) json_t *chat = json_object();
    json_t *messages = json_array();
    json_object_set_new(chat, "messages", messages);
    json_object_set_new(chat, "add_generation_prompt", json_true());
    set_token(t, chat, "bos_token", TM_SPECIAL_BOS);
    set_token(t, chat, "eos_token", TM_SPECIAL_EOS);
    set_token(t, chat, "unk_token", TM_SPECIAL_UNK);
    set_token(t, chat, "pad_token", TM_SPECIAL_PAD);
    enum tm_status s = TM_OK;
    if (self->system != NULL)
        s = add_message(self->system, "system", vars, messages, err);
    if (s == TM_OK)
        s = add_message(self->prompt, "user", vars, messages, err);
    return s == TM_OK ? tm_template_render(self->chat, chat, out, err) : s;
}

/* The prompt over the first text_len bytes of the text, as ids in enc. A chat template writes its
 * special tokens itself. */
static enum tm_status encode_prompt(const struct tm_task *t, const struct tm_doc *doc,
                                    size_t text_len, struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    const struct tm_tokenizer *tok = t->model->tok;
    TM_CLEANUP(decrefp) json_t *vars = variables(doc, text_len);
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = MAX_PROMPT};
    enum tm_status s = self->chat != NULL ? render_chat(t, vars, &text, err)
                                          : tm_template_render(self->prompt, vars, &text, err);
    if (s != TM_OK || text.failed)
        return s != TM_OK
                   ? s
                   : tm_err_set(err, TM_TOOLARGE, "a prompt of more than %d bytes", MAX_PROMPT);
    const char *prompt = text.data != NULL ? text.data : "";
    return self->chat != NULL ? tm_tokenizer_encode(tok, prompt, text.len, 0, enc, err)
                              : tm_tokenizer_encode_source(tok, NULL, prompt, text.len, enc, err);
}

/* Most ids of a prompt: a model that goes on with it needs room for the answer. */
static int32_t prompt_room(const struct tm_task *t)
{
    const struct self *self = t->self;
    const struct tm_engine_info *info = tm_engine_info(t->model->engine);
    const struct tm_generation *p = tm_generator_params(self->generator);
    if (info->encoder_decoder)
        return info->max_length;
    if (p->max_new_tokens < 0 && p->max_length > 0)
        return TM_MIN(info->max_length, p->max_length) - 1;
    return info->max_length - (p->max_new_tokens >= 0 ? p->max_new_tokens : NEW_TOKENS);
}

/* Where the first n sentences of the text end. */
static size_t sentences_end(const struct tm_doc *doc, size_t n)
{
    return n == 0 ? 0 : doc->sentences[n - 1].end;
}

/* The prompt with as many of the text's sentences as the model takes, by halving. */
static enum tm_status fit_prompt(const struct tm_task *t, const struct tm_doc *doc, int32_t room,
                                 struct tm_encoding *enc, size_t *ret_len, struct tm_err *err)
{
    size_t fits = 0, too_many = doc->n_sentences;
    enum tm_status s = TM_OK;
    while (too_many - fits > 1 && s == TM_OK) {
        size_t n = fits + (too_many - fits) / 2;
        s = encode_prompt(t, doc, sentences_end(doc, n), enc, err);
        if (enc->n <= (size_t)room)
            fits = n;
        else
            too_many = n;
    }
    *ret_len = sentences_end(doc, fits);
    if (s == TM_OK)
        s = encode_prompt(t, doc, *ret_len, enc, err);
    if (s == TM_OK && (fits == 0 || enc->n > (size_t)room))
        s = tm_err_set(err, TM_TOOLARGE,
                       "the prompt leaves no room for the text: model %s takes %d tokens of it",
                       t->model->name, room);
    return s;
}

static enum tm_status plan(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    const struct self *self = t->self;
    struct state *st = tm_arena_alloc(doc->arena, sizeof *st);
    run->seqs = tm_arena_array(doc->arena, 1, sizeof *run->seqs);
    if (st == NULL || run->seqs == NULL)
        return tm_err_set(err, TM_NOMEM, "generation");
    int32_t room = prompt_room(t);
    size_t len = doc->text_len;
    enum tm_status s = encode_prompt(t, doc, len, enc, err);
    if (s == TM_OK && (int64_t)enc->n > room)
        s = fit_prompt(t, doc, room, enc, &len, err);
    if (s == TM_OK && enc->n == 0)
        s = tm_err_set(err, TM_EMPTY, "the prompt has no tokens");
    if (s != TM_OK)
        return s;
    if (len < doc->text_len)
        tm_doc_warn(doc, "W_TRUNCATED", "tokenize", "generation",
                    "the prompt holds only the beginning of the text: see coverage");
    *st = (struct state){.coverage = (double)len / (double)TM_MAX(doc->text_len, 1),
                         .n_prompt = (int32_t)enc->n};
    run->state = st;
    run->n_seqs = 1;
    return seq_generate(doc, self->generator, NULL, enc->ids, enc->n, &run->seqs[0], err);
}

/* ---- the answer ---- */

static enum tm_status next(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err)
{
    (void)enc;
    const struct self *self = t->self;
    const struct state *st = run->state;
    const struct tm_generated *a = &run->seqs[0].generated[0];
    bool continues = !tm_engine_info(t->model->engine)->encoder_decoder;
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    enum tm_status s = tm_generator_text(self->generator, &run->seqs[0], 0, &text, err);
    if (s != TM_OK)
        return s;
    const char *said = text.data != NULL ? text.data : "";
    json_t *json = json_pack(
        "{s:s%, s:s, s:{s:i, s:i}, s:f}", "text", said, text.len, "finish_reason",
        tm_finish_name(a->finish_reason), "usage", "tokens_in", (int)st->n_prompt, "tokens_out",
        (int)(continues ? a->n_ids - TM_MIN(a->n_ids, st->n_prompt) : a->n_ids), "coverage",
        task_round(st->coverage));
    if (t->conf->name[0] != '\0')
        json_object_set_new(json, "name", json_string(t->conf->name));
    if (t->conf->schema[0] != '\0') { /* null when the answer was cut */
        json_t *value = json_loadb(said, text.len, JSON_DECODE_ANY, NULL);
        json_object_set_new(json, "json", value != NULL ? value : json_null());
    }
    return task_finish(doc, run, json, err);
}

const struct tm_task_ops generation_ops = {
    .name = "generation",
    .key = "generated",
    .shape = TM_RESULT_LIST,
    .heads = 1u << TM_HEAD_GENERATE,
    .open = open_task,
    .close = close_task,
    .plan = plan,
    .next = next,
};
