/* Element names and the words that sites use in class and id attributes, as tables, and their
 * look-up: one hash table each, probed at every prefix of a word while the word is read once.
 * Made by the stage at start, read by html.c on any thread. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

const char *const tm_rule_names[TM_RULE_COUNT] = {
#define X(name, text) [TM_RULE_##name] = text,
    TM_RULE_LIST(X)
#undef X
};

const struct tm_tag_row tm_tags[TM_TAG_COUNT] = {
    [TM_TAG_OTHER] = {"", 0, TM_BLOCK_COUNT, TM_RULE_NONE},
#define X(id, name, flags, kind, rule)                                                             \
    [TM_TAG_##id] = {name, flags, TM_BLOCK_##kind, TM_RULE_##rule},
    TM_TAG_LIST(X)
#undef X
};

/* What a word stands for. Two of them in one name ("article-body", "articleBody") make a tier. */
enum {
    W_ARTICLE = 1, /* article, post, entry: one piece of writing */
    W_STORY = 2,   /* weaker names for the same */
    W_BODY = 4,    /* body, text, content: its running text */
    W_CONTENT = 8,
    W_MAIN = 16,
    W_PAGE = 32,
    W_OTHER = 64,   /* a part of an article that is not its text: header, image, list */
    W_WHOLE = 128,  /* says article text on its own */
    W_PREFIX = 256, /* so does every word that begins with it */
    W_FIRST = 512,  /* drops only where it begins the name: "comment-list", not "has-comments" */
};

struct word {
    const char *text;
    uint16_t bits;
    uint8_t rule;
};

#define DROP(rule, word)   {word, 0, TM_RULE_##rule},
#define DROP_P(rule, word) {word, W_PREFIX, TM_RULE_##rule},
#define DROP_F(rule, word) {word, W_PREFIX | W_FIRST, TM_RULE_##rule},
#define MARK(bits, word)   {word, bits, TM_RULE_NONE},

