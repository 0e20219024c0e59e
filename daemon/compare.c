/* Scores of extraction (compare.h), counted as the public benchmarks do. Text: tokens are runs of
 * word characters, the multisets of their windows of four are compared, precision and recall of a
 * page are averaged over pages, and F1 is the harmonic mean of the averages. Segments: found when
 * they are in the text, white space collapsed; F1 over all of them. Called by extract.c. */
#include "compare.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4, GOLD_MOST = 1 << 30 };

struct compare {
    json_t *gold; /* by name */
    size_t pages; /* with an expected text, and its sums: */
    double precision, recall;
    size_t segment_pages, found, missed, leaked;
};

/* ---- what is expected --------------------------------------------------------------------------
 */

/* A file's name without folders; stem: and without what follows its first full stop. */
static char *name_of(const char *path, bool stem)
{
    const char *slash = strrchr(path, '/'), *name = slash == NULL ? path : slash + 1;
    return strndup(name, stem ? strcspn(name, ".") : strlen(name));
}

static const json_t *expected(const struct compare *c, const char *path)
{
    const json_t *found = NULL;
    for (int stem = 0; stem < 2 && found == NULL; stem++) {
        char *name = name_of(path, stem == 1);
        found = name == NULL ? NULL : json_object_get(c->gold, name);
        free(name);
    }
    return found;
}

enum tm_status compare_open(const char *gold, struct compare **ret_compare, struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    enum tm_status s = tm_read_file(gold, GOLD_MOST, &text, err);
    if (s != TM_OK)
        return s;
    json_error_t at;
    json_t *root = json_loadb(text.data == NULL ? "" : text.data, text.len, 0, &at), *entry;
    if (!json_is_object(root)) {
        json_decref(root);
        return tm_err_set(err, TM_BADINPUT, "%s: not a JSON object: %d:%d: %s", gold, at.line,
                          at.column, at.text);
    }
    struct compare *c = calloc(1, sizeof *c);
    const char *key;
    if (c == NULL || (c->gold = json_object()) == NULL) {
        compare_close(c);
        json_decref(root);
        return tm_err_set(err, TM_NOMEM, "no memory for %s", gold);
    }
    json_object_foreach(root, key, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "file"));
        if (json_is_object(entry))
            json_object_set(c->gold, file != NULL ? file : key, entry);
    }
    json_decref(root);
    *ret_compare = c;
    return TM_OK;
}

void compare_close(struct compare *c)
{
    if (c == NULL)
        return;
    json_decref(c->gold);
    free(c);
}

/* ---- windows of tokens -------------------------------------------------------------------------
 */

static bool is_word(uint32_t cp)
{
    if (cp < 0x80)
        return cp == '_' || (cp >= '0' && cp <= '9') || ((cp | 32) >= 'a' && (cp | 32) <= 'z');
    if (cp < 0xc0)
        return cp == 0xaa || cp == 0xb5 || cp == 0xba || (cp >= 0xbc && cp <= 0xbe) || cp == 0xb2 ||
               cp == 0xb3 || cp == 0xb9;
    bool sign = cp == 0xd7 || cp == 0xf7 || (cp >= 0x2000 && cp < 0x2070) ||
                (cp >= 0x20a0 && cp < 0x2c00) || (cp >= 0x3000 && cp < 0x3005) ||
                (cp >= 0x3008 && cp < 0x3021) || (cp >= 0xfe10 && cp < 0xfe70) ||
                (cp >= 0xff01 && cp < 0xff10) || (cp >= 0xff1a && cp < 0xff21) ||
                (cp >= 0x1f000 && cp < 0x20000);
    return !sign;
}

