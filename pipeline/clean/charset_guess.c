/* Guesses the encoding of bytes that nobody has named and that are not UTF-8: decodes a sample in
 * every likely encoding and takes the reading that is most like a language. Called by charset.c. */
#include "charset.h"
#include "lang.h"

#include <string.h>
#include <unicode/uchar.h>

#define USUAL 0.0005
#define RARE  0.02

enum {
    SAMPLE = 6144, /* bytes of words with something beyond ASCII */
    LITTLE = 600,  /* so many bytes double the doubt about an encoding */
    LEAST = 3,     /* bytes beyond ASCII; fewer say nothing */
    EAST_LEAST = 8 /* characters of an East Asian reading that are enough to judge */
};
static const double east_share = 0.25;  /* frequent characters among them */
static const double damage_most = 0.01; /* of the characters */

/* In order of trust: a later one must read better, a rare one clearly so. */
static const struct {
    const char *name;
    double by;
} alphabets[] = {
    {"windows-1252", 0},     {"windows-1250", USUAL}, {"windows-1251", USUAL},
    {"iso-8859-2", USUAL},   {"koi8-u", USUAL},       {"windows-1253", USUAL},
    {"windows-1254", USUAL}, {"windows-1255", USUAL}, {"windows-1256", RARE},
    {"windows-1257", RARE},  {"iso-8859-5", USUAL},   {"iso-8859-7", USUAL},
    {"iso-8859-6", USUAL},   {"ibm866", USUAL},       {"x-mac-cyrillic", USUAL},
    {"ibm855", USUAL},       {"windows-874", RARE},   {"macintosh", RARE},
    {"windows-1258", RARE},  {"iso-8859-16", RARE},   {"iso-8859-13", RARE},
    {"iso-8859-4", RARE},    {"iso-8859-8", RARE},
};

/* East Asian encodings, and characters that make up a good part of every text in them. */
static const char simplified[] =
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子那得于着下自之年过"
    "发后作里用道行所然家种事成方多经么去法学如都同现当没动面起看定天分还进好小部其些主样理心她本"
    "前开但因只从想实日军者意无力它与长把机十民第公此已工使情明性知全三又关点正业外将两高间由问";
static const char traditional[] =
    "的一是不了在人有我他這個們中來上大為和國地到以說時要就出會可也你對生能而子那得於著下自之年過"
    "發後作裡用道行所然家種事成方多經麼去法學如都同現當沒動面起看定天分還進好小部其些主樣理心她本"
    "前開但因只從想實日軍者意無力它與長把機十民第公此已工使情明性知全三又關點正業外將兩高間由問";
static const char hangul[] =
    "이다는의에을가고하지도를로은사인기한아대어서자시나리그해수있일으상정보부것라주들과구장전제스"
    "만니여개안조비무원성계세모공동문신음면게화우었습적국위중유";
static const struct {
    const char *name, *frequent; /* NULL: Japanese, whose kana say enough */
} east[] = {
    {"euc-jp", NULL},        {"shift_jis", NULL},   {"euc-kr", hangul},
    {"gb18030", simplified}, {"big5", traditional}, {"euc-tw", traditional},
};

/* ---- the sample --------------------------------------------------------------------------------
 */

static bool parts(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || c == '<' || c == '>' || c == '"' || c == '\0';
}

/* Stretches with bytes beyond ASCII, cut where no encoding has the middle of a character. */
static bool take_sample(const char *s, size_t n, struct tm_buf *out)
{
    bool ok = true;
    for (size_t i = 0; i < n && out->len < SAMPLE && ok;) {
        size_t end = i;
        bool high = false;
        while (end < n && !parts(s[end]))
            high |= (s[end++] & 0x80) != 0;
        if (high)
            ok =
                tm_buf_append(out, s + i, TM_MIN(end - i, (size_t)SAMPLE)) && tm_buf_putc(out, ' ');
        i = end + 1;
    }
    return ok;
}

/* ---- East Asia ---------------------------------------------------------------------------------
 */

/* Share of frequent characters beyond ASCII; 0 when there are too few, or half-width ones, which
 * every byte is in Shift_JIS. */
static double east_fitness(const char *s, size_t n, const char *frequent)
{
    size_t letters = 0, good = 0;
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t step = tm_utf8_decode(s + i, n - i, &cp);
        if (step == 0)
            break;
        bool kana = cp >= 0x3041 && cp <= 0x30fe, ideograph = cp >= 0x3400 && cp < 0xa000;
        bool syllable = cp >= 0xac00 && cp < 0xd7a4;
        letters += cp >= 0x80 && !(cp >= 0x3000 && cp <= 0x3002) && !(cp >= 0xff01 && cp <= 0xff5e);
        if (frequent == NULL)
            good += kana;
        else if (ideograph || syllable)
            good += memmem(frequent, strlen(frequent), s + i, step) != NULL;
        i += step;
    }
    return letters < EAST_LEAST ? 0 : (double)good / (double)letters;
}

/* ---- all together ------------------------------------------------------------------------------
 */

/* Decodes the sample; false: this is not its encoding. */
static bool read_as(const struct tm_charset *c, const struct tm_buf *sample, struct tm_buf *text)
{
    uint32_t replaced = 0;
    tm_buf_clear(text);
    return tm_charset_convert(c, sample->data, sample->len, text, &replaced, NULL) == TM_OK &&
           replaced <= damage_most * (double)sample->len;
}

static const struct tm_charset *guess_east(const struct tm_buf *sample, struct tm_buf *text)
{
    const struct tm_charset *best = NULL;
    double most = east_share;
    for (size_t i = 0; i < TM_COUNTOF(east); i++) {
        const struct tm_charset *c = tm_charset_find(east[i].name, strlen(east[i].name));
        if (!read_as(c, sample, text))
            continue;
        double fitness = east_fitness(text->data, text->len, east[i].frequent);
        if (fitness > most) {
            most = fitness;
            best = c;
        }
    }
    return best;
}

static const struct tm_charset *guess_alphabet(const struct tm_buf *sample, struct tm_buf *text)
{
    const struct tm_charset *best = tm_charset_find("windows-1252", 12);
    double most = 0, doubt = 1 + (double)LITTLE / (double)sample->len;
    for (size_t i = 0; i < TM_COUNTOF(alphabets); i++) {
        const struct tm_charset *c = tm_charset_find(alphabets[i].name, strlen(alphabets[i].name));
        if (!read_as(c, sample, text))
            continue;
        double fitness = tm_lang_fitness(text->data, text->len);
        if (fitness > most + alphabets[i].by * doubt) {
            most = fitness;
            best = c;
        }
    }
    return best;
}

const struct tm_charset *tm_charset_guess(const char *data, size_t len)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf sample = {0};
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {0};
    size_t high = 0;
    if (!take_sample(data, len, &sample))
        return NULL;
    for (size_t i = 0; i < sample.len; i++)
        high += (sample.data[i] & 0x80) != 0;
    if (high < LEAST)
        return NULL;
    const struct tm_charset *c = guess_east(&sample, &text);
    return c != NULL ? c : guess_alphabet(&sample, &text);
}
