/* Reads sentencepiece models (spm_file.h).
 *
 * Called when a tokenizer is opened. A protobuf message is a row of fields: a key (number and wire
 * type) and a value; fields that are not known are skipped, and lengths are checked against what is
 * left. The file is other people's bytes. */
#include "spm_file.h"
#include <string.h>

enum { FILE_MOST = 128 << 20, PIECES_MOST = 1 << 22 };
enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct message {
    const char *p, *end;
};

struct value {
    uint32_t field;
    enum wire wire;
    uint64_t number; /* WIRE_VARINT, WIRE_32, WIRE_64 */
    struct str bytes;
};

static bool read_varint(struct message *m, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 64 && m->p < m->end; shift += 7) {
        unsigned char c = (unsigned char)*m->p++;
        *ret |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return true;
    }
    return false;
}

/* The next field; false at the end, with *ret_ok whether that is where it should be. */
static bool next(struct message *m, struct value *v, bool *ret_ok)
{
    uint64_t key, n;
    *ret_ok = m->p == m->end;
    if (*ret_ok || !read_varint(m, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX)
        return false;
    *v = (struct value){.field = (uint32_t)(key >> 3), .wire = (enum wire)(key & 7)};
    size_t left = (size_t)(m->end - m->p);
    switch (v->wire) {
    case WIRE_VARINT:
        return read_varint(m, &v->number);
    case WIRE_64:
    case WIRE_32:
        n = v->wire == WIRE_64 ? 8 : 4;
        if (n > left)
            return false;
        memcpy(&v->number, m->p, n);
        break;
    case WIRE_BYTES:
        if (!read_varint(m, &n) || n > (size_t)(m->end - m->p))
            return false;
        v->bytes = (struct str){m->p, n};
        break;
    default:
        return false;
    }
    m->p += n;
    return true;
}

static struct message inside(const struct value *v)
{
    return (struct message){v->bytes.s, v->bytes.s + v->bytes.n};
}

bool tok_spm_add(struct spm_file *f, const struct spm_piece *piece)
{
    return spm_n(f) < PIECES_MOST && piece->type >= PIECE_NORMAL && piece->type <= PIECE_BYTE &&
           piece->text.n > 0 && piece->score == piece->score &&
           tm_utf8_valid(piece->text.s, piece->text.n) == piece->text.n &&
           tm_buf_append(&f->pieces, piece, sizeof *piece);
}

enum tm_status tok_spm_check(const char *name, const struct spm_file *f, struct tm_err *err)
{
    size_t unknown = 0;
    for (size_t i = 0; i < spm_n(f); i++)
        unknown += spm_pieces(f)[i].type == PIECE_UNKNOWN;
    return unknown == 1 ? TM_OK
                        : tm_err_set(err, TM_BADINPUT, "%s has %zu unknown pieces", name, unknown);
}

void tok_spm_defaults(struct spm_file *f)
{
    f->type = SPM_UNIGRAM;
    f->unk_surface = (struct str){" \xe2\x81\x87 ", 5};
    f->dummy_prefix = f->remove_spaces = f->escape = true;
}

static bool read_piece(struct spm_file *f, struct message m)
{
    struct spm_piece piece = {.type = PIECE_NORMAL};
    struct value v;
    bool ok;
    while (next(&m, &v, &ok)) {
        uint32_t bits = (uint32_t)v.number;
        if (v.field == 1 && v.wire == WIRE_BYTES)
            piece.text = v.bytes;
        else if (v.field == 2 && v.wire == WIRE_32)
            memcpy(&piece.score, &bits, sizeof bits);
        else if (v.field == 3 && v.wire == WIRE_VARINT)
            piece.type = v.number >= PIECE_NORMAL && v.number <= PIECE_BYTE ? (uint8_t)v.number : 0;
    }
    return ok && tok_spm_add(f, &piece);
}

static bool read_trainer(struct spm_file *f, struct message m)
{
    struct value v;
    bool ok;
    while (next(&m, &v, &ok)) {
        if (v.field == 3 && v.wire == WIRE_VARINT)
            f->type = v.number >= SPM_UNIGRAM && v.number <= SPM_CHAR ? (enum spm_type)v.number : 0;
        else if (v.field == 24 && v.wire == WIRE_VARINT)
            f->suffix = v.number != 0;
        else if (v.field == 35 && v.wire == WIRE_VARINT)
            f->byte_fallback = v.number != 0;
        else if (v.field == 44 && v.wire == WIRE_BYTES)
            f->unk_surface = v.bytes;
    }
    return ok && f->type != 0;
}

static bool read_normalizer(struct spm_file *f, struct message m)
{
    struct value v;
    bool ok;
    while (next(&m, &v, &ok)) {
        if (v.field == 2 && v.wire == WIRE_BYTES)
            f->charsmap = v.bytes;
        else if (v.field == 3 && v.wire == WIRE_VARINT)
            f->dummy_prefix = v.number != 0;
        else if (v.field == 4 && v.wire == WIRE_VARINT)
            f->remove_spaces = v.number != 0;
        else if (v.field == 5 && v.wire == WIRE_VARINT)
            f->escape = v.number != 0;
    }
    return ok;
}

static bool read_denormalizer(struct spm_file *f, struct message m)
{
    struct value v;
    bool ok;
    while (next(&m, &v, &ok)) {
        if (v.field == 2 && v.wire == WIRE_BYTES)
            f->denormalizer = v.bytes;
    }
    return ok;
}

enum tm_status tok_spm_parse(const char *name, struct spm_file *f, struct tm_err *err)
{
    struct message m = {f->bytes.data, f->bytes.data + f->bytes.len};
    struct value v;
    bool end = false, ok = true;
    tok_spm_defaults(f);
    while (ok && f->bytes.len > 0 && next(&m, &v, &end)) {
        size_t at = (size_t)(v.bytes.s - f->bytes.data);
        if (v.wire != WIRE_BYTES)
            continue;
        if (v.field == 1)
            ok = read_piece(f, inside(&v));
        else if (v.field == 2)
            ok = read_trainer(f, inside(&v));
        else if (v.field == 3)
            ok = read_normalizer(f, inside(&v));
        else if (v.field == 5)
            ok = read_denormalizer(f, inside(&v));
        if (!ok)
            return tm_err_set(err, f->pieces.failed ? TM_NOMEM : TM_BADINPUT,
                              "%s: field %u at byte %zu cannot be used", name, v.field, at);
    }
    if (!end)
        return tm_err_set(err, TM_BADINPUT, "%s is not a sentencepiece model", name);
    return tok_spm_check(name, f, err);
}

enum tm_status tok_spm_read(const char *path, struct spm_file *f, struct tm_err *err)
{
    enum tm_status s = tm_read_file(path, FILE_MOST, &f->bytes, err);
    return s == TM_OK ? tok_spm_parse(path, f, err) : s;
}

void tok_spm_finish(struct spm_file *f)
{
    tm_buf_finish(&f->bytes);
    tm_buf_finish(&f->pieces);
}
