/* The output of every layer, and every step's best logit: lines of layers.jsonl.
 *
 * The engine has no such thing to give: the backend's table is what is listened to here, each
 * operation still doing its work. What a layer puts out is known by the norm that takes part in it.
 * A line runs alone; its numbers come in the order of the reference's hidden_states. */
#include "conformance.h"
#include "engine.h" /* the engine's: the open model */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS_MOST = 16, FLOATS_MOST = 1 << 16, IDS_MOST = 256, FILE_MOST = 64 << 20 };

struct states {
    float *layer[LAYERS_MOST]; /* each of FLOATS_MOST */
    int64_t n[LAYERS_MOST];
    int32_t at; /* the layer that comes next */
};

struct line {
    int32_t ids[IDS_MOST];
    int64_t n_ids, n_new; /* n_new 0: the model does not generate */
    double *encoder, *decoder, *top;
    int64_t n_encoder, n_decoder, n_top;
};

/* What the hooks of the backend's table write to: one engine at a time is listened to. */
static struct {
    const struct tm_engine *e;
    struct tm_ops ops; /* as they were */
    struct states encoder, decoder;
    float *top;
    int64_t n_top;
} heard;

/* ---- listening ---- */

static void keep(struct states *s, const struct tm_tensor *t, bool again)
{
    s->at -= again;
    tm_assert(s->at < LAYERS_MOST);
    float **to = &s->layer[s->at];
    if (*to == NULL)
        tm_assert((*to = calloc(FLOATS_MOST, sizeof **to)) != NULL);
    int64_t *n = &s->n[s->at++];
    *n = again ? 0 : *n;
    for (int64_t r = 0; r < t->rows; r++, *n += t->cols) {
        tm_assert(*n + t->cols <= FLOATS_MOST);
        memcpy(*to + *n, (const float *)t->data + r * t->stride, (size_t)t->cols * sizeof **to);
    }
}

static bool is(const struct tm_norm *norm, enum slot slot, int32_t layer)
{
    return norm == &weights_at(&heard.e->model.weights, slot, layer)->norm;
}

static void listen(const struct tm_tensor *out, const struct tm_tensor *sum,
                   const struct tm_norm *norm)
{
    const struct config *c = &heard.e->model.config;
    int32_t first = config_decoder(c).first, all = heard.e->model.weights.layers;
    /* Without steps a decoder's ids are given, and it is all there is. */
    struct states *last = c->head == TM_HEAD_GENERATE ? &heard.decoder : &heard.encoder;
    if (is(norm, SLOT_FINAL_NORM, 0) || is(norm, SLOT_DECODER_FINAL_NORM, 0))
        keep(is(norm, SLOT_FINAL_NORM, 0) ? &heard.encoder : last, out, false);
    if (is(norm, SLOT_CONV_NORM, 0))
        keep(&heard.encoder, out, true);
    for (int32_t i = 0; i < all; i++) {
        struct states *s = i >= first ? last : &heard.encoder;
        if (c->family->pre_norm && is(norm, SLOT_ATTN_NORM, i) && sum != NULL)
            keep(s, sum, false);
        if (!c->family->pre_norm && is(norm, SLOT_FFN_NORM, i))
            keep(s, out, false);
    }
}

static enum tm_status hear_add_norm(struct tm_stream *stream, struct tm_tensor *out,
                                    struct tm_tensor *sum, const struct tm_tensor *x,
                                    const struct tm_tensor *residual, const struct tm_norm *norm)
{
    enum tm_status s = heard.ops.add_norm(stream, out, sum, x, residual, norm);
    listen(out, sum, norm);
    return s;
}

/* A prompt or a step begins: the next layer is the first again. */
static enum tm_status hear_embed(struct tm_stream *stream, struct tm_tensor *out,
                                 const struct tm_embed_args *args)
{
    heard.encoder.at = heard.decoder.at = 0;
    return heard.ops.embed(stream, out, args);
}

static enum tm_status hear_logits(struct tm_stream *stream, const struct tm_tensor *x,
                                  const struct tm_topk_args *args)
{
    enum tm_status s = heard.ops.logits_topk(stream, x, args);
    tm_assert(heard.n_top < IDS_MOST);
    heard.top[heard.n_top++] = args->ret_scores[0];
    return s;
}

/* ---- reading ---- */

static double *numbers(struct tm_json *j, int64_t *ret_n)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    double *out = calloc((size_t)FLOATS_MOST * LAYERS_MOST, sizeof *out);
    int64_t n = 0;
    tm_assert(out != NULL && tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_ARRAY);
    while (tm_json_next(j, &ev, &err) == TM_OK && ev.type == TM_JSON_NUMBER)
        tm_assert(n < FLOATS_MOST * LAYERS_MOST && tm_json_number_f64(ev.text, ev.len, &out[n++]));
    if (err.status != TM_OK)
        die("layers.jsonl", &err);
    *ret_n = n;
    return out;
}

