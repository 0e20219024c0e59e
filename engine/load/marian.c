/* Marian's .npz models, as OPUS-MT ships them, in the names and shapes of Hugging Face's Marian.
 *
 * Called by tensors.c when a set is opened, and for its configuration. The file is a ZIP archive of
 * NumPy arrays and an array of bytes, special:model.yml, with the training options; decoder.yml
 * beside it says how to search. What is done here is what transformers'
 * convert_marian_to_pytorch.py does: matrices are turned, vectors lose their first dimension, and
 * an embedding of zeros is added for the padding id, which is the last one. Options that its graph
 * does not have are refused. */
#include "bytes.h"
#include "tensor_file.h"
#include "zip.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ARENA_MOST = 256 << 20,
    NAME_ROOM = 256,
    HEADER_MOST = 1 << 16,
    YAML_MOST = 1 << 20,
    VALUE_ROOM = 64,
    PATH_ROOM = 4096,
};

static const char options_name[] = "special:model.yml.npy";

/* ---- one array: NumPy's format.py ---- */

static const struct {
    const char *descr;
    const char *dtype;
    enum tensor_type type;
    int32_t bytes;
} descrs[] = {
    {"'<f4'", "F32", TENSOR_F32, 4},   {"'<f2'", "F16", TENSOR_F16, 2},
    {"'<f8'", "F64", TENSOR_OTHER, 8}, {"'|i1'", "I8", TENSOR_OTHER, 1},
    {"'<i1'", "I8", TENSOR_OTHER, 1},  {"'|u1'", "U8", TENSOR_OTHER, 1},
    {"'<i4'", "I32", TENSOR_OTHER, 4}, {"'<u4'", "U32", TENSOR_OTHER, 4},
    {"'<i8'", "I64", TENSOR_OTHER, 8},
};

struct archive {
    const struct tensor_file *file;
    struct zip zip;
};

static enum tm_status bad_array(const struct archive *a, const struct zip_entry *e,
                                const char *what, struct tm_err *err)
{
    return tm_err_set(err, TM_MODEL, "%s: array %s: %s", a->file->name, e->name, what);
}

/* What comes after 'key': in the header's dictionary; NULL when it is not there. */
static const char *value_of(const char *header, const char *key)
{
    const char *p = strstr(header, key);
    if (p == NULL)
        return NULL;
    p += strlen(key);
    while (*p == ' ')
        p++;
    return p;
}

