/* The two vocabularies of a page: element names, and words of class and id attributes. */
#ifndef CLEAN_WORDS_H
#define CLEAN_WORDS_H

#include "tm_pipeline.h"

/* Why something was taken out; the names appear in a result's cleaning.removed. Rows up to
 * "repeated" count elements and lines, the rest characters. */
#define TM_RULE_LIST(X)                                                                            \
    X(NONE, "")                                                                                    \
    X(NAVIGATION, "navigation")                                                                    \
    X(FOOTER, "footer")                                                                            \
    X(SIDEBAR, "sidebar")                                                                          \
    X(FORM, "form")                                                                                \
    X(MEDIA, "media")                                                                              \
    X(RELATED, "related")                                                                          \
    X(SHARE, "share")                                                                              \
    X(NEWSLETTER, "newsletter")                                                                    \
    X(CONSENT, "consent")                                                                          \
    X(TAGS, "tags")                                                                                \
    X(AUTHOR, "author")                                                                            \
    X(META, "meta")                                                                                \
    X(ADS, "ads")                                                                                  \
    X(COMMENTS, "comments")                                                                        \
    X(HIDDEN, "hidden")                                                                            \
    X(TEASER, "teaser")                                                                            \
    X(LINKS, "links")                                                                              \
    X(TITLE, "title_echo")                                                                         \
    X(REPEATED, "repeated")                                                                        \
    X(CONTROLS, "control_characters")                                                              \
    X(ZERO_WIDTH, "zero_width_characters")                                                         \
    X(BIDI, "bidi_controls")                                                                       \
    X(TAG_CHARS, "tag_characters")                                                                 \
    X(SELECTORS, "variation_selectors")                                                            \
    X(PRIVATE_USE, "private_use_characters")                                                       \
    X(REPOST, "repost_mark")                                                                       \
    X(MEDIA_LINK, "media_link")

enum tm_rule {
#define X(name, text) TM_RULE_##name,
    TM_RULE_LIST(X)
#undef X
        TM_RULE_COUNT
};
extern const char *const tm_rule_names[TM_RULE_COUNT];

/* What an element is, as far as cleaning cares. */
enum {
    TAG_BLOCK = 1, /* separates paragraphs */
    TAG_PARA = 2,  /* text directly inside is meant as running text */
    TAG_SKIP = 4,  /* its content is never text */
    TAG_VOID = 8,
    TAG_LANDMARK = 16, /* may hold an article */
    TAG_PRUNABLE = 32, /* may be taken out for a word of its class or id */
    TAG_LIST = 64,
};

