/* Recognisers of numbers: payment cards, bank accounts, telephones, US social security. Pure
 * functions for pii.c. */
#include "recognisers.h"

#include <string.h>

/* ---- payment cards ---- */

/* Ranges of issuer numbers (ISO/IEC 7812) and how many digits their cards have: bit n for n. */
#define DIGITS(n) (1u << (n))
static const struct issuer {
    unsigned first, last; /* of the first four digits */
    unsigned lengths;
} issuers[] = {
    {4000, 4999, DIGITS(13) | DIGITS(16) | DIGITS(19)},
    {5100, 5599, DIGITS(16)},
    {2221, 2720, DIGITS(16)},
    {3400, 3499, DIGITS(15)},
    {3700, 3799, DIGITS(15)},
    {3000, 3059, DIGITS(14)},
    {3600, 3699, DIGITS(14)},
    {3800, 3999, DIGITS(14) | DIGITS(16)},
    {3528, 3589, DIGITS(16) | DIGITS(17) | DIGITS(18) | DIGITS(19)},
    {1800, 1800, DIGITS(15)},
    {2131, 2131, DIGITS(15)},
    {6011, 6011, DIGITS(16) | DIGITS(19)},
    {6200, 6599, DIGITS(16) | DIGITS(17) | DIGITS(18) | DIGITS(19)},
    {5000, 5099, 0xff000}, /* 12 to 19 */
    {5600, 6999, 0xff000},
};

static bool luhn(const char *digits, size_t n)
{
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned d = (unsigned)(digits[n - 1 - i] - '0');
        sum += i % 2 == 0 ? d : d < 5 ? 2 * d : 2 * d - 9;
    }
    return sum % 10 == 0;
}

static bool has_issuer(const char *digits, size_t n)
{
    unsigned first = 0;
    for (size_t i = 0; i < 4; i++)
        first = first * 10 + (unsigned)(digits[i] - '0');
    for (size_t i = 0; i < TM_COUNTOF(issuers); i++)
        if (first >= issuers[i].first && first <= issuers[i].last && issuers[i].lengths >> n & 1)
            return true;
    return false;
}

bool pii_credit_card(struct pii_text t, size_t at, struct pii_match *ret)
{
    char digits[20];
    size_t n = 0, i = at;
    while (i < t.n) {
        if (pii_is_digit(t.s[i]) && n == sizeof digits)
            return false;
        if (pii_is_digit(t.s[i]))
            digits[n++] = t.s[i++];
        else if ((t.s[i] == ' ' || t.s[i] == '-') && n % 2 == 0 && pii_is_digit(pii_at(t, i + 1)))
            i++;
        else
            break;
    }
    if (n < 12 || n > 19 || pii_is_word(pii_at(t, i)) || !has_issuer(digits, n) || !luhn(digits, n))
        return false;
    *ret = (struct pii_match){at, i, 1};
    return true;
}

/* ---- bank accounts ---- */

/* Countries of the IBAN registry with the length of theirs. */
static const struct {
    char country[3];
    unsigned char length;
} ibans[] = {
    {"AD", 24}, {"AE", 23}, {"AL", 28}, {"AT", 20}, {"AZ", 28}, {"BA", 20}, {"BE", 16}, {"BG", 22},
    {"BH", 22}, {"BR", 29}, {"BY", 28}, {"CH", 21}, {"CR", 22}, {"CY", 28}, {"CZ", 24}, {"DE", 22},
    {"DK", 18}, {"DO", 28}, {"EE", 20}, {"EG", 29}, {"ES", 24}, {"FI", 18}, {"FO", 18}, {"FR", 27},
    {"GB", 22}, {"GE", 22}, {"GI", 23}, {"GL", 18}, {"GR", 27}, {"GT", 28}, {"HR", 21}, {"HU", 28},
    {"IE", 22}, {"IL", 23}, {"IQ", 23}, {"IS", 26}, {"IT", 27}, {"JO", 30}, {"KW", 30}, {"KZ", 20},
    {"LB", 28}, {"LC", 32}, {"LI", 21}, {"LT", 20}, {"LU", 20}, {"LV", 21}, {"MC", 27}, {"MD", 24},
    {"ME", 22}, {"MK", 19}, {"MR", 27}, {"MT", 31}, {"MU", 30}, {"NL", 18}, {"NO", 15}, {"PK", 24},
    {"PL", 28}, {"PS", 29}, {"PT", 25}, {"QA", 29}, {"RO", 24}, {"RS", 22}, {"SA", 24}, {"SC", 31},
    {"SE", 24}, {"SI", 19}, {"SK", 24}, {"SM", 27}, {"ST", 25}, {"SV", 28}, {"TL", 23}, {"TN", 24},
    {"TR", 26}, {"UA", 29}, {"VA", 22}, {"VG", 24}, {"XK", 20},
};

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 32) : c;
}

