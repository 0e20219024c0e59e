/* Recognisers of what machines are reached by: e-mail, web, IP and MAC addresses. Pure functions
 * for pii.c. */
#include "recognisers.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

static bool is_host_byte(char c)
{
    return pii_is_digit(c) || pii_is_letter(c) || c == '-' || c == '.' || (c & 0x80) != 0;
}

/* The end of a host name that has a top level of two letters or more; 0: it is none. */
static size_t host_end(struct pii_text t, size_t at)
{
    size_t end = at, dot = 0;
    while (is_host_byte(pii_at(t, end)) && end - at < 254)
        end++;
    while (end > at && (t.s[end - 1] == '.' || t.s[end - 1] == '-'))
        end--;
    for (size_t i = at; i < end; i++) {
        bool label_begins = i == at || t.s[i - 1] == '.';
        if (label_begins && (t.s[i] == '.' || t.s[i] == '-'))
            return 0;
        if (t.s[i] == '.')
            dot = i;
    }
    if (dot == 0 || end - dot < 3)
        return 0;
    for (size_t i = dot + 1; i < end; i++)
        if (!pii_is_letter(t.s[i]) && !(t.s[i] & 0x80) && strncasecmp(t.s + dot, ".xn--", 5) != 0)
            return 0;
    return end;
}

static bool is_local_byte(char c)
{
    return c != '\0' && (pii_is_word(c) || strchr(".!#$%&'*+/=?^`{|}~-", c) != NULL);
}

bool pii_email(struct pii_text t, size_t at, struct pii_match *ret)
{
    size_t start = at, end = host_end(t, at + 1);
    while (start > 0 && at - start < 64 && is_local_byte(t.s[start - 1]))
        start--;
    while (start < at && !pii_is_word(t.s[start])) /* quotes and brackets around it */
        start++;
    while (start < at && ((unsigned char)t.s[start] & 0xc0) == 0x80)
        start++;
    if (end == 0 || start == at || t.s[at - 1] == '.')
        return false;
    *ret = (struct pii_match){start, end, 1};
    return true;
}

bool pii_url(struct pii_text t, size_t at, struct pii_match *ret)
{
    static const char *const begins[] = {"http://", "https://", "ftp://", "www."};
    size_t scheme = 0;
    for (size_t i = 0; i < TM_COUNTOF(begins) && scheme == 0; i++)
        if (t.n - at > strlen(begins[i]) &&
            strncasecmp(t.s + at, begins[i], strlen(begins[i])) == 0)
            scheme = strlen(begins[i]);
    size_t end = at + scheme, depth = 0;
    if (scheme == 0 || !pii_is_word(pii_at(t, end)))
        return false;
    for (; end < t.n && (unsigned char)t.s[end] > ' ' && strchr("<>\"{}|\\^`", t.s[end]) == NULL;
         end++) {
        depth += t.s[end] == '(';
        if (t.s[end] == ')' && depth-- == 0)
            break;
    }
    while (end > at + scheme && strchr(".,;:!?'*", t.s[end - 1]) != NULL)
        end--;
    *ret = (struct pii_match){at, end, t.s[at + scheme - 1] == '/' ? 0.6 : 0.5};
    return true;
}

bool pii_ipv4(struct pii_text t, size_t at, struct pii_match *ret)
{
    size_t i = at;
    for (int part = 0; part < 4; part++) {
        unsigned value = 0;
        size_t from = i;
        for (; pii_is_digit(pii_at(t, i)) && i - from < 4; i++)
            value = value * 10 + (unsigned)(t.s[i] - '0');
        if (i == from || value > 255 || (i - from > 1 && t.s[from] == '0'))
            return false;
        if (part < 3 && pii_at(t, i++) != '.')
            return false;
    }
    bool goes_on = pii_at(t, i) == '.' && pii_is_digit(pii_at(t, i + 1));
    bool version = at > 0 && (t.s[at - 1] == '.' || (t.s[at - 1] | 32) == 'v');
    if (goes_on || version || pii_is_word(pii_at(t, i)))
        return false;
    *ret = (struct pii_match){at, i, 0.6};
    return true;
}

static bool is_hex(char c)
{
    return pii_is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

bool pii_ipv6(struct pii_text t, size_t at, struct pii_match *ret)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char bytes[16];
    size_t n = 0, colons = 0;
    for (char c = pii_at(t, at); is_hex(c) || c == ':' || (c == '.' && colons > 1);
         c = pii_at(t, at + n)) {
        if (n + 1 >= sizeof text)
            return false;
        colons += c == ':';
        text[n++] = c;
    }
    while (n > 0 && text[n - 1] == '.')
        n--;
    text[n] = '\0';
    if (colons < 2 || n < 4 || pii_is_word(pii_at(t, at + n)) ||
        inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    *ret = (struct pii_match){at, at + n, colons > 3 ? 0.95 : 0.6};
    return true;
}

bool pii_mac(struct pii_text t, size_t at, struct pii_match *ret)
{
    char separator = pii_at(t, at + 2);
    if (separator != ':' && separator != '-')
        return false;
    for (size_t i = 0; i < 17; i++) {
        char c = pii_at(t, at + i);
        if (i % 3 == 2 ? c != separator : !is_hex(c))
            return false;
    }
    char next = pii_at(t, at + 17);
    if (pii_is_word(next) || (next == separator && is_hex(pii_at(t, at + 18))))
        return false;
    *ret = (struct pii_match){at, at + 17, 0.9};
    return true;
}