/* "(4, 5)", "(7,)" or "()". */
static bool read_shape(const char *p, struct tensor *t)
{
    if (p == NULL || *p++ != '(')
        return false;
    while (*p != ')') {
        int64_t n = 0;
        const char *start = p;
        for (; *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
                return false;
        if (p == start || t->rank == TENSOR_RANK)
            return false;
        t->shape[t->rank++] = n;
        while (*p == ' ' || *p == ',')
            p++;
    }
    return true;
}

static enum tm_status read_header(const struct archive *a, const struct zip_entry *e, uint64_t at,
                                  struct tm_buf *text, uint64_t *ret_data, struct tm_err *err)
{
    uint8_t head[12];
    if (e->size < sizeof head)
        return bad_array(a, e, "too short", err);
    enum tm_status s = tensor_read_bytes(a->file, at, head, sizeof head, err);
    if (s != TM_OK)
        return s;
    if (memcmp(head, "\x93NUMPY", 6) != 0 || head[6] < 1 || head[6] > 3)
        return bad_array(a, e, "not NumPy's format", err);
    uint64_t skip = head[6] == 1 ? 10 : 12;
    uint64_t n = head[6] == 1 ? le16(head + 8) : le32(head + 8);
    if (n > HEADER_MOST || n > e->size - skip)
        return bad_array(a, e, "its header is too long", err);
    if (!tm_buf_reserve(text, n + 1))
        return tm_err_set(err, TM_NOMEM, "%s: %s", a->file->name, e->name);
    s = tensor_read_bytes(a->file, at + skip, text->data, n, err);
    text->data[n] = '\0';
    *ret_data = at + skip + n;
    return s;
}

/* Type, shape and place of an entry's array. */
static enum tm_status read_array(const struct archive *a, const struct zip_entry *e,
                                 struct tensor *ret_tensor, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    struct tensor t = {.name = e->name};
    uint64_t at = 0, bytes = 0;
    enum tm_status s = zip_place(a->file, e, &at, err);
    if (s == TM_OK)
        s = read_header(a, e, at, &text, &t.begin, err);
    if (s != TM_OK)
        return s;
    const char *descr = value_of(text.data, "'descr':"), *order;
    for (size_t i = 0; descr != NULL && i < TM_COUNTOF(descrs); i++) {
        if (strncmp(descr, descrs[i].descr, strlen(descrs[i].descr)) == 0) {
            t.type = descrs[i].type;
            t.dtype = descrs[i].dtype;
            bytes = (uint64_t)descrs[i].bytes;
        }
    }
    if (t.dtype == NULL)
        return bad_array(a, e, "its type is not known", err);
    order = value_of(text.data, "'fortran_order':");
    if (order == NULL || strncmp(order, "False", 5) != 0)
        return bad_array(a, e, "not in C's order", err);
    if (!read_shape(value_of(text.data, "'shape':"), &t))
        return bad_array(a, e, "its shape cannot be read", err);
    for (int32_t i = 0; i < t.rank; i++)
        if (__builtin_mul_overflow(bytes, (uint64_t)t.shape[i], &bytes))
            return bad_array(a, e, "its shape overflows", err);
    if (bytes != at + e->size - t.begin)
        return bad_array(a, e, "its shape does not fill the entry", err);
    t.bytes = bytes;
    *ret_tensor = t;
    return TM_OK;
}

/* ---- names ---- */

enum change { MATRIX, VECTOR, EMBEDDING, BIAS };

struct name_row {
    const char *theirs, *ours; /* of rows for layers: what follows "encoder_l1_" */
    enum change change;
};

static const struct name_row layer_names[] = {
    {"self_Wq", "self_attn.q_proj.weight", MATRIX},
    {"self_Wk", "self_attn.k_proj.weight", MATRIX},
    {"self_Wv", "self_attn.v_proj.weight", MATRIX},
    {"self_Wo", "self_attn.out_proj.weight", MATRIX},
    {"self_bq", "self_attn.q_proj.bias", VECTOR},
    {"self_bk", "self_attn.k_proj.bias", VECTOR},
    {"self_bv", "self_attn.v_proj.bias", VECTOR},
    {"self_bo", "self_attn.out_proj.bias", VECTOR},
    {"self_Wo_ln_scale", "self_attn_layer_norm.weight", VECTOR},
    {"self_Wo_ln_bias", "self_attn_layer_norm.bias", VECTOR},
    {"context_Wq", "encoder_attn.q_proj.weight", MATRIX},
    {"context_Wk", "encoder_attn.k_proj.weight", MATRIX},
    {"context_Wv", "encoder_attn.v_proj.weight", MATRIX},
    {"context_Wo", "encoder_attn.out_proj.weight", MATRIX},
    {"context_bq", "encoder_attn.q_proj.bias", VECTOR},
    {"context_bk", "encoder_attn.k_proj.bias", VECTOR},
    {"context_bv", "encoder_attn.v_proj.bias", VECTOR},
    {"context_bo", "encoder_attn.out_proj.bias", VECTOR},
    {"context_Wo_ln_scale", "encoder_attn_layer_norm.weight", VECTOR},
    {"context_Wo_ln_bias", "encoder_attn_layer_norm.bias", VECTOR},
    {"ffn_W1", "fc1.weight", MATRIX},
    {"ffn_b1", "fc1.bias", VECTOR},
    {"ffn_W2", "fc2.weight", MATRIX},
    {"ffn_b2", "fc2.bias", VECTOR},
    {"ffn_ffn_ln_scale", "final_layer_norm.weight", VECTOR},
    {"ffn_ffn_ln_bias", "final_layer_norm.bias", VECTOR},
};

static const struct name_row model_names[] = {
    {"Wemb", "model.shared.weight", EMBEDDING},
    {"encoder_Wemb", "model.encoder.embed_tokens.weight", EMBEDDING},
    {"decoder_Wemb", "model.decoder.embed_tokens.weight", EMBEDDING},
    {"decoder_ff_logit_out_b", "final_logits_bias", BIAS},
};

/* "encoder_l3_self_Wq" is layer 2. A name without a row stays as it is. */
static const struct name_row *translate(const char *name, char out[NAME_ROOM])
{
    char side[8];
    int layer, used = 0;
    for (size_t i = 0; i < TM_COUNTOF(model_names); i++) {
        if (strcmp(model_names[i].theirs, name) == 0) {
            snprintf(out, NAME_ROOM, "%s", model_names[i].ours);
            return &model_names[i];
        }
    }
    if (sscanf(name, "%7[a-z]_l%3d_%n", side, &layer, &used) < 2 || used == 0 || layer < 1 ||
        (strcmp(side, "encoder") != 0 && strcmp(side, "decoder") != 0))
        return NULL;
    for (size_t i = 0; i < TM_COUNTOF(layer_names); i++) {
        if (strcmp(layer_names[i].theirs, name + used) != 0)
            continue;
        snprintf(out, NAME_ROOM, "model.%s.layers.%d.%s", side, layer - 1, layer_names[i].ours);
        return &layer_names[i];
    }
    return NULL;
}

static void change(enum change how, struct tensor *t)
{
    int64_t rows = t->shape[0], cols = t->shape[1];
    if (t->rank != 2) /* its shape will not be the expected one */
        return;
    switch (how) {
    case MATRIX:
        t->shape[0] = cols;
        t->shape[1] = rows;
        t->stride[0] = 1;
        t->stride[1] = cols;
        t->layout = LAYOUT_STRIDED;
        break;
    case VECTOR:
        if (rows == 1) {
            t->rank = 1;
            t->shape[0] = cols;
        }
        break;
    case EMBEDDING:
        t->shape[0]++;
        t->zeros = cols;
        break;
    case BIAS:
        t->shape[1]++;
        t->zeros = rows == 1;
        break;
    }
}

static enum tm_status open_archive(const struct tensor_file *f, struct tm_arena *arena,
                                   struct archive *ret, struct tm_err *err)
{
    *ret = (struct archive){.file = f};
    return zip_read(f, arena, &ret->zip, err);
}

enum tm_status marian_directory(struct tensor_set *set, int32_t file, struct tm_err *err)
{
    struct archive a;
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "%s", set->files[file].name);
    enum tm_status s = open_archive(&set->files[file], arena, &a, err);
    for (size_t i = 0; s == TM_OK && i < a.zip.n; i++) {
        const struct zip_entry *e = &a.zip.entries[i];
        char name[NAME_ROOM];
        struct tensor t;
        if (strcmp(e->name, options_name) == 0)
            continue;
        const char *end = strstr(e->name, ".npy");
        if (end == NULL || end[4] != '\0')
            return bad_array(&a, e, "not an .npy", err);
        s = read_array(&a, e, &t, err);
        if (s != TM_OK)
            return s;
        char *own = tm_arena_strndup(arena, e->name, (size_t)(end - e->name));
        if (own == NULL)
            return tm_err_set(err, TM_NOMEM, "%s: names of tensors", a.file->name);
        const struct name_row *row = translate(own, name);
        if (row != NULL)
            change(row->change, &t);
        t.file = file;
        t.name = tm_arena_strdup(set->arena, row != NULL ? name : own);
        s = t.name != NULL ? tensors_add(set, &t, err)
                           : tm_err_set(err, TM_NOMEM, "%s: names of tensors", a.file->name);
    }
    return s;
}

