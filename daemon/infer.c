/* infer: a model over lines of standard input, answers in input order. Lines are gathered into
 * chunks so that the engine sees full batches; memory stays that of one chunk. */
#include "infer.h"
#include "lines.h"
#include "model_options.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1024, CHUNK_MEMORY = 1 << 30 };

struct state {
    const struct args *args;
    struct tm_model *model;
    struct tm_arena *arena; /* of the chunk */
    struct infer_item *items;
    struct tm_seq *seqs;
    size_t n;
    int64_t line; /* number of the last one read */
    struct tm_encoding enc;
    struct tm_buf text, pair, ids, decoder, out;
    struct tm_conf_task conf; /* options of generation, as in a configuration file */
    struct tm_generator *generator;
    struct infer_form form;
    const char *task_name; /* of the pipeline, when one of its tasks does the work */
    struct infer_task *task;
};

static enum exit_code bad_line(struct state *st, const struct tm_err *err)
{
    return verb_fail(st->args, exit_code_of(err->status), "line %lld: %s", (long long)st->line,
                     err->text);
}

/* ---- a line to a sequence ---- */

static const void *copy(struct state *st, const void *data, size_t size)
{
    void *p = tm_arena_alloc(st->arena, TM_MAX(size, 1));
    if (p != NULL && size > 0)
        memcpy(p, data, size);
    return p;
}

