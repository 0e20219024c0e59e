/* Answers of `infer` in the shapes people know: Hugging Face's pipelines for text, logits for ids.
 */
#include "infer.h"

#include <math.h>
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

/* Probability of each label, as text-classification pipelines choose the function. */
static double probability(const struct tm_engine_info *info, const float *logits, int32_t label)
{
    double x = (double)logits[label];
    if (info->problem == TM_PROBLEM_REGRESSION)
        return x;
    if (info->problem == TM_PROBLEM_MULTI_LABEL || info->n_labels == 1)
        return 1.0 / (1.0 + exp(-x));
    double most = (double)logits[0], sum = 0;
    for (int32_t i = 1; i < info->n_labels; i++)
        most = fmax(most, (double)logits[i]);
    for (int32_t i = 0; i < info->n_labels; i++)
        sum += exp((double)logits[i] - most);
    return exp(x - most) / sum;
}

static int32_t best_label(const struct tm_engine_info *info, const float *logits)
{
    int32_t best = 0;
    for (int32_t i = 1; i < info->n_labels; i++)
        if (logits[i] > logits[best])
            best = i;
    return best;
}

static void put_label(struct tm_buf *b, const char *key, const char *label, double score)
{
    tm_buf_printf(b, "\"%s\":", key);
    tm_buf_json_string(b, label, strlen(label));
    tm_buf_printf(b, ",\"score\":%.9g", score);
}

/* [{entity, score, index, word, start, end}]: no aggregation, without O. */
static void put_entities(struct tm_buf *b, const struct tm_model *m, const struct infer_item *item)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    bool first = true;
    tm_buf_putc(b, '[');
    for (int32_t i = 0; i < item->seq.n_ids; i++) {
        const float *logits = item->seq.out + (size_t)i * (size_t)info->n_labels;
        int32_t best = best_label(info, logits);
        if (item->special[i] || strcmp(info->labels[best], "O") == 0)
            continue;
        const char *word = tm_tokenizer_token(m->tok, item->seq.ids[i]);
        tm_buf_puts(b, first ? "{" : ",{");
        put_label(b, "entity", info->labels[best], probability(info, logits, best));
        tm_buf_printf(b, ",\"index\":%d,\"word\":", i);
        tm_buf_json_string(b, word != NULL ? word : "", word != NULL ? strlen(word) : 0);
        tm_buf_printf(b, ",\"start\":%u,\"end\":%u}", item->offsets[i][0], item->offsets[i][1]);
        first = false;
    }
    tm_buf_putc(b, ']');
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

void infer_print(const struct tm_model *m, const struct infer_item *item, bool raw,
                 struct tm_buf *out)
{
    const struct tm_engine_info *info = tm_engine_info(m->engine);
    if (raw || info->head == TM_HEAD_EMBEDDING || info->head == TM_HEAD_SPAN) {
        put_raw(out, info, &item->seq);
    } else if (info->head == TM_HEAD_TOKEN) {
        put_entities(out, m, item);
    } else {
        int32_t best = best_label(info, item->seq.out);
        tm_buf_putc(out, '{');
        put_label(out, "label", info->labels[best], probability(info, item->seq.out, best));
        tm_buf_putc(out, '}');
    }
    tm_buf_putc(out, '\n');
}