/*  id  name  flags  kind of paragraph  rule that drops it  */
#define TM_TAG_LIST(X)                                                                             \
    X(A, "a", 0, COUNT, NONE)                                                                      \
    X(ADDRESS, "address", TAG_BLOCK, COUNT, NONE)                                                  \
    X(ARTICLE, "article", TAG_BLOCK | TAG_LANDMARK, COUNT, NONE)                                   \
    X(ASIDE, "aside", TAG_BLOCK | TAG_PRUNABLE, COUNT, SIDEBAR)                                    \
    X(AUDIO, "audio", TAG_SKIP, COUNT, NONE)                                                       \
    X(BASE, "base", TAG_VOID, COUNT, NONE)                                                         \
    X(BLOCKQUOTE, "blockquote", TAG_BLOCK | TAG_PARA, QUOTE, NONE)                                 \
    X(BODY, "body", TAG_BLOCK, COUNT, NONE)                                                        \
    X(BR, "br", TAG_VOID, COUNT, NONE)                                                             \
    X(BUTTON, "button", 0, COUNT, FORM)                                                            \
    X(CANVAS, "canvas", TAG_SKIP, COUNT, NONE)                                                     \
    X(CAPTION, "caption", TAG_BLOCK | TAG_PARA, P, NONE)                                           \
    X(CENTER, "center", TAG_BLOCK, COUNT, NONE)                                                    \
    X(DATALIST, "datalist", TAG_SKIP, COUNT, NONE)                                                 \
    X(DD, "dd", TAG_BLOCK | TAG_PARA | TAG_PRUNABLE, LI, NONE)                                     \
    X(DETAILS, "details", TAG_BLOCK, COUNT, NONE)                                                  \
    X(DIALOG, "dialog", TAG_BLOCK, COUNT, HIDDEN)                                                  \
    X(DIV, "div", TAG_BLOCK | TAG_LANDMARK | TAG_PRUNABLE, COUNT, NONE)                            \
    X(DL, "dl", TAG_BLOCK | TAG_PRUNABLE | TAG_LIST, COUNT, NONE)                                  \
    X(DT, "dt", TAG_BLOCK | TAG_PARA | TAG_PRUNABLE, LI, NONE)                                     \
    X(EMBED, "embed", TAG_VOID, COUNT, NONE)                                                       \
    X(FIELDSET, "fieldset", TAG_BLOCK, COUNT, FORM)                                                \
    X(FIGCAPTION, "figcaption", TAG_BLOCK | TAG_PARA, P, MEDIA)                                    \
    X(FIGURE, "figure", TAG_BLOCK, COUNT, MEDIA)                                                   \
    X(FOOTER, "footer", TAG_BLOCK, COUNT, FOOTER)                                                  \
    X(FORM, "form", TAG_BLOCK, COUNT, FORM)                                                        \
    X(FRAME, "frame", TAG_VOID, COUNT, NONE)                                                       \
    X(H1, "h1", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(H2, "h2", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(H3, "h3", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(H4, "h4", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(H5, "h5", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(H6, "h6", TAG_BLOCK | TAG_PARA, HEADING, NONE)                                               \
    X(HEAD, "head", TAG_BLOCK, COUNT, NONE)                                                        \
    X(HEADER, "header", TAG_BLOCK, COUNT, NONE)                                                    \
    X(HGROUP, "hgroup", TAG_BLOCK, COUNT, NONE)                                                    \
    X(HR, "hr", TAG_BLOCK | TAG_VOID, COUNT, NONE)                                                 \
    X(HTML, "html", TAG_BLOCK, COUNT, NONE)                                                        \
    X(IFRAME, "iframe", TAG_SKIP, COUNT, NONE)                                                     \
    X(IMG, "img", TAG_VOID, COUNT, NONE)                                                           \
    X(INPUT, "input", TAG_VOID, COUNT, NONE)                                                       \
    X(LABEL, "label", 0, COUNT, FORM)                                                              \
    X(LEGEND, "legend", TAG_BLOCK, COUNT, FORM)                                                    \
    X(LI, "li", TAG_BLOCK | TAG_PARA | TAG_PRUNABLE, LI, NONE)                                     \
    X(LINK, "link", TAG_VOID, COUNT, NONE)                                                         \
    X(LISTING, "listing", TAG_BLOCK | TAG_PARA, CODE, NONE)                                        \
    X(MAIN, "main", TAG_BLOCK | TAG_LANDMARK, COUNT, NONE)                                         \
    X(MAP, "map", TAG_SKIP, COUNT, NONE)                                                           \
    X(MENU, "menu", TAG_BLOCK | TAG_LIST, COUNT, NAVIGATION)                                       \
    X(META, "meta", TAG_VOID, COUNT, NONE)                                                         \
    X(NAV, "nav", TAG_BLOCK, COUNT, NAVIGATION)                                                    \
    X(NOFRAMES, "noframes", TAG_SKIP, COUNT, NONE)                                                 \
    X(NOSCRIPT, "noscript", TAG_SKIP, COUNT, NONE)                                                 \
    X(OBJECT, "object", TAG_SKIP, COUNT, NONE)                                                     \
    X(OL, "ol", TAG_BLOCK | TAG_PRUNABLE | TAG_LIST, COUNT, NONE)                                  \
    X(OPTION, "option", TAG_SKIP, COUNT, NONE)                                                     \
    X(OUTPUT, "output", 0, COUNT, FORM)                                                            \
    X(P, "p", TAG_BLOCK | TAG_PARA | TAG_PRUNABLE, COUNT, NONE)                                    \
    X(PICTURE, "picture", TAG_SKIP, COUNT, NONE)                                                   \
    X(PRE, "pre", TAG_BLOCK | TAG_PARA, CODE, NONE)                                                \
    X(PROGRESS, "progress", TAG_SKIP, COUNT, NONE)                                                 \
    X(RP, "rp", TAG_SKIP, COUNT, NONE)                                                             \
    X(RT, "rt", TAG_SKIP, COUNT, NONE)                                                             \
    X(SCRIPT, "script", TAG_SKIP, COUNT, NONE)                                                     \
    X(SECTION, "section", TAG_BLOCK | TAG_LANDMARK | TAG_PRUNABLE, COUNT, NONE)                    \
    X(SELECT, "select", TAG_SKIP, COUNT, NONE)                                                     \
    X(SPAN, "span", TAG_PRUNABLE, COUNT, NONE)                                                     \
    X(STYLE, "style", TAG_SKIP, COUNT, NONE)                                                       \
    X(SUMMARY, "summary", TAG_BLOCK | TAG_PARA, P, NONE)                                           \
    X(SVG, "svg", TAG_SKIP, COUNT, NONE)                                                           \
    X(TABLE, "table", TAG_BLOCK, COUNT, NONE)                                                      \
    X(TBODY, "tbody", TAG_BLOCK, COUNT, NONE)                                                      \
    X(TD, "td", TAG_PARA, COUNT, NONE)                                                             \
    X(TEMPLATE, "template", TAG_SKIP, COUNT, NONE)                                                 \
    X(TEXTAREA, "textarea", TAG_SKIP, COUNT, NONE)                                                 \
    X(TFOOT, "tfoot", TAG_BLOCK, COUNT, NONE)                                                      \
    X(TH, "th", TAG_PARA, COUNT, NONE)                                                             \
    X(THEAD, "thead", TAG_BLOCK, COUNT, NONE)                                                      \
    X(TIME, "time", 0, COUNT, META)                                                                \
    X(TITLE, "title", TAG_SKIP, COUNT, NONE)                                                       \
    X(TR, "tr", TAG_BLOCK | TAG_PARA, TABLE_ROW, NONE)                                             \
    X(UL, "ul", TAG_BLOCK | TAG_PRUNABLE | TAG_LIST, COUNT, NONE)                                  \
    X(VIDEO, "video", TAG_SKIP, COUNT, NONE)                                                       \
    X(XMP, "xmp", TAG_BLOCK | TAG_PARA, CODE, NONE)

enum tm_tag {
    TM_TAG_OTHER,
#define X(id, name, flags, kind, rule) TM_TAG_##id,
    TM_TAG_LIST(X)
#undef X
        TM_TAG_COUNT
};

struct tm_tag_row {
    const char *name;
    uint8_t flags, kind /* enum tm_block, TM_BLOCK_COUNT: as the parent's */, rule;
};
extern const struct tm_tag_row tm_tags[TM_TAG_COUNT];

/* Where the article is likely to be: the tiers of landmark.c, best first, as bits. */
enum { TIER_BODY = 1, TIER_ARTICLE = 2, TIER_STORY = 4, TIER_CONTENT = 8, TIER_MAIN = 16 };
enum { TIER_COUNT = 5 };

/* What the text of class and id attributes hints at, as bits; words count wherever they stand in
 * it, as Readability reads them. */
enum {
    HINT_UNLIKELY = 1, /* hardly part of an article … */
    HINT_MAYBE = 2,    /* … unless this is there too */
    HINT_GOOD = 4,
    HINT_BAD = 8,
    HINT_BYLINE = 16,
    HINT_SHARE = 32,
};

struct tm_vocabulary; /* hash tables over the rows; read-only, shared by threads */
struct tm_vocabulary *tm_vocabulary_create(void);
void tm_vocabulary_destroy(struct tm_vocabulary *v);

enum tm_tag tm_vocabulary_tag(const struct tm_vocabulary *v, const char *name);
/* What the value of a class or id attribute says: the tiers it speaks for, and the rule that would
 * drop the element (TM_RULE_NONE: none). */
void tm_vocabulary_classify(const struct tm_vocabulary *v, const char *value, uint8_t *tiers,
                            uint8_t *rule);

/* hints.c: HINT_* bits of the value of a class or id attribute, in one pass. */
struct tm_hints;
struct tm_hints *tm_hints_create(void); /* NULL when memory is short */
void tm_hints_destroy(struct tm_hints *h);
unsigned tm_hints_find(const struct tm_hints *h, const char *value);
/* The vocabulary's. */
unsigned tm_vocabulary_hints(const struct tm_vocabulary *v, const char *value);

#endif
