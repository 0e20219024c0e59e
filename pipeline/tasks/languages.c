/* Languages by BCP-47 and by the codes of translation models (NLLB-200, mBART-50, M2M100, OPUS-MT).
 */
#include "tasks.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Of one language in several scripts the first is the plain one ("zh" is zh-Hans). */
static const struct {
    const char *tag;   /* BCP-47 */
    const char *nllb;  /* FLORES-200; its first three letters are ISO 639-3, as OPUS-MT writes it */
    const char *mbart; /* NULL: not among the 50 */
    const char *m2m;   /* NULL: not among the 100 */
} languages[] = {
    {"af", "afr_Latn", "af_ZA", "af"},    {"am", "amh_Ethi", NULL, "am"},
    {"ar", "arb_Arab", "ar_AR", "ar"},    {"ast", "ast_Latn", NULL, "ast"},
    {"az", "azj_Latn", "az_AZ", "az"},    {"ba", "bak_Cyrl", NULL, "ba"},
    {"be", "bel_Cyrl", NULL, "be"},       {"bg", "bul_Cyrl", NULL, "bg"},
    {"bn", "ben_Beng", "bn_IN", "bn"},    {"bs", "bos_Latn", NULL, "bs"},
    {"ca", "cat_Latn", NULL, "ca"},       {"ceb", "ceb_Latn", NULL, "ceb"},
    {"cs", "ces_Latn", "cs_CZ", "cs"},    {"cy", "cym_Latn", NULL, "cy"},
    {"da", "dan_Latn", NULL, "da"},       {"de", "deu_Latn", "de_DE", "de"},
    {"el", "ell_Grek", NULL, "el"},       {"en", "eng_Latn", "en_XX", "en"},
    {"es", "spa_Latn", "es_XX", "es"},    {"et", "est_Latn", "et_EE", "et"},
    {"eu", "eus_Latn", NULL, NULL},       {"fa", "pes_Arab", "fa_IR", "fa"},
    {"fi", "fin_Latn", "fi_FI", "fi"},    {"fr", "fra_Latn", "fr_XX", "fr"},
    {"ga", "gle_Latn", NULL, "ga"},       {"gd", "gla_Latn", NULL, "gd"},
    {"gl", "glg_Latn", "gl_ES", "gl"},    {"gu", "guj_Gujr", "gu_IN", "gu"},
    {"ha", "hau_Latn", NULL, "ha"},       {"he", "heb_Hebr", "he_IL", "he"},
    {"hi", "hin_Deva", "hi_IN", "hi"},    {"hr", "hrv_Latn", "hr_HR", "hr"},
    {"ht", "hat_Latn", NULL, "ht"},       {"hu", "hun_Latn", NULL, "hu"},
    {"hy", "hye_Armn", NULL, "hy"},       {"id", "ind_Latn", "id_ID", "id"},
    {"ig", "ibo_Latn", NULL, "ig"},       {"ilo", "ilo_Latn", NULL, "ilo"},
    {"is", "isl_Latn", NULL, "is"},       {"it", "ita_Latn", "it_IT", "it"},
    {"ja", "jpn_Jpan", "ja_XX", "ja"},    {"jv", "jav_Latn", NULL, "jv"},
    {"ka", "kat_Geor", "ka_GE", "ka"},    {"kk", "kaz_Cyrl", "kk_KZ", "kk"},
    {"km", "khm_Khmr", "km_KH", "km"},    {"kn", "kan_Knda", NULL, "kn"},
    {"ko", "kor_Hang", "ko_KR", "ko"},    {"ky", "kir_Cyrl", NULL, NULL},
    {"lb", "ltz_Latn", NULL, "lb"},       {"lg", "lug_Latn", NULL, "lg"},
    {"ln", "lin_Latn", NULL, "ln"},       {"lo", "lao_Laoo", NULL, "lo"},
    {"lt", "lit_Latn", "lt_LT", "lt"},    {"lv", "lvs_Latn", "lv_LV", "lv"},
    {"mg", "plt_Latn", NULL, "mg"},       {"mk", "mkd_Cyrl", "mk_MK", "mk"},
    {"ml", "mal_Mlym", "ml_IN", "ml"},    {"mn", "khk_Cyrl", "mn_MN", "mn"},
    {"mr", "mar_Deva", "mr_IN", "mr"},    {"ms", "zsm_Latn", NULL, "ms"},
    {"mt", "mlt_Latn", NULL, NULL},       {"my", "mya_Mymr", "my_MM", "my"},
    {"ne", "npi_Deva", "ne_NP", "ne"},    {"nl", "nld_Latn", "nl_XX", "nl"},
    {"nb", "nob_Latn", NULL, "no"},       {"nn", "nno_Latn", NULL, "no"},
    {"no", "nob_Latn", NULL, "no"},       {"oc", "oci_Latn", NULL, "oc"},
    {"or", "ory_Orya", NULL, "or"},       {"pa", "pan_Guru", NULL, "pa"},
    {"pl", "pol_Latn", "pl_PL", "pl"},    {"ps", "pbt_Arab", "ps_AF", "ps"},
    {"pt", "por_Latn", "pt_XX", "pt"},    {"ro", "ron_Latn", "ro_RO", "ro"},
    {"ru", "rus_Cyrl", "ru_RU", "ru"},    {"sd", "snd_Arab", NULL, "sd"},
    {"si", "sin_Sinh", "si_LK", "si"},    {"sk", "slk_Latn", NULL, "sk"},
    {"sl", "slv_Latn", "sl_SI", "sl"},    {"so", "som_Latn", NULL, "so"},
    {"sq", "als_Latn", NULL, "sq"},       {"sr", "srp_Cyrl", NULL, "sr"},
    {"ss", "ssw_Latn", NULL, "ss"},       {"su", "sun_Latn", NULL, "su"},
    {"sv", "swe_Latn", "sv_SE", "sv"},    {"sw", "swh_Latn", "sw_KE", "sw"},
    {"ta", "tam_Taml", "ta_IN", "ta"},    {"te", "tel_Telu", "te_IN", NULL},
    {"tg", "tgk_Cyrl", NULL, NULL},       {"th", "tha_Thai", "th_TH", "th"},
    {"tl", "tgl_Latn", "tl_XX", "tl"},    {"tn", "tsn_Latn", NULL, "tn"},
    {"tr", "tur_Latn", "tr_TR", "tr"},    {"tt", "tat_Cyrl", NULL, NULL},
    {"uk", "ukr_Cyrl", "uk_UA", "uk"},    {"ur", "urd_Arab", "ur_PK", "ur"},
    {"uz", "uzn_Latn", NULL, "uz"},       {"vi", "vie_Latn", "vi_VN", "vi"},
    {"wo", "wol_Latn", NULL, "wo"},       {"xh", "xho_Latn", "xh_ZA", "xh"},
    {"yi", "ydd_Hebr", NULL, "yi"},       {"yo", "yor_Latn", NULL, "yo"},
    {"zh", "zho_Hans", "zh_CN", "zh"},    {"zh-Hans", "zho_Hans", "zh_CN", "zh"},
    {"zh-CN", "zho_Hans", "zh_CN", "zh"}, {"zh-Hant", "zho_Hant", NULL, "zh"},
    {"zh-TW", "zho_Hant", NULL, "zh"},    {"zh-HK", "zho_Hant", NULL, "zh"},
    {"yue", "yue_Hant", NULL, NULL},      {"zu", "zul_Latn", NULL, "zu"},
};

