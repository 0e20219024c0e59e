/* Answers of `infer` in the shapes people know: Hugging Face's pipelines for text, logits for ids.
 */
#include "infer.h"

#include <string.h>

static void put_floats(struct tm_buf *b, const float *v, size_t n)
{
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < n; i++)
        tm_buf_printf(b, "%s%.9g", i > 0 ? "," : "", (double)v[i]);
    tm_buf_putc(b, ']');
}

static void put_named_floats(struct tm_buf *b, const char *name, const float *v, size_t n)
{
    tm_buf_printf(b, "\"%s\":", name);
    put_floats(b, v, n);
}

static void put_label(struct tm_buf *b, const char *key, const char *label, double score)
{
    tm_buf_printf(b, "\"%s\":", key);
    tm_buf_json_string(b, label, strlen(label));
    tm_buf_printf(b, ",\"score\":%.9g", score);
}

/* {label, score}: the likeliest label. */
static enum tm_status put_best(struct tm_buf *b, const struct tm_engine_info *info,
                               const struct tm_seq *seq, struct tm_arena *arena, struct tm_err *err)
{
    double *p = tm_arena_array(arena, (size_t)info->n_labels, sizeof *p);
    if (p == NULL)
        return tm_err_set(err, TM_NOMEM, "labels");
    tm_label_probabilities(info, seq->out, p);
    size_t best = tm_label_best(p, (size_t)info->n_labels);
    tm_buf_putc(b, '{');
    put_label(b, "label", info->labels[best], p[best]);
    tm_buf_putc(b, '}');
    return TM_OK;
}

/* [{entity, score, index, word, start, end}] without aggregation, else [{entity_group, score, word,
 * start, end}]; without O. */
static enum tm_status put_entities(struct tm_buf *b, const struct tm_model *m,
                                   const struct infer_item *item, const struct infer_form *form,
                                   struct tm_err *err)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    size_t n = (size_t)item->seq.n_ids, labels = (size_t)info->n_labels;
    double *p = tm_arena_array(form->arena, n * labels, sizeof *p);
    struct tm_entity *list = tm_arena_array(form->arena, n, sizeof *list);
    if (p == NULL || list == NULL)
        return tm_err_set(err, TM_NOMEM, "entities of %zu tokens", n);
    for (size_t i = 0; i < n; i++)
        tm_label_probabilities(info, item->seq.out + i * labels, p + i * labels);
    const struct tm_tagged tagged = {.tok = m->tok,
                                     .info = info,
                                     .text = item->text,
                                     .text_len = item->text_len,
                                     .ids = item->seq.ids,
                                     .offsets = (const uint32_t(*)[2])item->offsets,
                                     .special = item->special,
                                     .subword = item->subword,
                                     .p = p,
                                     .n = n};
    size_t found = tm_entities(&tagged, form->aggregation, form->arena, list);
    if (found == SIZE_MAX)
        return tm_err_set(err, TM_NOMEM, "entities of %zu tokens", n);
    TM_CLEANUP(tm_buf_finish) struct tm_buf word = {.cap = 0};
    bool grouped = form->aggregation != TM_AGGREGATE_NONE;
    tm_buf_putc(b, '[');
    for (size_t i = 0; i < found; i++) {
        const struct tm_entity *e = &list[i];
        tm_buf_clear(&word);
        enum tm_status s = tm_entity_word(&tagged, e, form->aggregation, &word, err);
        if (s != TM_OK)
            return s;
        tm_buf_puts(b, i > 0 ? ",{" : "{");
        put_label(b, grouped ? "entity_group" : "entity", e->label, e->score);
        if (!grouped)
            tm_buf_printf(b, ",\"index\":%zu", e->first);
        tm_buf_puts(b, ",\"word\":");
        tm_buf_json_string(b, word.data != NULL ? word.data : "", word.len);
        tm_buf_printf(b, ",\"start\":%u,\"end\":%u}", e->start, e->end);
    }
    tm_buf_putc(b, ']');
    return TM_OK;
}