/* ---- options: lines "key: value", as yaml-cpp writes them ---- */

/* The value of a key at the left margin, or the line below when it stands there; false: no key. */
static bool option(const char *yaml, const char *key, char out[VALUE_ROOM])
{
    size_t n = strlen(key);
    const char *line = yaml;
    while (line != NULL && (strncmp(line, key, n) != 0 || line[n] != ':')) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL)
        return false;
    line += n + 1;
    line += strspn(line, " ");
    if (*line == '\n' && (line[1] == ' ' || line[1] == '-'))
        line += 1 + strspn(line + 1, " ");
    size_t length = TM_MIN(strcspn(line, "\r\n"), (size_t)VALUE_ROOM - 1);
    while (length > 0 && line[length - 1] == ' ')
        length--;
    if (length >= 2 && (*line == '"' || *line == '\'') && line[length - 1] == *line) {
        line++;
        length -= 2;
    }
    memcpy(out, line, length);
    out[length] = '\0';
    return true;
}

/* What the graph of Hugging Face's Marian takes for granted; absent means that value too. */
static const struct {
    const char *key, *value;
} assumed[] = {
    {"type", "transformer"},
    {"transformer-decoder-autoreg", "self-attention"},
    {"transformer-preprocess", ""},
    {"transformer-postprocess", "dan"},
    {"transformer-postprocess-emb", "d"},
    {"transformer-postprocess-top", ""},
    {"transformer-ffn-depth", "2"},
    {"transformer-no-projection", "false"},
    {"transformer-no-bias", "false"},
    {"transformer-no-affine", "false"},
    {"transformer-tied-layers", "[]"},
    {"transformer-train-position-embeddings", "false"},
    {"transformer-decoder-dim-ffn", "0"},
    {"layer-normalization", "false"},
    {"right-left", "false"},
    {"lemma-dim-emb", "0"},
    {"ulr", "false"},
};