static int by_value(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

/* Hashes of all windows, sorted; a text of fewer tokens is one window. */
static size_t windows(const char *s, struct tm_buf *out)
{
    uint64_t tokens[WINDOW] = {0};
    size_t n = strlen(s), count = 0, start = 0;
    bool inside = false;
    tm_buf_clear(out);
    for (size_t i = 0; i <= n;) {
        uint32_t cp = 0;
        size_t step = i < n ? tm_utf8_decode(s + i, n - i, &cp) : 1;
        bool word = i < n && step > 0 && is_word(cp);
        if (word && !inside)
            start = i;
        if (!word && inside) {
            tokens[count++ % WINDOW] = tm_hash(s + start, i - start, 0);
            uint64_t last[WINDOW];
            for (size_t k = 0; k < WINDOW; k++)
                last[k] = tokens[(count + k) % WINDOW];
            uint64_t h = tm_hash(last, sizeof last, 1);
            if (count >= WINDOW)
                tm_buf_append(out, &h, sizeof h);
        }
        inside = word;
        i += TM_MAX(step, (size_t)1);
    }
    if (count > 0 && count < WINDOW) {
        uint64_t h = tm_hash(tokens, sizeof tokens, 2 + count);
        tm_buf_append(out, &h, sizeof h);
    }
    if (out->len > 0)
        qsort(out->data, out->len / sizeof(uint64_t), sizeof(uint64_t), by_value);
    return out->len / sizeof(uint64_t);
}

static void compare_text(struct compare *c, const char *want, const char *got)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf a = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf b = {0};
    size_t n = windows(want, &a), m = windows(got, &b), both = 0;
    for (size_t i = 0, k = 0; i < n && k < m;) {
        int order = by_value(a.data + i * sizeof(uint64_t), b.data + k * sizeof(uint64_t));
        both += order == 0;
        i += order <= 0;
        k += order >= 0;
    }
    c->pages++;
    c->precision += m == 0 ? 1 : (double)both / (double)m;
    c->recall += n == 0 ? 1 : (double)both / (double)n;
}

/* ---- segments ----------------------------------------------------------------------------------
 */

static bool is_blank(uint32_t cp)
{
    return cp == ' ' || (cp >= '\t' && cp <= '\r') || cp == 0x85 || cp == 0xa0 || cp == 0x1680 ||
           (cp >= 0x2000 && cp <= 0x200a) || cp == 0x2028 || cp == 0x2029 || cp == 0x202f ||
           cp == 0x205f || cp == 0x3000;
}

static void squash(const char *s, struct tm_buf *out)
{
    bool gap = false;
    tm_buf_clear(out);
    for (size_t n = strlen(s), step; n > 0; s += step, n -= step) {
        uint32_t cp;
        step = TM_MAX(tm_utf8_decode(s, n, &cp), (size_t)1);
        if (is_blank(cp)) {
            gap = out->len > 0;
            continue;
        }
        if (gap)
            tm_buf_putc(out, ' ');
        gap = false;
        tm_buf_append(out, s, step);
    }
    tm_buf_append(out, "", 1);
}

static size_t count_inside(const json_t *segments, const char *text)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf plain = {0};
    size_t i, count = 0;
    const json_t *segment;
    json_array_foreach(segments, i, segment)
    {
        squash(json_is_string(segment) ? json_string_value(segment) : "", &plain);
        count += strstr(text, plain.data) != NULL;
    }
    return count;
}

void compare_line(struct compare *c, const char *line, size_t n)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf plain = {0};
    json_t *result = json_loadb(line, n, JSON_ALLOW_NUL, NULL);
    const char *source = json_string_value(json_object_get(result, "source"));
    const char *text = json_string_value(json_object_get(result, "text"));
    const json_t *want = source == NULL ? NULL : expected(c, source);
    const json_t *body = json_object_get(want, "articleBody");
    const json_t *with = json_object_get(want, "with"), *without = json_object_get(want, "without");
    text = text == NULL ? "" : text;
    if (json_is_string(body))
        compare_text(c, json_string_value(body), text);
    if (json_is_array(with) || json_is_array(without)) {
        squash(text, &plain);
        size_t found = count_inside(with, plain.data);
        c->segment_pages++;
        c->found += found;
        c->missed += json_array_size(with) - found;
        c->leaked += count_inside(without, plain.data);
    }
    json_decref(result);
}

static void put_scores(struct tm_buf *out, const char *name, size_t pages, double precision,
                       double recall)
{
    double f1 = precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    tm_buf_printf(out, "%s\"%s\":{\"pages\":%zu,\"precision\":%.4f,\"recall\":%.4f,\"f1\":%.4f}",
                  out->len > 1 ? "," : "", name, pages, precision, recall, f1);
}

bool compare_scores(const struct compare *c, struct tm_buf *out)
{
    tm_buf_clear(out);
    tm_buf_putc(out, '{');
    if (c->pages > 0)
        put_scores(out, "text", c->pages, c->precision / (double)c->pages,
                   c->recall / (double)c->pages);
    if (c->segment_pages > 0)
        put_scores(out, "segments", c->segment_pages,
                   (double)c->found / (double)TM_MAX(c->found + c->leaked, (size_t)1),
                   (double)c->found / (double)TM_MAX(c->found + c->missed, (size_t)1));
    tm_buf_puts(out, "}\n");
    return !out->failed;
}