bool language_same(const char *a, const char *b)
{
    size_t n = strcspn(a, "-_"), m = strcspn(b, "-_");
    return n == m && n > 0 && strncasecmp(a, b, n) == 0;
}

/* The row of a tag: the whole of it, else its language alone. -1: none. */
static int find_row(const char *tag)
{
    int base = -1;
    for (size_t i = 0; i < TM_COUNTOF(languages); i++) {
        if (strcasecmp(languages[i].tag, tag) == 0)
            return (int)i;
        if (base < 0 && language_same(languages[i].tag, tag))
            base = (int)i;
    }
    return base;
}

/* A language the tokenizer has a token for, under any of the codes; NULL: none. */
static const char *known_code(const struct tm_tokenizer *tok, const char *tag)
{
    int row = find_row(tag);
    const char *const codes[] = {tag, row >= 0 ? languages[row].nllb : NULL,
                                 row >= 0 ? languages[row].mbart : NULL,
                                 row >= 0 ? languages[row].m2m : NULL};
    for (size_t i = 0; i < TM_COUNTOF(codes); i++)
        if (codes[i] != NULL && tm_tokenizer_language_id(tok, codes[i]) >= 0)
            return codes[i];
    return NULL;
}

/* ">>fra<<", ">>fr<<", ">>zho_Hans<<": the first that is in the vocabulary. */
static bool known_prefix(const struct tm_tokenizer *tok, const char *tag, char out[LANGUAGE_PREFIX])
{
    int row = find_row(tag);
    const char *nllb = row >= 0 ? languages[row].nllb : tag;
    const struct {
        const char *code;
        int n;
    } codes[] = {{tag, 16}, {nllb, 8}, {nllb, 3}, {tag, (int)strcspn(tag, "-_")}};
    for (size_t i = 0; i < TM_COUNTOF(codes); i++) {
        snprintf(out, LANGUAGE_PREFIX, ">>%.*s<<", codes[i].n, codes[i].code);
        if (tm_tokenizer_id(tok, out) >= 0)
            return true;
    }
    return false;
}