static size_t iban_length(char a, char b)
{
    for (size_t i = 0; i < TM_COUNTOF(ibans); i++)
        if (ibans[i].country[0] == upper(a) && ibans[i].country[1] == upper(b))
            return ibans[i].length;
    return 0;
}

/* ISO 7064 mod 97-10 over the number that begins with its fifth character. */
static bool iban_checks(const char *s, size_t n)
{
    unsigned rest = 0;
    for (size_t i = 0; i < n; i++) {
        char c = s[(i + 4) % n];
        rest = pii_is_digit(c) ? (rest * 10 + (unsigned)(c - '0')) % 97
                               : (rest * 100 + (unsigned)(c - 'A') + 10) % 97;
    }
    return rest == 1;
}

bool pii_iban(struct pii_text t, size_t at, struct pii_match *ret)
{
    char compact[34];
    size_t n = 0, i = at;
    if (!pii_is_letter(pii_at(t, at + 1)) || !pii_is_digit(pii_at(t, at + 2)) ||
        !pii_is_digit(pii_at(t, at + 3)))
        return false;
    size_t length = iban_length(t.s[at], t.s[at + 1]);
    for (; i < t.n && n < length; i++) {
        if (pii_is_digit(t.s[i]) || pii_is_letter(t.s[i]))
            compact[n++] = upper(t.s[i]);
        else if (t.s[i] != ' ' || n % 4 != 0)
            break;
    }
    if (length == 0 || n < length || pii_is_word(pii_at(t, i)) || !iban_checks(compact, n))
        return false;
    *ret = (struct pii_match){at, i, 1};
    return true;
}

/* ---- US social security ---- */

bool pii_ssn(struct pii_text t, size_t at, struct pii_match *ret)
{
    static const char shape[] = "ddd-dd-dddd";
    char digits[9];
    size_t n = 0, i = 0;
    char separator = pii_at(t, at + 3);
    bool bare = pii_is_digit(separator);
    if (!bare && separator != '-' && separator != ' ')
        return false;
    for (const char *p = shape; *p != '\0'; p++) {
        char c = pii_at(t, at + i);
        if (*p == '-' && bare)
            continue;
        if (*p == '-' ? c != separator : !pii_is_digit(c))
            return false;
        if (*p != '-')
            digits[n++] = c;
        i++;
    }
    /* Numbers that are never given out. */
    if (memcmp(digits, "000", 3) == 0 || memcmp(digits, "666", 3) == 0 || digits[0] == '9' ||
        memcmp(digits + 3, "00", 2) == 0 || memcmp(digits + 5, "0000", 4) == 0 ||
        memcmp(digits, "123456789", 9) == 0 || pii_is_word(pii_at(t, at + i)) ||
        (pii_at(t, at + i) == '-' && pii_is_digit(pii_at(t, at + i + 1))))
        return false;
    *ret = (struct pii_match){at, at + i, separator == '-' ? 0.6 : bare ? 0.2 : 0.3};
    return true;
}

/* ---- telephones ---- */

enum { GROUPS_MOST = 8, PHONE_LEAST = 7, PHONE_MOST = 15 };