static void put_raw(struct tm_buf *b, const struct tm_engine_info *info, const struct tm_seq *seq)
{
    size_t n = (size_t)seq->n_ids, labels = (size_t)info->n_labels;
    tm_buf_putc(b, '{');
    switch (info->head) {
    case TM_HEAD_TOKEN:
        tm_buf_puts(b, "\"logits\":[");
        for (size_t i = 0; i < n; i++) {
            tm_buf_puts(b, i > 0 ? "," : "");
            put_floats(b, seq->out + i * labels, labels);
        }
        tm_buf_putc(b, ']');
        break;
    case TM_HEAD_SPAN:
        put_named_floats(b, "start_logits", seq->out, n);
        tm_buf_putc(b, ',');
        put_named_floats(b, "end_logits", seq->out + n, n);
        break;
    case TM_HEAD_EMBEDDING:
        put_named_floats(b, "embedding", seq->out, seq->out_size);
        break;
    default:
        put_named_floats(b, "logits", seq->out, labels);
    }
    tm_buf_putc(b, '}');
}

static void put_ids(struct tm_buf *b, const int32_t *ids, int32_t n)
{
    tm_buf_putc(b, '[');
    for (int32_t i = 0; i < n; i++)
        tm_buf_printf(b, "%s%d", i > 0 ? "," : "", ids[i]);
    tm_buf_putc(b, ']');
}

/* {"sequences": [[…], …], "sequences_scores": […]}: as generate returns them; greedy search and
 * sampling have no scores. */
static void put_sequences(struct tm_buf *b, const struct tm_seq *seq, int32_t n)
{
    tm_buf_puts(b, "{\"sequences\":[");
    for (int32_t i = 0; i < n; i++) {
        tm_buf_puts(b, i > 0 ? "," : "");
        put_ids(b, seq->generated[i].ids, seq->generated[i].n_ids);
    }
    tm_buf_putc(b, ']');
    for (int32_t i = 0; i < n && seq->generation->num_beams > 1; i++)
        tm_buf_printf(b, "%s%.9g", i > 0 ? "," : ",\"sequences_scores\":[",
                      (double)seq->generated[i].score);
    tm_buf_puts(b, seq->generation->num_beams > 1 ? "]}" : "}");
}

/* {"translation_text": …}, or a list of them when several were asked for. */
static enum tm_status put_texts(struct tm_buf *b, const struct infer_form *form,
                                const struct tm_seq *seq, int32_t n, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 0};
    tm_buf_puts(b, n > 1 ? "[" : "");
    for (int32_t i = 0; i < n; i++) {
        tm_buf_clear(&text);
        enum tm_status s = tm_generator_text(form->generator, seq, (size_t)i, &text, err);
        if (s != TM_OK)
            return s;
        tm_buf_printf(b, "%s{\"%s\":", i > 0 ? "," : "", form->key);
        tm_buf_json_string(b, text.data != NULL ? text.data : "", text.len);
        tm_buf_putc(b, '}');
    }
    tm_buf_puts(b, n > 1 ? "]" : "");
    return TM_OK;
}

enum tm_status infer_print(const struct tm_model *m, const struct infer_item *item,
                           const struct infer_form *form, struct tm_buf *out, struct tm_err *err)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    enum tm_status s = TM_OK;
    if (info->head == TM_HEAD_GENERATE) {
        int32_t n = TM_MAX(item->seq.generation->num_return_sequences, 1);
        if (form->raw)
            put_sequences(out, &item->seq, n);
        else
            s = put_texts(out, form, &item->seq, n, err);
    } else if (form->raw || info->head == TM_HEAD_EMBEDDING || info->head == TM_HEAD_SPAN) {
        put_raw(out, info, &item->seq);
    } else if (info->head == TM_HEAD_TOKEN) {
        s = put_entities(out, m, item, form, err);
    } else {
        s = put_best(out, info, &item->seq, form->arena, err);
    }
    tm_buf_putc(out, '\n');
    return s;
}