static const struct {
    const char *theirs, *ours[2];
} numbers[] = {
    {"dim-emb", {"d_model", "max_position_embeddings"}}, /* the second as the converter has it */
    {"enc-depth", {"encoder_layers", NULL}},
    {"dec-depth", {"decoder_layers", NULL}},
    {"transformer-heads", {"encoder_attention_heads", "decoder_attention_heads"}},
    {"transformer-dim-ffn", {"encoder_ffn_dim", "decoder_ffn_dim"}},
};

/* A number that must be there. */
static enum tm_status take_number(const struct archive *a, const char *yaml, const char *key,
                                  int64_t *ret, struct tm_err *err)
{
    char value[VALUE_ROOM];
    return option(yaml, key, value) && tm_json_number_i64(value, strlen(value), ret)
               ? TM_OK
               : tm_err_set(err, TM_MODEL, "%s: %s is missing in special:model.yml", a->file->name,
                            key);
}

static enum tm_status put_options(const struct archive *a, const char *yaml, struct tm_buf *json,
                                  struct tm_err *err)
{
    char value[VALUE_ROOM];
    for (size_t i = 0; i < TM_COUNTOF(assumed); i++)
        if (option(yaml, assumed[i].key, value) && strcmp(value, assumed[i].value) != 0)
            return tm_err_set(err, TM_UNSUPPORTED, "%s: %s \"%s\" is not supported, only \"%s\"",
                              a->file->name, assumed[i].key, value, assumed[i].value);
    for (size_t i = 0; i < TM_COUNTOF(numbers); i++) {
        int64_t n;
        enum tm_status s = take_number(a, yaml, numbers[i].theirs, &n, err);
        if (s != TM_OK)
            return s;
        for (int k = 0; k < 2 && numbers[i].ours[k] != NULL; k++)
            tm_buf_printf(json, "\"%s\":%lld,", numbers[i].ours[k], (long long)n);
    }
    if (!option(yaml, "transformer-ffn-activation", value))
        snprintf(value, sizeof value, "swish");
    tm_buf_puts(json, "\"activation_function\":");
    tm_buf_json_string(json, value, strlen(value));
    tm_buf_putc(json, ',');
    return TM_OK;
}

/* How OPUS-MT searches: decoder.yml beside the file, where there is one. */
static enum tm_status put_search(const char *folder, struct tm_buf *json, struct tm_err *err)
{
    char path[PATH_ROOM], value[VALUE_ROOM];
    TM_CLEANUP(tm_buf_finish) struct tm_buf yaml = {0};
    int64_t beams;
    double normalize;
    if ((size_t)snprintf(path, sizeof path, "%s/decoder.yml", folder) >= sizeof path)
        return tm_err_set(err, TM_TOOLARGE, "path of decoder.yml is too long");
    struct tm_err why = {TM_OK};
    enum tm_status s = tm_read_file(path, YAML_MOST, &yaml, &why);
    if (s != TM_OK)
        return s == TM_NOTFOUND ? TM_OK : tm_err_set(err, s, "%s", why.text);
    const char *text = yaml.data != NULL ? yaml.data : "";
    if (option(text, "beam-size", value)) {
        if (!tm_json_number_i64(value, strlen(value), &beams) || beams < 1 || beams > 1024)
            return tm_err_set(err, TM_MODEL, "decoder.yml: beam-size %s is no number of beams",
                              value);
        tm_buf_printf(json, "\"num_beams\":%lld,", (long long)beams);
    }
    if (option(text, "normalize", value) && tm_json_number_f64(value, strlen(value), &normalize) &&
        normalize >= 0 && normalize < 100)
        tm_buf_printf(json, "\"length_penalty\":%.9g,", normalize);
    return TM_OK;
}