/* Has the vocabulary tokens like ">>fra<<"? Then the model is of several targets. */
static bool has_prefixes(const struct tm_tokenizer *tok)
{
    for (int32_t id = 0; id < tm_tokenizer_vocab_size(tok); id++) {
        const char *token = tm_tokenizer_token(tok, id);
        size_t n = token != NULL ? strlen(token) : 0;
        if (n > 4 && memcmp(token, ">>", 2) == 0 && memcmp(token + n - 2, "<<", 2) == 0)
            return true;
    }
    return false;
}

enum tm_status language_resolve(const struct tm_model *m, const char *from, const char *to,
                                struct language_pair *ret, struct tm_err *err)
{
    *ret = (struct language_pair){.target = -1};
    if (tm_tokenizer_language(m->tok, 0) != NULL) {
        const char *target = to[0] != '\0' ? known_code(m->tok, to) : NULL;
        if (target == NULL)
            return tm_err_set(err, TM_CONFIG, "model %s knows no language \"%.40s\": set `to`",
                              m->name, to);
        ret->target = tm_tokenizer_language_id(m->tok, target);
        ret->source = from[0] != '\0' ? known_code(m->tok, from) : NULL;
        if (from[0] != '\0' && ret->source == NULL)
            return tm_err_set(err, TM_CONFIG, "model %s knows no language \"%.40s\": set `from`",
                              m->name, from);
        return TM_OK;
    }
    if (to[0] != '\0' && known_prefix(m->tok, to, ret->prefix))
        return TM_OK;
    ret->prefix[0] = '\0'; /* a model of one pair */
    if (has_prefixes(m->tok))
        return tm_err_set(err, TM_CONFIG, "model %s knows no language \"%.40s\": set `to`", m->name,
                          to);
    return TM_OK;
}

/* ---- what a sentence is in ---- */

/* Words that stand in most sentences of a language and hardly in others. */
static const struct {
    const char *tag, *words;
} common[] = {
    {"en", " the of and is was that with for are this have from they which were been would their "},
    {"es", " el los las del que una por con para está pero como más fue sus este esta también "},
    {"fr", " le les des est une dans pour qui sur avec pas par sont cette mais nous vous ses "},
    {"de", " der die und ist das nicht ein eine mit den dem auf für sich auch werden nach bei "},
    {"it", " il che della di sono gli per una con non nel più anche dalla questo alla come "},
    {"pt", " os uma não com para mais como dos foi são pela também seu sua mas pelo das está "},
    {"nl", " het een van de en niet zijn voor met op dat wordt ook door naar bij maar "},
};

static int common_words(size_t language, const char *s, size_t n)
{
    int hits = 0;
    for (size_t i = 0; i < n;) {
        size_t start = i;
        char word[24] = " ";
        while (i < n && ((unsigned char)s[i] >= 0x80 || isalpha((unsigned char)s[i])))
            i++;
        if (i > start && i - start + 3 < sizeof word) {
            for (size_t k = start; k < i; k++)
                word[1 + k - start] = (char)tolower((unsigned char)s[k]);
            memcpy(word + 1 + i - start, " ", 2);
            hits += strstr(common[language].words, word) != NULL;
        }
        i += i == start;
    }
    return hits;
}

bool language_is(const char *text, size_t n, const char *tag, const char *other)
{
    int hits = 0, others = 0;
    bool known = false;
    for (size_t i = 0; i < TM_COUNTOF(common); i++) {
        if (language_same(common[i].tag, tag)) {
            hits = common_words(i, text, n);
            known = true;
        } else if (other[0] == '\0' || language_same(common[i].tag, other)) {
            others = TM_MAX(others, common_words(i, text, n));
        }
    }
    return known && hits >= 2 && hits > 2 * others;
}