static void read_line(const char *text, size_t len, struct line *line)
{
    struct tm_json_event ev;
    struct tm_err err = {TM_OK};
    struct tm_json j;
    tm_json_init(&j, "layers.jsonl", text, len);
    tm_assert(tm_json_next(&j, &ev, &err) == TM_OK && ev.type == TM_JSON_OBJECT);
    while (tm_json_next(&j, &ev, &err) == TM_OK && ev.type == TM_JSON_KEY) {
        if (strcmp(ev.text, "new") == 0) {
            tm_assert(tm_json_i64(&j, &line->n_new, &err) == TM_OK);
        } else if (strcmp(ev.text, "ids") == 0) {
            double *ids = numbers(&j, &line->n_ids);
            tm_assert(line->n_ids <= IDS_MOST);
            for (int64_t i = 0; i < line->n_ids; i++)
                line->ids[i] = (int32_t)ids[i];
            free(ids);
        } else if (strcmp(ev.text, "encoder") == 0) {
            line->encoder = numbers(&j, &line->n_encoder);
        } else if (strcmp(ev.text, "decoder") == 0) {
            line->decoder = numbers(&j, &line->n_decoder);
        } else {
            line->top = numbers(&j, &line->n_top);
        }
    }
    if (err.status != TM_OK)
        die("layers.jsonl", &err);
    tm_json_finish(&j);
}

/* ---- running ---- */

static void run(struct tm_engine *e, const struct line *line)
{
    static int32_t ids[IDS_MOST];
    struct tm_err err = {TM_OK};
    struct tm_answer answer;
    struct tm_generated generated = {.ids = ids};
    struct tm_generation how;
    struct tm_sequence seq = {.ids = line->ids, .n_ids = (int32_t)line->n_ids};
    if (line->n_new > 0) {
        how = *tm_engine_info(e)->generation;
        how.num_beams = how.num_return_sequences = 1;
        how.max_new_tokens = how.min_new_tokens = (int32_t)line->n_new;
        seq.generation = &how;
        seq.generated = &generated;
    } else {
        seq.out_size = tm_engine_output_size(e, seq.n_ids);
        seq.out = calloc(seq.out_size, sizeof *seq.out);
    }
    if (tm_engine_fits(e, &seq, &err) != TM_OK)
        die("a line does not fit", &err);
    tm_assert(line->n_new == 0 || tm_engine_generated_most(e, &seq) <= IDS_MOST);
    tm_assert(tm_engine_submit(e, &seq, 0) == TM_OK);
    while (tm_engine_step(e, 0, NULL, NULL) == TM_OK)
        ;
    tm_assert(tm_engine_collect(e, &answer, 1) == 1 && answer.status == TM_OK);
    free(seq.out);
}

/* Layers one behind the other, as the reference has them; the worst error in tolerances. */
static double compare(const struct states *got, const double *want, int64_t n_want)
{
    double worst = 0;
    int64_t at = 0;
    for (int32_t l = 0; l < LAYERS_MOST; l++) {
        for (int64_t i = 0; i < got->n[l]; i++, at++) {
            if (at == n_want)
                return INFINITY;
            double error = fabs((double)got->layer[l][i] - want[at]);
            worst = fmax(worst, isfinite(error) ? error / (TOLERANCE + TOLERANCE * fabs(want[at]))
                                                : INFINITY);
        }
    }
    return at == n_want ? worst : INFINITY;
}

static void forget(struct states *s)
{
    memset(s->n, 0, sizeof s->n);
    s->at = 0;
}

static double check_line(struct tm_engine *e, const char *text, size_t len)
{
    struct line line = {.n_ids = 0};
    read_line(text, len, &line);
    forget(&heard.encoder);
    forget(&heard.decoder);
    heard.n_top = 0;
    run(e, &line);
    double worst = fmax(compare(&heard.encoder, line.encoder, line.n_encoder),
                        compare(&heard.decoder, line.decoder, line.n_decoder));
    const struct states top = {.layer = {heard.top}, .n = {heard.n_top}};
    worst = fmax(worst, compare(&top, line.top, line.n_top));
    free(line.encoder);
    free(line.decoder);
    free(line.top);
    return worst;
}

bool run_layers(struct tm_engine *e, const char *folder, const char *device)
{
    struct tm_err err = {TM_OK};
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    char path[4096];
    double worst = 0;
    int n = 0;
    snprintf(path, sizeof path, "%s/layers.jsonl", folder);
    if (tm_read_file(path, FILE_MOST, &text, &err) != TM_OK)
        die(path, &err);
    heard.e = e;
    heard.ops = e->model.backend->ops;
    heard.top = calloc(IDS_MOST, sizeof *heard.top);
    tm_assert(heard.top != NULL);
    e->model.backend->ops.embed = hear_embed;
    e->model.backend->ops.add_norm = hear_add_norm;
    e->model.backend->ops.logits_topk = hear_logits;
    for (char *at = text.data, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, n++)
        worst = fmax(worst, check_line(e, at, (size_t)(end - at)));
    e->model.backend->ops = heard.ops;
    for (int i = 0; i < LAYERS_MOST; i++) {
        free(heard.encoder.layer[i]);
        free(heard.decoder.layer[i]);
        heard.encoder.layer[i] = heard.decoder.layer[i] = NULL;
    }
    free(heard.top);
    bool ok = n > 0 && worst <= 1;
    printf("%-40s %-7s %2d sequences' layers, %.3g of the tolerance%s\n", folder, device, n, worst,
           ok ? "" : "  FAILED");
    return ok;
}