static enum tm_status read_options(const struct archive *a, struct tm_buf *text, struct tm_err *err)
{
    struct tensor t;
    const struct zip_entry *e = zip_find(&a->zip, options_name);
    if (e == NULL)
        return tm_err_set(err, TM_MODEL, "%s: no special:model.yml: not a model of Marian",
                          a->file->name);
    enum tm_status s = read_array(a, e, &t, err);
    if (s != TM_OK)
        return s;
    if (t.bytes > YAML_MOST)
        return bad_array(a, e, "too long", err);
    if (!tm_buf_reserve(text, t.bytes + 1))
        return tm_err_set(err, TM_NOMEM, "%s", a->file->name);
    s = tensor_read_bytes(a->file, t.begin, text->data, t.bytes, err);
    text->data[t.bytes] = '\0';
    return s;
}

/* Rows of the stored embedding, 0 when it is not there: the vocabulary without the padding id. */
static int64_t embedding_rows(const struct tensor_set *set, const char *name)
{
    const struct tensor *t = tensors_find(set, name);
    return t != NULL && t->rank == 2 ? t->shape[0] - 1 : 0;
}

enum tm_status marian_config(const struct tensor_set *set, const char *folder, struct tm_buf *json,
                             struct tm_err *err)
{
    struct archive a;
    TM_CLEANUP(tm_buf_finish) struct tm_buf yaml = {0};
    TM_CLEANUP(tm_arena_destroyp) struct tm_arena *arena = tm_arena_create(ARENA_MOST);
    if (arena == NULL)
        return tm_err_set(err, TM_NOMEM, "configuration");
    enum tm_status s = open_archive(&set->files[0], arena, &a, err);
    if (s == TM_OK)
        s = read_options(&a, &yaml, err);
    if (s != TM_OK)
        return s;
    int64_t shared = embedding_rows(set, "model.shared.weight");
    int64_t source = embedding_rows(set, "model.encoder.embed_tokens.weight");
    int64_t target = embedding_rows(set, "model.decoder.embed_tokens.weight");
    int64_t pad = shared > 0 ? shared : source;
    if (pad < 1 || (shared < 1 && source != target))
        return tm_err_set(err, TM_UNSUPPORTED,
                          "%s: embeddings of one vocabulary, or of two of the same size, are "
                          "supported",
                          a.file->name);
    tm_buf_puts(json, "{\"model_type\":\"marian\",\"architectures\":[\"MarianMTModel\"],");
    int64_t positions = 0; /* answers end where they do, and at 512 ids */
    s = put_options(&a, yaml.data, json, err);
    if (s == TM_OK)
        s = take_number(&a, yaml.data, "dim-emb", &positions, err);
    if (s == TM_OK)
        s = put_search(folder, json, err);
    tm_buf_printf(json,
                  "\"vocab_size\":%lld,\"decoder_vocab_size\":%lld,"
                  "\"share_encoder_decoder_embeddings\":%s,\"pad_token_id\":%lld,"
                  "\"decoder_start_token_id\":%lld,\"bad_words_ids\":[[%lld]],"
                  "\"bos_token_id\":0,\"eos_token_id\":0,\"forced_eos_token_id\":0,"
                  "\"scale_embedding\":true,\"normalize_embedding\":false,"
                  "\"static_position_embeddings\":true,\"tie_word_embeddings\":true,"
                  "\"max_length\":%lld}",
                  (long long)pad + 1, (long long)pad + 1, shared > 0 ? "true" : "false",
                  (long long)pad, (long long)pad, (long long)pad,
                  (long long)TM_MIN(positions, (int64_t)512));
    if (s == TM_OK && json->failed)
        s = tm_err_set(err, TM_NOMEM, "configuration");
    return s;
}