static enum tm_status add_item(struct state *st, struct infer_item *item, struct tm_err *err)
{
    struct tm_seq *seq = &item->seq;
    if (st->generator != NULL) {
        if (seq->ids == NULL)
            return tm_err_set(err, TM_NOMEM, "no memory for a sequence of %d tokens", seq->n_ids);
        seq->key[0] = (uint64_t)st->conf.seed;
        seq->key[1] = (uint64_t)st->line;
        enum tm_status prepared = tm_generator_prepare(st->generator, st->arena, seq, err);
        if (prepared == TM_OK)
            st->items[st->n++] = *item;
        return prepared;
    }
    seq->out_size = tm_engine_output_size(st->model->engine, seq->n_ids);
    seq->out = tm_arena_array(st->arena, TM_MAX(seq->out_size, 1), sizeof *seq->out);
    if (seq->ids == NULL || seq->out == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for a sequence of %d tokens", seq->n_ids);
    const struct tm_sequence s = {.ids = seq->ids,
                                  .n_ids = seq->n_ids,
                                  .n_first = seq->n_first,
                                  .out = seq->out,
                                  .out_size = seq->out_size};
    enum tm_status status = tm_engine_fits(st->model->engine, &s, err);
    if (status == TM_OK)
        st->items[st->n++] = *item;
    return status;
}

/* [ids] or {"ids": […], "pair_ids": […], "decoder_ids": […]} */
static enum tm_status read_id_line(struct state *st, const char *line, size_t len,
                                   struct infer_item *item, struct tm_err *err)
{
    struct tm_json j;
    struct tm_json_event e;
    tm_buf_clear(&st->ids);
    tm_buf_clear(&st->pair);
    tm_buf_clear(&st->decoder);
    tm_json_init(&j, "line", line, len);
    enum tm_status s = TM_OK;
    if (len > 0 && line[strspn(line, " \t")] == '[')
        s = read_ids(&j, &st->ids, err);
    else if ((s = tm_json_next(&j, &e, err)) == TM_OK && e.type != TM_JSON_OBJECT)
        s = tm_json_fail(&j, TM_BADINPUT, err, "expected an array of ids or an object");
    else
        while (s == TM_OK && (s = tm_json_next(&j, &e, err)) == TM_OK && e.type == TM_JSON_KEY) {
            if (strcmp(e.text, "ids") == 0)
                s = read_ids(&j, &st->ids, err);
            else if (strcmp(e.text, "pair_ids") == 0)
                s = read_ids(&j, &st->pair, err);
            else if (strcmp(e.text, "decoder_ids") == 0 && st->generator != NULL)
                s = read_ids(&j, &st->decoder, err);
            else
                s = tm_json_fail(&j, TM_BADINPUT, err,
                                 "unknown key %s: expected ids, pair_ids (or decoder_ids, for "
                                 "models that generate)",
                                 e.text);
        }
    tm_json_finish(&j);
    if (s != TM_OK)
        return s;
    size_t n_first = st->ids.len / sizeof(int32_t);
    if (st->pair.len > 0 && !tm_buf_append(&st->ids, st->pair.data, st->pair.len))
        return tm_err_set(err, TM_NOMEM, "ids");
    item->seq.n_ids = (int32_t)(st->ids.len / sizeof(int32_t));
    item->seq.n_first = st->pair.len > 0 ? (int32_t)n_first : 0;
    item->seq.ids = copy(st, st->ids.data, st->ids.len);
    item->seq.n_decoder_ids = (int32_t)(st->decoder.len / sizeof(int32_t));
    if (st->decoder.len > 0)
        item->seq.decoder_ids = copy(st, st->decoder.data, st->decoder.len);
    return TM_OK;
}

/* {"text": …, "text_pair": …}, under these names, into st->text and st->pair. */
static enum tm_status read_pair_line(struct state *st, const char *line, size_t len,
                                     const char *first, const char *second, struct tm_err *err)
{
    struct tm_json j;
    struct tm_json_event e;
    tm_json_init(&j, "line", line, len);
    enum tm_status s = tm_json_next(&j, &e, err);
    while (s == TM_OK && (s = tm_json_next(&j, &e, err)) == TM_OK && e.type == TM_JSON_KEY) {
        struct tm_buf *to = strcmp(e.text, first) == 0    ? &st->text
                            : strcmp(e.text, second) == 0 ? &st->pair
                                                          : NULL;
        const char *text;
        size_t n;
        if (to == NULL)
            s = tm_json_fail(&j, TM_BADINPUT, err, "unknown key %s: expected %s, %s", e.text, first,
                             second);
        else if ((s = tm_json_string(&j, &text, &n, err)) == TM_OK && !tm_buf_append(to, text, n))
            s = tm_err_set(err, TM_NOMEM, "text");
    }
    tm_json_finish(&j);
    return s;
}

static enum tm_status add_task_line(struct state *st, const char *line, size_t len,
                                    struct tm_err *err)
{
    enum tm_status s = TM_OK;
    bool asks = strcmp(st->task_name, "answers") == 0;
    tm_buf_clear(&st->text);
    tm_buf_clear(&st->pair);
    if (asks && (len == 0 || line[0] != '{'))
        return tm_err_set(err, TM_BADINPUT, "expected {\"question\": ..., \"context\": ...}");
    if (asks)
        s = read_pair_line(st, line, len, "context", "question", err);
    else if (!line_text(st->args, line, len, &st->text))
        return tm_err_set(err, TM_BADINPUT, "not a text");
    if (s == TM_OK && asks && (st->pair.len == 0 || st->text.len == 0))
        s = tm_err_set(err, TM_BADINPUT, "question or context is missing");
    return s == TM_OK ? infer_task_add(st->task, st->text.data != NULL ? st->text.data : "",
                                       st->text.len, asks ? st->pair.data : NULL, err)
                      : s;
}

static enum tm_status encode_line(struct state *st, const char *line, size_t len,
                                  struct infer_item *item, struct tm_err *err)
{
    struct tm_encoding *enc = &st->enc;
    enum tm_status s;
    tm_buf_clear(&st->text);
    tm_buf_clear(&st->pair);
    if (len > 0 && line[0] == '{') {
        if ((s = read_pair_line(st, line, len, "text", "text_pair", err)) != TM_OK)
            return s;
    } else if (!line_text(st->args, line, len, &st->text))
        return tm_err_set(err, TM_BADINPUT, "not a text");
    const char *text = st->text.data != NULL ? st->text.data : "";
    s = st->pair.len > 0 ? tm_tokenizer_encode_pair(st->model->tok, text, st->text.len,
                                                    st->pair.data, st->pair.len, enc, err)
                         : tm_tokenizer_encode(st->model->tok, text, st->text.len, true, enc, err);
    if (s != TM_OK)
        return s;
    item->seq.n_ids = (int32_t)enc->n;
    item->seq.ids = copy(st, enc->ids, enc->n * sizeof *enc->ids);
    for (size_t i = 0; i < enc->n && item->seq.n_first == 0; i++)
        if (enc->types[i] == 1)
            item->seq.n_first = (int32_t)i;
    item->offsets =
        (uint32_t(*)[2])(uintptr_t)copy(st, enc->offsets, enc->n * sizeof *enc->offsets);
    item->special = (uint8_t *)(uintptr_t)copy(st, enc->special, enc->n);
    item->text = copy(st, text, st->text.len);
    item->text_len = st->text.len;
    item->subword = tm_arena_alloc(st->arena, TM_MAX(enc->n, 1));
    if (item->offsets == NULL || item->special == NULL || item->text == NULL ||
        item->subword == NULL)
        return tm_err_set(err, TM_NOMEM, "offsets");
    tm_tokenizer_subwords(st->model->tok, text, st->text.len, enc, item->subword);
    return TM_OK;
}

/* ---- chunks ---- */

static enum exit_code run_task(struct state *st)
{
    struct tm_err err = {0};
    tm_buf_clear(&st->out);
    if (infer_task_run(st->task, &st->out, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    if (st->out.len > 0 && fwrite(st->out.data, 1, st->out.len, stdout) != st->out.len)
        return verb_fail(st->args, EXIT_IO, "standard output cannot be written");
    return EXIT_OK;
}

static enum exit_code run_chunk(struct state *st)
{
    struct tm_err err = {0};
    if (st->task != NULL)
        return run_task(st);
    for (size_t i = 0; i < st->n; i++)
        st->seqs[i] = st->items[i].seq;
    if (tm_drive(st->model->engine, st->seqs, st->n, NULL, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    for (size_t i = 0; i < st->n; i++) {
        if (st->seqs[i].status != TM_OK)
            return verb_fail(st->args, exit_code_of(st->seqs[i].status),
                             "line %lld: the model gives no number for it",
                             (long long)(st->line - (int64_t)(st->n - 1 - i)));
        tm_buf_clear(&st->out);
        if (infer_print(st->model, &st->items[i], &st->form, &st->out, &err) != TM_OK)
            return verb_fail_err(st->args, &err);
        if (st->out.failed || fwrite(st->out.data, 1, st->out.len, stdout) != st->out.len)
            return verb_fail(st->args, EXIT_IO, "standard output cannot be written");
    }
    st->n = 0;
    tm_arena_reset(st->arena);
    return EXIT_OK;
}

static enum exit_code use_line(void *arg, char *line, size_t len)
{
    struct state *st = arg;
    struct infer_item item = {0};
    struct tm_err err = {0};
    st->line++;
    if (st->task != NULL) {
        if (add_task_line(st, line, len, &err) != TM_OK)
            return bad_line(st, &err);
        return infer_task_full(st->task) ? run_task(st) : EXIT_OK;
    }
    enum tm_status s = args_has(st->args, "ids") ? read_id_line(st, line, len, &item, &err)
                                                 : encode_line(st, line, len, &item, &err);
    if (s == TM_OK)
        s = add_item(st, &item, &err);
    if (s != TM_OK)
        return bad_line(st, &err);
    return st->n < CHUNK && tm_arena_used(st->arena) < CHUNK_MEMORY / 2 ? EXIT_OK : run_chunk(st);
}

/* ---- the verb ---- */

static const struct verb_option options[] = {
    {"model", 'm', "DIR", "Model folder, or a name in the model path"},
    {"task", '\0', "TASK", "Refuse a model that does not do this task"},
    {"ids", '\0', NULL, "Take arrays of ids, give logits"},
    MODEL_OPTIONS,
    {"aggregation-strategy", '\0', "HOW",
     "token-classification: none, simple, first, average or max"},
    {"candidate-labels", '\0', "A,B", "zero-shot-classification: labels to choose from"},
    {"hypothesis-template", '\0', "TEXT", "zero-shot-classification: sentence of a label, {}"},
    {"multi-label", '\0', "BOOL", "zero-shot-classification: true: several labels may hold"},
    {"max-seq-len", '\0', "N", "question-answering: tokens of a window, question included"},
    {"max-answer-len", '\0', "N", "question-answering: most tokens of an answer"},
    {"handle-impossible-answer", '\0', "BOOL", "question-answering: true: there may be none"},
    {"stride", '\0', "N", "Tokens that windows share"},
    {"chat", '\0', NULL, "text-generation: a line is what a user says to a chat model"},
    {"system", '\0', "TEXT", "text-generation: system message of the chat"},
    {"max-length", '\0', "N", "Most tokens of an answer"},
    {"max-new-tokens", '\0', "N", "Most new tokens of an answer"},
    {"min-length", '\0', "N", "Fewest tokens of an answer"},
    {"min-new-tokens", '\0', "N", "Fewest new tokens of an answer"},
    {"num-beams", '\0', "N", "Beams of the search"},
    {"num-return-sequences", '\0', "N", "Answers for each line"},
    {"length-penalty", '\0', "X", "Beam search: above 0 favours long answers"},
    {"early-stopping", '\0', "WHEN", "Beam search ends: false, true or never"},
    {"no-repeat-ngram-size", '\0', "N", "Runs of N tokens that an answer has only once"},
    {"encoder-no-repeat-ngram-size", '\0', "N", "Runs of N tokens of the input that no answer has"},
    {"repetition-penalty", '\0', "X", "Above 1 discourages tokens that are there"},
    {"encoder-repetition-penalty", '\0', "X", "Above 1 favours tokens of the input"},
    {"do-sample", '\0', "BOOL", "true: draw tokens at random"},
    {"temperature", '\0', "X", "Sampling: below 1 sharper, above 1 wilder"},
    {"top-k", '\0', "N", "Sampling: of the N best tokens"},
    {"top-p", '\0', "P", "Sampling: of the best that together have P"},
    {"min-p", '\0', "P", "Sampling: at least P of the best one's"},
    {"typical-p", '\0', "P", "Sampling: of the most typical"},
    {"seed", '\0', "N", "Sampling: the same lines give the same answers"},
    {"forced-bos-token-id", '\0', "ID", "Answers begin with it"},
    {"forced-eos-token-id", '\0', "ID", "Ends an answer of the most tokens"},
    {"bad-words-ids", '\0', "JSON", "Runs of ids that no answer has: [[12, 7], [5]]"},
    {"suppress-tokens", '\0', "JSON", "Ids that no answer has: [12, 7]"},
    {"schema", '\0', "FILE", "An answer is JSON that this JSON Schema allows"},
    {"choices", '\0', "A,B", "An answer is one of these texts"},
    {"stop-strings", '\0', "TEXT", "An answer ends after it"},
    {0},
};

/* Of options[]: from here on they are keys of the configuration. */
enum { FIRST_TASK_OPTION = 8, FIRST_GENERATION_OPTION = 16 };

static bool is_option(const char *name, size_t first)
{
    for (const struct verb_option *o = options + first; o->name != NULL; o++)
        if (o->value != NULL && strcmp(o->name, name) == 0)
            return true;
    return false;
}

static const struct {
    const char *task;
    enum tm_head head;
    const char *key;       /* of a generated text */
    const char *task_name; /* of the pipeline, where that does it */
} tasks[] = {
    {"text-classification", TM_HEAD_SEQUENCE, NULL},
    {"sentiment-analysis", TM_HEAD_SEQUENCE, NULL},
    {"token-classification", TM_HEAD_TOKEN, NULL},
    {"feature-extraction", TM_HEAD_EMBEDDING, NULL},
    {"zero-shot-classification", TM_HEAD_SEQUENCE, NULL, "classification"},
    {"question-answering", TM_HEAD_SPAN, NULL, "answers"},
    {"translation", TM_HEAD_GENERATE, "translation_text"},
    {"summarization", TM_HEAD_GENERATE, "summary_text"},
    {"text2text-generation", TM_HEAD_GENERATE, "generated_text"},
    {"text-generation", TM_HEAD_GENERATE, "generated_text"},
};

static enum exit_code check_task(struct state *st)
{
    const struct args *a = st->args;
    const struct tm_model *m = st->model;
    const char *task = args_get(a, "task");
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    char known[384] = "";
    st->form.key = "generated_text";
    if (task == NULL) {
        st->task_name = info->head == TM_HEAD_SPAN ? "answers" : NULL;
        return EXIT_OK;
    }
    for (size_t i = 0; i < TM_COUNTOF(tasks); i++) {
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i > 0 ? ", " : "",
                 tasks[i].task);
        if (strcmp(tasks[i].task, task) != 0)
            continue;
        st->form.key = tasks[i].key;
        st->task_name = tasks[i].task_name;
        return tasks[i].head == info->head
                   ? EXIT_OK
                   : verb_fail(a, EXIT_NOINPUT, "model %s is %s, which does not do %s", m->name,
                               info->architecture, task);
    }
    return verb_fail(a, EXIT_USAGE, "no task %s; there are %s", task, known);
}

/* "a, b" as entries of a list, as Hugging Face's pipeline takes candidate_labels. */
static enum tm_status set_list(struct state *st, const struct tm_conf_key *key, const char *value,
                               struct tm_err *err)
{
    enum tm_status s = TM_OK;
    while (*value != '\0' && s == TM_OK) {
        char item[1024];
        value += strspn(value, " ");
        size_t n = strcspn(value, ","), len = n;
        while (len > 0 && value[len - 1] == ' ')
            len--;
        snprintf(item, sizeof item, "%.*s", (int)TM_MIN(len, sizeof item - 1), value);
        s = len > 0 ? tm_conf_set(&st->conf, key, item, NULL, err) : TM_OK;
        value += n + (value[n] == ',');
    }
    return s;
}

/* Labels, and what decides which of the pipeline's tasks does the work. */
static enum exit_code read_task(struct state *st, struct tm_err *err)
{
    const struct args *a = st->args;
    const char *labels = args_get(a, "candidate-labels"), *file;
    bool chat = args_has(a, "chat") || args_get(a, "system") != NULL;
    if (labels != NULL &&
        set_list(st, tm_conf_find(tm_conf_task_keys, "labels"), labels, err) != TM_OK)
        return verb_fail_err(a, err);
    bool zero_shot = st->task_name != NULL && strcmp(st->task_name, "classification") == 0;
    if (zero_shot != (st->conf.labels.n > 0))
        return verb_fail(a, EXIT_USAGE,
                         "--task zero-shot-classification and --candidate-labels go together");
    if (chat && tm_engine_info(st->model->engine)->head != TM_HEAD_GENERATE)
        return verb_fail(a, EXIT_USAGE, "--chat is for models that generate");
    if (chat && tm_tokenizer_chat_template(st->model->tok, &file) == NULL)
        return verb_fail(a, EXIT_NOINPUT, "model %s has no chat template", st->model->name);
    if (chat)
        st->task_name = "generation";
    if (st->task_name == NULL || args_has(a, "ids"))
        return EXIT_OK;
    return infer_task_open(st->task_name, st->model, &st->conf, &st->task, err) == TM_OK
               ? EXIT_OK
               : verb_fail_err(a, err);
}

/* Options are the configuration's keys, with dashes. */
static enum exit_code read_options(struct state *st)
{
    struct tm_err err = {0};
    bool generates = tm_engine_info(st->model->engine)->head == TM_HEAD_GENERATE;
    if (tm_conf_task_init(&st->conf, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++) {
        char name[64];
        size_t n = 0;
        for (; k->path[n] != '\0' && n + 1 < sizeof name; n++)
            name[n] = k->path[n] == '_' ? '-' : k->path[n];
        name[n] = '\0';
        const char *value = is_option(name, FIRST_TASK_OPTION) ? args_get(st->args, name) : NULL;
        if (value == NULL)
            continue;
        if (!generates && is_option(name, FIRST_GENERATION_OPTION))
            return verb_fail(st->args, EXIT_USAGE, "--%s is for models that generate", name);
        enum tm_status s = strcmp(name, "choices") == 0
                               ? set_list(st, k, value, &err)
                               : tm_conf_set(&st->conf, k, value, NULL, &err);
        if (s != TM_OK)
            return verb_fail(st->args, EXIT_USAGE, "%s", err.text);
    }
    if (generates && tm_generator_open(st->model, &st->conf, &st->generator, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    const char *how = args_get(st->args, "aggregation-strategy");
    if (how != NULL && !tm_aggregation_find(how, &st->form.aggregation))
        return verb_fail(st->args, EXIT_USAGE,
                         "--aggregation-strategy takes none, simple, first, average or max, not %s",
                         how);
    st->form.generator = st->generator;
    st->form.raw = args_has(st->args, "ids");
    return read_task(st, &err);
}

static enum exit_code open_model(struct state *st)
{
    const struct args *a = st->args;
    const char *name = args_get(a, "model");
    struct model_options how;
    struct tm_err err = {0};
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model: -m DIR");
    enum exit_code code = model_options(a, &how);
    if (code != EXIT_OK)
        return code;
    bool ids = args_has(a, "ids");
    if (tm_model_open(name, how.device, how.precision, how.threads, 0, !ids, &st->model, &err) !=
        TM_OK)
        return verb_fail_err(a, &err);
    code = check_task(st);
    return code == EXIT_OK ? read_options(st) : code;
}

static enum exit_code run(const struct args *a)
{
    struct state st = {.args = a};
    enum exit_code code = open_model(&st);
    if (code == EXIT_OK) {
        st.arena = tm_arena_create(CHUNK_MEMORY);
        st.items = calloc(CHUNK, sizeof *st.items);
        st.seqs = calloc(CHUNK, sizeof *st.seqs);
        if (st.arena == NULL || st.items == NULL || st.seqs == NULL)
            code = verb_fail(a, EXIT_INTERNAL, "out of memory");
    }
    st.form.arena = st.arena;
    if (code == EXIT_OK)
        code = lines_each(a, use_line, &st);
    if (code == EXIT_OK)
        code = run_chunk(&st);
    if (code == EXIT_OK && fflush(stdout) != 0)
        code = verb_fail(a, EXIT_IO, "standard output cannot be written");
    infer_task_close(st.task);
    tm_generator_close(st.generator);
    tm_conf_task_finish(&st.conf);
    tm_model_close(st.model);
    tm_arena_destroy(st.arena);
    free(st.items);
    free(st.seqs);
    tm_encoding_finish(&st.enc);
    tm_buf_finish(&st.text);
    tm_buf_finish(&st.pair);
    tm_buf_finish(&st.ids);
    tm_buf_finish(&st.decoder);
    tm_buf_finish(&st.out);
    return code;
}

const struct verb verb_infer = {
    .name = "infer",
    .summary = "Run a model over lines of text, one JSON line out for each",
    .details = "A line is text, a JSON string, or {\"text\":...,\"text_pair\":...}; for "
               "question-answering "
               "{\"question\":...,\"context\":...}.\nAnswers have the field's shapes:\n"
               "{\"label\",\"score\"}, "
               "[{\"entity\",\"score\",\"index\",\"word\",\"start\",\"end\"}] (with aggregation "
               "[{\"entity_group\",...}]), {\"embedding\"},\n"
               "{\"translation_text\"}, {\"summary_text\"}, {\"generated_text\"}, "
               "{\"sequence\",\"labels\",\"scores\"}, "
               "{\"score\",\"start\",\"end\",\"answer\"}.\n"
               "With --ids a line is [ids] or {\"ids\":[...],\"pair_ids\":[...]}, used as given; "
               "answers are {\"logits\"},\n"
               "{\"start_logits\",\"end_logits\"}, {\"embedding\"} or "
               "{\"sequences\",\"sequences_scores\"}.",
    .options = options,
    .run = run,
};