/* clang-format off */
static const struct word words[] = {
    MARK(W_ARTICLE, "article") MARK(W_ARTICLE, "post") MARK(W_ARTICLE, "entry")
    MARK(W_ARTICLE, "artikel") MARK(W_ARTICLE, "art") MARK(W_ARTICLE, "beitrag")
    MARK(W_ARTICLE, "articulo") MARK(W_ARTICLE, "articolo") MARK(W_ARTICLE, "articles")
    MARK(W_STORY, "story") MARK(W_STORY, "blog") MARK(W_STORY, "single") MARK(W_STORY, "news")
    MARK(W_STORY, "theme") MARK(W_STORY, "section") MARK(W_STORY, "field") MARK(W_STORY, "full")
    MARK(W_STORY, "primary") MARK(W_STORY, "topic") MARK(W_STORY, "paragraph")
    MARK(W_BODY, "body") MARK(W_BODY, "text") MARK(W_BODY, "bodytext") MARK(W_BODY, "copy")
    MARK(W_CONTENT, "content") MARK(W_CONTENT, "contents") MARK(W_CONTENT, "inhalt")
    MARK(W_CONTENT, "contenu") MARK(W_CONTENT, "container")
    MARK(W_MAIN, "main") MARK(W_PAGE, "page")
    MARK(W_WHOLE, "articlebody") MARK(W_WHOLE, "articletext") MARK(W_WHOLE, "articlecontent")
    MARK(W_WHOLE, "postcontent") MARK(W_WHOLE, "postbody") MARK(W_WHOLE, "posttext")
    MARK(W_WHOLE, "postentry") MARK(W_WHOLE, "entrycontent") MARK(W_WHOLE, "entrytext")
    MARK(W_WHOLE, "storybody") MARK(W_WHOLE, "storycontent") MARK(W_WHOLE, "storytext")
    MARK(W_WHOLE, "artikeltext") MARK(W_WHOLE, "artikelbody") MARK(W_WHOLE, "fulltext")
    MARK(W_WHOLE, "bodycopy") MARK(W_WHOLE, "bodytext") MARK(W_WHOLE, "newstext")
    MARK(W_MAIN | W_CONTENT, "maincontent") MARK(W_MAIN | W_CONTENT, "contentmain")
    MARK(W_MAIN | W_CONTENT, "contentbody") MARK(W_PAGE | W_CONTENT, "pagecontent")
    MARK(W_OTHER, "header") MARK(W_OTHER, "head") MARK(W_OTHER, "title") MARK(W_OTHER, "image")
    MARK(W_OTHER, "images") MARK(W_OTHER, "img") MARK(W_OTHER, "video") MARK(W_OTHER, "photo")
    MARK(W_OTHER, "preview") MARK(W_OTHER, "card") MARK(W_OTHER, "cards") MARK(W_OTHER, "grid")
    MARK(W_OTHER, "item") MARK(W_OTHER, "items") MARK(W_OTHER, "list") MARK(W_OTHER, "link")
    MARK(W_OTHER, "links") MARK(W_OTHER, "headline") MARK(W_OTHER, "icon") MARK(W_OTHER, "thumb")
    MARK(W_OTHER, "thumbnail") MARK(W_OTHER, "col") MARK(W_OTHER, "no")

    DROP(NAVIGATION, "nav") DROP(NAVIGATION, "navi") DROP_P(NAVIGATION, "navig")
    DROP_P(NAVIGATION, "navbar") DROP_P(NAVIGATION, "navbox") DROP_P(NAVIGATION, "subnav")
    DROP_P(NAVIGATION, "menu") DROP_P(NAVIGATION, "breadcrumb") DROP_P(NAVIGATION, "crumb")
    DROP(NAVIGATION, "bread") DROP_P(NAVIGATION, "pagination") DROP(NAVIGATION, "pager")
    DROP(NAVIGATION, "paging") DROP_P(NAVIGATION, "toolbar") DROP_P(NAVIGATION, "topbar")
    DROP(NAVIGATION, "skiplinks") DROP(NAVIGATION, "toc")
    DROP_P(FOOTER, "footer") DROP(FOOTER, "colophon") DROP(FOOTER, "copyright")
    DROP(FOOTER, "imprint") DROP(FOOTER, "impressum")
    DROP_P(SIDEBAR, "sidebar") DROP_P(SIDEBAR, "widget") DROP(SIDEBAR, "aside")
    DROP_P(SIDEBAR, "factbox") DROP_P(SIDEBAR, "infobox") DROP_P(SIDEBAR, "infobar")
    DROP(FORM, "button") DROP(FORM, "buttons") DROP(FORM, "btn") DROP_P(FORM, "searchform")
    DROP_P(FORM, "login") DROP(FORM, "poll")
    DROP_P(MEDIA, "embed") DROP(MEDIA, "attachment") DROP_P(MEDIA, "slideshow")
    DROP_P(MEDIA, "carousel") DROP_P(MEDIA, "lightbox") DROP_P(MEDIA, "gallery")
    DROP_P(MEDIA, "caption") DROP_P(MEDIA, "player")
    DROP_P(RELATED, "related") DROP_P(RELATED, "recommend") DROP_P(RELATED, "viral")
    DROP_P(RELATED, "outbrain") DROP_P(RELATED, "taboola") DROP_P(RELATED, "criteo")
    DROP_P(RELATED, "trending") DROP(RELATED, "popular") DROP(RELATED, "mostpopular")
    DROP(RELATED, "mostread") DROP_P(RELATED, "readmore") DROP_P(RELATED, "suggest")
    DROP(RELATED, "similar") DROP(RELATED, "upnext") DROP(RELATED, "stories")
    DROP(RELATED, "next") DROP_P(RELATED, "zergnet") DROP_P(RELATED, "verwandt")
    DROP_P(SHARE, "share") DROP_P(SHARE, "sharing") DROP_P(SHARE, "shariff")
    DROP_P(SHARE, "social") DROP(SHARE, "sociable") DROP_P(SHARE, "addthis")
    DROP_P(SHARE, "addtoany") DROP(SHARE, "syndication") DROP(SHARE, "dpsp") DROP(SHARE, "jp")
    DROP_P(SHARE, "ssba") DROP(SHARE, "followus")
    DROP_P(NEWSLETTER, "newsletter") DROP_P(NEWSLETTER, "subscri") DROP_P(NEWSLETTER, "signup")
    DROP_P(NEWSLETTER, "mailchimp") DROP(NEWSLETTER, "mailing") DROP_P(NEWSLETTER, "abonn")
    DROP_P(CONSENT, "cookie") DROP_P(CONSENT, "consent") DROP(CONSENT, "gdpr")
    DROP(CONSENT, "dsgvo") DROP_P(CONSENT, "banner") DROP_P(CONSENT, "permission")
    DROP_P(CONSENT, "paywall")
    DROP(TAGS, "tags") DROP_P(TAGS, "tagcloud") DROP_P(TAGS, "taglist") DROP_P(TAGS, "keyword")
    DROP(TAGS, "categories") DROP(TAGS, "topics") DROP(TAGS, "hashtags")
    DROP_P(AUTHOR, "author") DROP_P(AUTHOR, "byline") DROP(AUTHOR, "vcard") DROP(AUTHOR, "autor")
    DROP(AUTHOR, "bio") DROP_P(AUTHOR, "profile")
    DROP_P(META, "postmeta") DROP_P(META, "entrymeta") DROP(META, "meta") DROP(META, "metadata")
    DROP_P(META, "timestamp") DROP_P(META, "rating") DROP(META, "infos") DROP(META, "infoline")
    DROP(META, "dateline") DROP(META, "userinfo")
    DROP(ADS, "ad") DROP(ADS, "ads") DROP(ADS, "adv") DROP_P(ADS, "advert") DROP_P(ADS, "sponsor")
    DROP_P(ADS, "adsense") DROP_P(ADS, "promo") DROP_P(ADS, "anzeige") DROP_P(ADS, "werbung")
    DROP_P(ADS, "publicit") DROP_P(ADS, "affiliate") DROP_P(ADS, "dfp")
    DROP_F(COMMENTS, "comment") DROP_F(COMMENTS, "kommentar") DROP_P(COMMENTS, "disqus")
    DROP_P(COMMENTS, "akismet") DROP_F(COMMENTS, "reply") DROP(COMMENTS, "respond")
    DROP(COMMENTS, "nocomments") DROP(COMMENTS, "dsq") DROP_P(COMMENTS, "commentlist")
    DROP(COMMENTS, "comol") DROP_F(COMMENTS, "commentaire") DROP_F(COMMENTS, "pinglist")
    DROP_F(COMMENTS, "trackback")
    DROP(HIDDEN, "hidden") DROP(HIDDEN, "hide") DROP_P(HIDDEN, "noprint") DROP(HIDDEN, "notloaded")
    DROP(HIDDEN, "invisible") DROP(HIDDEN, "screenreader") DROP_P(HIDDEN, "modal")
    DROP_P(HIDDEN, "popup") DROP_P(HIDDEN, "overlay") DROP_P(HIDDEN, "tooltip")
    DROP_P(TEASER, "teaser")
};
/* clang-format on */

