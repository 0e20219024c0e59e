/* Redaction in the clean stage (redact.h): of text while it is written, before anybody else has
 * seen it, and of what goes around it. On the stage's threads; the policy is shared and read-only.
 */
#include "redact.h"
#include "rewrite.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MOST = 4096 };

static const char *const operator_names[] = {
    [TM_PII_MASK] = "mask",
    [TM_PII_REPLACE] = "replace",
    [TM_PII_HASH] = "hash",
    [TM_PII_DROP] = "drop",
};

/* ---- policy ---- */

static enum tm_status read_types(const char *words, unsigned *ret_types, struct tm_err *err)
{
    unsigned types = 0;
    for (const char *w = words; *w != '\0';) {
        size_t n = strcspn(w, ","), i = 0;
        while (i < TM_PII_COUNT &&
               (strncmp(tm_pii_names[i], w, n) != 0 || tm_pii_names[i][n] != '\0'))
            i++;
        if (i == TM_PII_COUNT)
            return tm_err_set(err, TM_CONFIG, "redact.types: there is no type \"%.*s\"",
                              (int)TM_MIN(n, (size_t)80), w);
        types |= 1u << i;
        w += n + (w[n] == ',');
    }
    /* An address on the web names nobody. */
    *ret_types = types != 0 ? types : ((1u << TM_PII_COUNT) - 1) & ~(1u << TM_PII_URL);
    return TM_OK;
}

enum tm_status tm_redact_open(const struct tm_conf *conf, struct tm_redact_policy *ret_policy,
                              struct tm_err *err)
{
    struct tm_redact_policy *p = ret_policy;
    *p = (struct tm_redact_policy){.others = strcmp(conf->redact_documents, "all") == 0};
    p->social = p->others || strcmp(conf->redact_documents, "social") == 0;
    for (size_t i = 0; i < TM_COUNTOF(operator_names); i++)
        if (strcmp(operator_names[i], conf->redact_operator) == 0)
            p->how.operator=(enum tm_pii_operator) i;
    enum tm_status s = read_types(conf->redact_types, &p->how.types, err);
    if (s == TM_OK && conf->redact_key_file[0] != '\0')
        s = tm_read_file(conf->redact_key_file, KEY_MOST, &p->how.key, err);
    if (s == TM_OK && p->how.operator== TM_PII_HASH && p->how.key.len == 0)
        s = tm_err_set(err, TM_CONFIG, "redact.operator hash needs a key in redact.key_file");
    return s;
}

void tm_redact_close(struct tm_redact_policy *p)
{
    tm_buf_finish(&p->how.key);
}

/* ---- text ---- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* What is dropped takes the blanks with it that would be left over. */
static void take_blanks(const struct tm_rewrite *r, size_t at, struct tm_pii_span *s)
{
    bool before = s->start == 0 || is_blank(r->text[s->start - 1]);
    while (before && s->end < r->len && is_blank(r->text[s->end]))
        s->end++;
    while (s->end == r->len && s->start > at && is_blank(r->text[s->start - 1]))
        s->start--;
}

void tm_redact_settle(struct tm_writer *w)
{
    struct tm_rewrite r;
    struct tm_buf *spans = &w->pii_found, *with = &w->pii_with;
    tm_buf_clear(spans);
    tm_pii_find(w->text.data + w->start, w->text.len - w->start, w->redaction->types, spans);
    const size_t n = spans->len / sizeof(struct tm_pii_span);
    if (n == 0 || tm_writer_failed(w))
        return;
    size_t at = 0;
    tm_rewrite_begin(&r, w);
    for (size_t i = 0; i < n; i++) {
        struct tm_pii_span old = ((struct tm_pii_span *)spans->data)[i], new = old;
        tm_buf_clear(with);
        tm_redaction_put(w->redaction, old.type, r.text + old.start, old.end - old.start, with);
        if (with->len == 0)
            take_blanks(&r, at, &old);
        tm_rewrite_copy(&r, at, old.start);
        new.start = tm_rewrite_at(&r);
        tm_rewrite_replace(&r, old.start, old.end, with->len > 0 ? with->data : "", with->len);
        new.end = tm_rewrite_at(&r);
        tm_buf_append(&w->pii, &new, sizeof new);
        at = old.end;
    }
    tm_rewrite_copy(&r, at, r.len);
    tm_rewrite_end(&r);
}

/* ---- around it ---- */

void tm_redact_around(const struct tm_redaction *r, struct tm_buf *scratch, struct tm_doc *doc,
                      struct tm_err *why)
{
    struct tm_record *rec = &doc->rec;
    const char *bytes = rec->original != NULL ? rec->original : rec->data;
    size_t n = rec->original != NULL ? rec->original_len : rec->len;
    if (doc->title != NULL && tm_redaction_copy(r, doc->title, strlen(doc->title), scratch) > 0 &&
        !scratch->failed)
        doc->title = tm_arena_strndup(doc->arena, scratch->data, scratch->len);
    if (bytes != NULL && tm_redaction_copy(r, bytes, n, scratch) > 0) {
        rec->original =
            scratch->failed ? NULL : tm_arena_strndup(doc->arena, scratch->data, scratch->len);
        rec->original_len = scratch->len;
        if (rec->original == NULL) { /* rather nothing than too much */
            rec->original = "";
            rec->original_len = 0;
        }
    }
    if (why->status != TM_OK && tm_redaction_copy(r, why->text, strlen(why->text), scratch) > 0)
        snprintf(why->text, sizeof why->text, "%s", scratch->failed ? "" : scratch->data);
}
