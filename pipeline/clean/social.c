/* Posts as the models that were trained on them know them: user names and addresses are one word
 * each, whoever they name. TweetEval (Barbieri et al., 2020): tokens between blanks; BERTweet
 * (Nguyen et al., 2020): words inside them, emoji by their Unicode name, ASCII for the curly
 * apostrophe and the ellipsis. Hashtags stay, as in both. Called by writer.c on any thread. */
#include "rewrite.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unicode/uchar.h>

enum { NAME_MOST = 96 };

static const struct {
    const char *name, *user, *address;
} presets[] = {
    [TM_SOCIAL_KEEP] = {"keep", NULL, NULL},
    [TM_SOCIAL_TWEETEVAL] = {"tweeteval", "@user", "http"},
    [TM_SOCIAL_BERTWEET] = {"bertweet", "@USER", "HTTPURL"},
};

enum tm_social tm_social_named(const char *name)
{
    for (size_t i = 0; i < TM_COUNTOF(presets); i++)
        if (strcmp(presets[i].name, name) == 0)
            return (enum tm_social)i;
    return TM_SOCIAL_KEEP;
}

static bool begins(const char *s, size_t n, const char *with)
{
    size_t k = strlen(with);
    return n >= k && strncasecmp(s, with, k) == 0;
}

static size_t token_length(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \n\t", s[i]) == NULL)
        i++;
    return i;
}

/* Letters of a user name behind '@'. */
static size_t user_length(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && (s[i] == '_' || (s[i] >= '0' && s[i] <= '9') ||
                     ((s[i] | 32) >= 'a' && (s[i] | 32) <= 'z')))
        i++;
    return i;
}

/* ---- what stands around a post ---- */

/* "RT @user: " before somebody else's post. */
static size_t repost_mark(const char *s, size_t n)
{
    if (n < 5 || memcmp(s, "RT @", 4) != 0)
        return 0;
    size_t end = 4 + user_length(s + 4, n - 4);
    end += end < n && s[end] == ':';
    return end < n && s[end] == ' ' ? end + 1 : 0;
}

/* Where addresses of t.co begin that end a post, with the blank before them; n: there are none. */
static size_t media_links(const char *s, size_t n)
{
    for (;;) {
        size_t at = n;
        while (at > 0 && strchr(" \n\t", s[at - 1]) == NULL)
            at--;
        if (at == 0 || !begins(s + at, n - at, "https://t.co/"))
            return n;
        n = at - 1;
    }
}

/* ---- what stands inside ---- */

/* ":name_of_it:" of an emoji; the length of the character, 0: not one. */
static size_t emoji(const char *s, size_t n, char name[NAME_MOST])
{
    uint32_t cp, next = 0;
    UErrorCode code = U_ZERO_ERROR;
    size_t len = tm_utf8_decode(s, n, &cp);
    if (len == 0 || cp < 0x80)
        return 0;
    size_t more = len < n ? tm_utf8_decode(s + len, n - len, &next) : 0;
    bool selected = next == 0xfe0f;
    bool joined = cp == 0x200d || (cp >= 0x1f3fb && cp <= 0x1f3ff); /* joiner, skin */
    if (joined && u_hasBinaryProperty((UChar32)cp, UCHAR_EMOJI_COMPONENT)) {
        name[0] = '\0';
        return len;
    }
    if (!u_hasBinaryProperty((UChar32)cp, UCHAR_EMOJI_PRESENTATION) &&
        !(selected && u_hasBinaryProperty((UChar32)cp, UCHAR_EMOJI)))
        return 0;
    name[0] = ':';
    int32_t size = u_charName((UChar32)cp, U_UNICODE_CHAR_NAME, name + 1, NAME_MOST - 2, &code);
    if (U_FAILURE(code) || size <= 0 || size > NAME_MOST - 3)
        return 0;
    for (char *c = name + 1; *c != '\0'; c++)
        *c = *c == ' ' ? '_' : *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c;
    memcpy(name + 1 + size, ":", 2);
    return len + (selected ? more : 0);
}

/* What BERTweet writes for the characters at s; their length, 0: as they are. */
static size_t bertweet(const char *s, size_t n, char with[NAME_MOST])
{
    static const char *const signs[][2] = {{"’", "'"}, {"…", "..."}};
    size_t user = s[0] == '@' ? user_length(s + 1, n - 1) : 0;
    if (user > 0) {
        snprintf(with, NAME_MOST, "%s", presets[TM_SOCIAL_BERTWEET].user);
        return user + 1;
    }
    for (size_t i = 0; i < TM_COUNTOF(signs); i++) {
        if (begins(s, n, signs[i][0])) {
            snprintf(with, NAME_MOST, "%s", signs[i][1]);
            return strlen(signs[i][0]);
        }
    }
    return emoji(s, n, with);
}

/* Rewrites r's text from `at` to `end`, one token. */
static void settle_token(struct tm_rewrite *r, size_t at, size_t end)
{
    const char *s = r->text;
    enum tm_social social = r->w->social;
    bool user = social == TM_SOCIAL_TWEETEVAL && s[at] == '@' && end - at > 1;
    bool address = begins(s + at, end - at, "http") ||
                   (social == TM_SOCIAL_BERTWEET && begins(s + at, end - at, "www."));
    if (user || address) {
        const char *with = user ? presets[social].user : presets[social].address;
        tm_rewrite_replace(r, at, end, with, strlen(with));
        return;
    }
    size_t done = at;
    while (social == TM_SOCIAL_BERTWEET && at < end) {
        char with[NAME_MOST];
        size_t n = bertweet(s + at, end - at, with);
        if (n == 0) {
            at++;
            continue;
        }
        tm_rewrite_copy(r, done, at);
        tm_rewrite_replace(r, at, at + n, with, strlen(with));
        done = at += n;
    }
    tm_rewrite_copy(r, done, end);
}

void tm_social_settle(struct tm_writer *w)
{
    struct tm_rewrite r;
    tm_rewrite_begin(&r, w);
    size_t at = w->separated ? 0 : repost_mark(r.text, r.len);
    size_t end = media_links(r.text, r.len);
    if (end <= at) /* nothing but those */
        end = r.len;
    w->removed[TM_RULE_REPOST] += at > 0;
    w->removed[TM_RULE_MEDIA_LINK] += end < r.len;
    while (at < end) {
        size_t n = token_length(r.text + at, end - at);
        if (n > 0)
            settle_token(&r, at, at + n);
        at += n;
        if (at < end)
            tm_rewrite_copy(&r, at, at + 1);
        at++;
    }
    tm_rewrite_end(&r);
}