enum { SLOTS = 2048 }; /* of each table: several times the rows */

struct vocabulary_slot {
    uint32_t hash;
    uint16_t row; /* +1; 0: free */
    uint16_t len;
};

struct tm_vocabulary {
    struct vocabulary_slot words[SLOTS], tags[SLOTS];
    struct tm_hints *hints;
};

enum { HASH_START = 2166136261u }; /* FNV-1a */

static uint32_t hash_step(uint32_t h, char c)
{
    return (h ^ (unsigned char)c) * 16777619u;
}

static void insert(struct vocabulary_slot *slots, const char *text, size_t row)
{
    uint32_t h = HASH_START;
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        h = hash_step(h, text[i]);
    size_t at = h % SLOTS;
    while (slots[at].row != 0)
        at = (at + 1) % SLOTS;
    slots[at] = (struct vocabulary_slot){h, (uint16_t)(row + 1), (uint16_t)n};
}

struct tm_vocabulary *tm_vocabulary_create(void)
{
    struct tm_vocabulary *v = calloc(1, sizeof *v);
    if (v == NULL)
        return NULL;
    v->hints = tm_hints_create();
    if (v->hints == NULL) {
        free(v);
        return NULL;
    }
    for (size_t i = 0; i < TM_COUNTOF(words); i++)
        insert(v->words, words[i].text, i);
    for (size_t i = 1; i < TM_TAG_COUNT; i++)
        insert(v->tags, tm_tags[i].name, i);
    return v;
}

void tm_vocabulary_destroy(struct tm_vocabulary *v)
{
    if (v != NULL)
        tm_hints_destroy(v->hints);
    free(v);
}

unsigned tm_vocabulary_hints(const struct tm_vocabulary *v, const char *value)
{
    return tm_hints_find(v->hints, value);
}

