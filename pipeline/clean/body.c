/* Article bodies that a page holds in its scripts (JSON-LD, embedded state), as paragraphs. They
 * are plain text or markup; every line end and every tag that is not inline ends a paragraph.
 * Called by clean.c. */
#include "clean.h"

#include <string.h>

/* Length of a tag at s, 0: none. */
static size_t tag_length(const char *s, const char *end)
{
    bool opens = end - s > 2 && s[0] == '<' && (s[1] == '/' || (s[1] | 32) >= 'a');
    const char *close = opens ? memchr(s, '>', TM_MIN((size_t)(end - s), (size_t)1024)) : NULL;
    return close == NULL ? 0 : (size_t)(close - s) + 1;
}

static bool is_inline_tag(const struct tm_vocabulary *v, const char *s, size_t n)
{
    char name[16] = "";
    size_t skip = s[1] == '/' ? 2 : 1;
    for (size_t i = skip, k = 0; i < n && k + 1 < sizeof name && (s[i] | 32) >= 'a'; i++)
        name[k++] = (char)(s[i] | 32);
    enum tm_tag tag = tm_vocabulary_tag(v, name);
    return tag != TM_TAG_BR && !(tm_tags[tag].flags & TAG_BLOCK);
}

/* One paragraph of b from s on; where the next begins. */
static const char *write_paragraph(struct tm_cleaner *c, const struct tm_body *b, const char *s)
{
    struct tm_writer *w = &c->writer;
    const char *end = b->text + b->len;
    tm_writer_begin(w, TM_BLOCK_P, TM_WRITER_FLOW, UINT32_MAX);
    while (s < end && *s != '\n') {
        uint32_t cp = 0;
        char code[4];
        size_t tag = tag_length(s, end);
        if (tag > 0 && !is_inline_tag(c->vocabulary, s, tag)) {
            s += tag - 1; /* stands for the line end */
            break;
        }
        size_t ref = *s == '&' ? tm_meta_reference(s, (size_t)(end - s), &cp) : 0;
        const char *stop = s + (tag + ref > 0 ? 0 : 1);
        while (tag + ref == 0 && stop < end && memchr("\n<&", *stop, 3) == NULL)
            stop++;
        if (ref > 0)
            tm_writer_put(w, code, tm_utf8_encode(cp, code), b->source, b->source_end, false);
        else if (stop > s)
            tm_writer_put(w, s, (size_t)(stop - s), b->source, b->source_end, false);
        s = stop + tag + ref;
    }
    tm_writer_end(w);
    return s + 1;
}

void tm_body_write(struct tm_cleaner *c, const struct tm_body *b)
{
    for (const char *s = b->text; s < b->text + b->len;)
        s = write_paragraph(c, b, s);
}
