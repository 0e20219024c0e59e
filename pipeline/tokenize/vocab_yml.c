/* vocab.yml of Marian's own models, as OPUS-MT ships them: a token and its id a line, written by
 * yaml-cpp. Of YAML there is what that writes: one mapping, its keys plain or in quotes.
 *
 * Called by tm_tokenizer_open on the loading thread. */
#include "tokenize.h"

enum { FILE_MOST = 128 << 20, TOKEN_MOST = 1 << 16 };

struct line {
    const char *text;
    size_t n, at; /* at: of what comes next */
    struct tm_buf *token;
};

/* ---- keys ---- */

static bool put_character(struct line *l, unsigned digits)
{
    char bytes[4];
    uint32_t cp = 0;
    for (; digits > 0 && l->at < l->n; digits--) {
        char c = l->text[l->at++], lower = (char)(c | 0x20);
        if ((c < '0' || c > '9') && (lower < 'a' || lower > 'f'))
            return false;
        cp = cp << 4 | (uint32_t)(c <= '9' ? c - '0' : lower - 'a' + 10);
    }
    size_t n = digits == 0 ? tm_utf8_encode(cp, bytes) : 0;
    return n > 0 && tm_buf_append(l->token, bytes, n);
}

/* YAML 1.2, 5.7; what follows the backslash. */
static bool put_escape(struct line *l)
{
    static const struct {
        char name;
        const char *text;
    } escapes[] = {{'a', "\a"},       {'b', "\b"},     {'t', "\t"},     {'n', "\n"},
                   {'v', "\v"},       {'f', "\f"},     {'r', "\r"},     {'e', "\x1b"},
                   {' ', " "},        {'"', "\""},     {'/', "/"},      {'\\', "\\"},
                   {'N', "\xc2\x85"}, {'_', "\u00a0"}, {'L', "\u2028"}, {'P', "\u2029"}};
    char c = l->at < l->n ? l->text[l->at++] : '\0';
    if (c == 'x' || c == 'u' || c == 'U')
        return put_character(l, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    for (size_t i = 0; i < TM_COUNTOF(escapes); i++)
        if (escapes[i].name == c)
            return tm_buf_puts(l->token, escapes[i].text);
    return false;
}

/* Up to the quote that ends it. */
static bool take_quoted(struct line *l)
{
    char quote = l->text[l->at++];
    while (l->at < l->n) {
        char c = l->text[l->at++];
        if (c == quote && (quote == '"' || l->at == l->n || l->text[l->at] != quote))
            return true;
        if (c == quote)
            l->at++; /* '' */
        if (c == '\\' && quote == '"' ? !put_escape(l) : !tm_buf_putc(l->token, c))
            return false;
    }
    return false;
}

/* Up to the last colon before white space. */
static bool take_plain(struct line *l)
{
    size_t end = l->n;
    while (end > l->at && !(l->text[end - 1] == ':' && end < l->n && l->text[end] == ' '))
        end--;
    if (end <= l->at + 1)
        return false;
    tm_buf_append(l->token, l->text + l->at, end - 1 - l->at);
    l->at = end - 1;
    return !l->token->failed;
}

/* ": 17" */
static bool take_id(const struct line *l, int32_t *ret)
{
    size_t at = l->at;
    int64_t id;
    if (at == l->n || l->text[at++] != ':')
        return false;
    while (at < l->n && l->text[at] == ' ')
        at++;
    if (!tm_json_number_i64(l->text + at, l->n - at, &id) || id < 0 || id >= ID_MOST)
        return false;
    *ret = (int32_t)id;
    return true;
}

/* ---- the file ---- */

static bool is_blank(const struct line *l)
{
    return l->n == 0 || l->text[0] == '#' || (l->n == 3 && memcmp(l->text, "---", 3) == 0);
}

static bool read_line(struct line *l, int32_t *ret_id)
{
    l->token->len = 0;
    bool quoted = l->text[0] == '"' || l->text[0] == '\'';
    return (quoted ? take_quoted(l) : take_plain(l)) && take_id(l, ret_id) &&
           tm_utf8_valid(l->token->data, l->token->len) == l->token->len;
}

static enum tm_status read_lines(const char *path, struct vocab_builder *b, int32_t *ret_most,
                                 struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf file = {0}, token = {0};
    enum tm_status s = tok_read_file(path, FILE_MOST, &file, err);
    int number = 0;
    for (size_t at = 0, n; s == TM_OK && at < file.len; at += n + 1) {
        const char *text = file.data + at, *end = memchr(text, '\n', file.len - at);
        n = end != NULL ? (size_t)(end - text) : file.len - at;
        struct line l = {text, n - (n > 0 && text[n - 1] == '\r'), 0, &token};
        int32_t id = 0;
        number++;
        if (is_blank(&l))
            continue;
        if (l.n > TOKEN_MOST || !tm_buf_reserve(&token, 1) || !read_line(&l, &id))
            return token.failed ? tm_err_set(err, TM_NOMEM, "no memory for a token")
                                : tm_err_set(err, TM_BADINPUT, "%s:%d: not a token and its id",
                                             path, number);
        if (!tok_vocab_add(b, token.data, token.len, id, 0))
            return tm_err_set(err, TM_NOMEM, "no memory for the vocabulary");
        *ret_most = TM_MAX(*ret_most, id);
    }
    return s;
}

/* Padding that is not there comes last, as Hugging Face's converter puts it. */
enum tm_status tok_read_vocab_yml(struct tm_tokenizer *t, const char *path, struct tm_err *err)
{
    struct vocab_builder b = {0};
    int32_t most = -1;
    size_t at = 0;
    enum tm_status s = read_lines(path, &b, &most, err);
    if (s == TM_OK && !tok_vocab_add(&b, "<pad>", 5, most + 1, 0))
        s = tm_err_set(err, TM_NOMEM, "no memory for the vocabulary");
    if (s == TM_OK)
        s = tok_vocab_build(&b, &t->model.vocab, t->arena, TWICE_FIRST, &at, err);
    tok_vocab_builder_finish(&b);
    return s;
}