enum tm_tag tm_vocabulary_tag(const struct tm_vocabulary *v, const char *name)
{
    uint32_t h = HASH_START;
    size_t n = 0;
    for (; name[n] != '\0'; n++)
        h = hash_step(h, name[n]);
    for (size_t at = h % SLOTS; v->tags[at].row != 0; at = (at + 1) % SLOTS) {
        const struct vocabulary_slot *s = &v->tags[at];
        if (s->hash == h && s->len == n && memcmp(tm_tags[s->row - 1].name, name, n) == 0)
            return (enum tm_tag)(s->row - 1);
    }
    return TM_TAG_OTHER;
}

static const struct word *find_word(const struct tm_vocabulary *v, const char *text, size_t n,
                                    uint32_t h)
{
    for (size_t at = h % SLOTS; v->words[at].row != 0; at = (at + 1) % SLOTS) {
        const struct vocabulary_slot *s = &v->words[at];
        if (s->hash == h && s->len == n && memcmp(words[s->row - 1].text, text, n) == 0)
            return &words[s->row - 1];
    }
    return NULL;
}

/* The row of a word: itself, or else the longest row that is a prefix and may be one. */
static const struct word *look_up(const struct tm_vocabulary *v, const char *text, size_t n)
{
    const struct word *best = NULL;
    uint32_t h = HASH_START;
    for (size_t i = 0; i < n; i++) {
        h = hash_step(h, text[i]);
        const struct word *w = i > 0 ? find_word(v, text, i + 1, h) : NULL;
        if (w != NULL && (i + 1 == n || (w->bits & W_PREFIX)))
            best = w;
    }
    return best;
}

/* Tiers from the words of one name and from the whole value. */
static uint8_t tiers_of(unsigned bits, const char *value, bool one_word)
{
    uint8_t tiers = 0;
    bool text = bits & (W_BODY | W_CONTENT);
    if (bits & W_OTHER)
        return 0;
    if ((bits & W_WHOLE) || ((bits & W_ARTICLE) && text) || ((bits & W_PAGE) && text) ||
        (bits & (W_BODY | W_CONTENT)) == (W_BODY | W_CONTENT) ||
        (one_word && (strcmp(value, "post") == 0 || strcmp(value, "entry") == 0)))
        tiers |= TIER_BODY;
    if (((bits & W_STORY) && text) || (bits & (W_STORY | W_ARTICLE)) == (W_STORY | W_ARTICLE) ||
        (one_word && (bits & (W_STORY | W_ARTICLE | W_BODY))))
        tiers |= TIER_STORY;
    if (((bits & W_MAIN) && text) || (one_word && (bits & W_CONTENT)))
        tiers |= TIER_CONTENT;
    if (bits & W_MAIN)
        tiers |= TIER_MAIN;
    return tiers;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Copies one word in lower case: letters and digits, ended by anything else or by a capital after a
 * small letter. Returns how far it read. */
static size_t cut_word(const char *s, char *out, size_t room, size_t *ret_len)
{
    size_t i = 0, n = 0;
    for (; is_alnum(s[i]); i++) {
        bool capital = s[i] >= 'A' && s[i] <= 'Z';
        if (i > 0 && capital && !(s[i - 1] >= 'A' && s[i - 1] <= 'Z'))
            break;
        if (n < room)
            out[n++] = capital ? (char)(s[i] + 32) : s[i];
    }
    *ret_len = n;
    return i;
}

void tm_vocabulary_classify(const struct tm_vocabulary *v, const char *value, uint8_t *tiers,
                            uint8_t *rule)
{
    unsigned bits = 0;
    bool first = true;
    bool one_word = strpbrk(value, " \t\r\n\f-_") == NULL;
    for (const char *s = value; *s != '\0';) {
        if (!is_alnum(*s)) {
            bool gap = *s == ' ' || (*s >= '\t' && *s <= '\r');
            if (gap) { /* the next name begins */
                *tiers |= tiers_of(bits, value, false);
                bits = 0;
                first = true;
            }
            s++;
            continue;
        }
        char text[32];
        size_t n;
        s += cut_word(s, text, sizeof text, &n);
        const struct word *w = look_up(v, text, n);
        if (w != NULL) {
            bits |= w->bits;
            if (*rule == TM_RULE_NONE && (first || !(w->bits & W_FIRST)))
                *rule = w->rule;
        }
        first = false;
    }
    *tiers |= tiers_of(bits, value, one_word);
}