struct digits {
    size_t group[GROUPS_MOST]; /* digits in each */
    unsigned value[GROUPS_MOST];
    char separator[GROUPS_MOST]; /* after it */
    size_t groups, n, end;
    bool zero; /* the first digit is one */
};

/* Groups of digits with one separator between two of them, brackets apart. */
static void read_groups(struct pii_text t, size_t at, struct digits *d)
{
    size_t i = at;
    *d = (struct digits){.end = at};
    while (d->groups < GROUPS_MOST) {
        i += pii_at(t, i) == '(';
        size_t from = i;
        unsigned value = 0;
        for (; pii_is_digit(pii_at(t, i)); i++)
            value = value * 10 + (unsigned)(t.s[i] - '0');
        if (i == from || d->n + (i - from) > PHONE_MOST)
            break;
        d->zero |= d->groups == 0 && t.s[from] == '0';
        d->value[d->groups] = value;
        d->group[d->groups] = i - from;
        d->n += i - from;
        i += pii_at(t, i) == ')';
        d->end = i;
        char c = pii_at(t, i);
        d->separator[d->groups++] = c;
        if (c != '\0' && strchr(" .-/", c) != NULL)
            i++;
        else if (c != '(' && i > 0 && t.s[i - 1] != ')')
            break;
    }
}

static bool is_day(unsigned day, unsigned month)
{
    return day >= 1 && day <= 31 && month >= 1 && month <= 12;
}

static bool is_year(const struct digits *d, size_t i)
{
    return d->group[i] == 4 && d->value[i] >= 1900 && d->value[i] < 2100;
}

/* 2006-04-07, 7.4.2006: not a number to call, whatever follows. */
static bool is_date(const struct digits *d)
{
    if (d->groups < 3 || d->separator[0] != d->separator[1] || d->separator[0] == ' ')
        return false;
    return (is_year(d, 0) && is_day(d->value[2], d->value[1])) ||
           (is_year(d, 2) &&
            (is_day(d->value[0], d->value[1]) || is_day(d->value[1], d->value[0])));
}

static double phone_score(const struct digits *d, bool plus)
{
    const size_t *g = d->group;
    if (plus)
        return d->n >= 8 ? 0.75 : 0;
    if (d->groups == 3 && g[0] == 3 && g[1] == 3 && g[2] == 4)
        return d->value[0] >= 200 && d->separator[1] != ' ' ? 0.6 : 0.45;
    bool ssn = d->groups == 3 && g[0] == 3 && g[1] == 2 && g[2] == 4;
    if (d->zero && d->groups >= 3 && d->n >= 9 && !ssn)
        return 0.5; /* as national numbers are written */
    return d->groups >= 2 ? 0.3 : 0.15;
}

/* "x4587", " ext. 12" */
static size_t extension(struct pii_text t, size_t end)
{
    size_t i = end;
    i += pii_at(t, i) == ' ';
    if (t.n - TM_MIN(i, t.n) > 4 && strncasecmp(t.s + i, "ext", 3) == 0)
        i += pii_at(t, i + 3) == '.' ? 4 : 3;
    else if (i == end && pii_at(t, i) == 'x')
        i++;
    else
        return end;
    i += pii_at(t, i) == ' ';
    size_t from = i;
    while (pii_is_digit(pii_at(t, i)) && i - from < 6)
        i++;
    return i > from ? i : end;
}

bool pii_phone(struct pii_text t, size_t at, struct pii_match *ret)
{
    struct digits d;
    bool plus = t.s[at] == '+';
    if (at > 0 && !plus && t.s[at - 1] != '\0' && strchr("+./$", t.s[at - 1]) != NULL)
        return false;
    read_groups(t, at + plus, &d);
    bool long_group = d.groups > 0 && d.group[d.groups - 1] > 11;
    if (d.n < PHONE_LEAST || d.groups == 0 || is_date(&d) || long_group)
        return false;
    size_t end = extension(t, d.end);
    if (pii_is_word(pii_at(t, end)) || pii_at(t, end) == '@' || pii_at(t, end) == '%')
        return false;
    *ret = (struct pii_match){at, end, phone_score(&d, plus)};
    return ret->score > 0;
}
