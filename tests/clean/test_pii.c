/* Personal data: what is found and what is not, what stands in its place, and that neither spans
 * nor dead letters nor errors hold the value. */
#include "helper.h"
#include "pii.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- recognisers ---- */

struct finding {
    const char *text, *value; /* NULL: nothing is found */
    enum tm_pii_type type;
};

static const struct finding findings[] = {
    {"pay with 4111 1111 1111 1111 please", "4111 1111 1111 1111", TM_PII_CREDIT_CARD},
    {"amex 3782-822463-10005", "3782-822463-10005", TM_PII_CREDIT_CARD},
    {"4111 1111 1111 1112 does not check", NULL, 0},
    {"order 1234567890123452 has no issuer", NULL, 0},
    {"an id of 41111111111111111111111 digits", NULL, 0},
    {"IBAN GB82 WEST 1234 5698 7654 32.", "GB82 WEST 1234 5698 7654 32", TM_PII_IBAN_CODE},
    {"de89370400440532013000", "de89370400440532013000", TM_PII_IBAN_CODE},
    {"GB83WEST12345698765432", NULL, 0},
    {"ask <jane.doe+x@mail.example.co.uk>.", "jane.doe+x@mail.example.co.uk", TM_PII_EMAIL_ADDRESS},
    {"jörg@exämple.de schreibt", "jörg@exämple.de", TM_PII_EMAIL_ADDRESS},
    {"@user and a@b, x@localhost", NULL, 0},
    {"from 192.168.0.17, and", "192.168.0.17", TM_PII_IP_ADDRESS},
    {"version 1.2.3.4.5 and v1.2.3.4 and 300.1.1.1", NULL, 0},
    {"at 2001:db8::ff00:42:8329 now", "2001:db8::ff00:42:8329", TM_PII_IP_ADDRESS},
    {"std::string at 10:30:45", NULL, 0},
    {"mac 00:1A:2b:3c:4d:5E", "00:1A:2b:3c:4d:5E", TM_PII_MAC_ADDRESS},
    {"+44 (0)20 7946 0958", "+44 (0)20 7946 0958", TM_PII_PHONE_NUMBER},
    {"(212) 555-0147 ext. 12", "(212) 555-0147 ext. 12", TM_PII_PHONE_NUMBER},
    {"030 123 45 67", "030 123 45 67", TM_PII_PHONE_NUMBER},
    {"Tel.: 9498777106", "9498777106", TM_PII_PHONE_NUMBER},
    {"population 9498777106 in 2020-11-24 10", NULL, 0},
    {"call me on 2006-04-07 please", NULL, 0},
    {"ratio 1.800.555.0147%", NULL, 0},
    {"ssn 219-09-9999", "219-09-9999", TM_PII_US_SSN},
    {"social security number 219099999", "219099999", TM_PII_US_SSN},
    {"ssn 666-09-9999, 000-12-3456, 219-00-1234", NULL, 0},
    {"219099999 items", NULL, 0},
    {"see https://example.org/a_(b)?c=d.", "https://example.org/a_(b)?c=d", TM_PII_URL},
    {"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", TM_PII_CRYPTO},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
     TM_PII_CRYPTO},
    {"1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", NULL, 0},
    {"bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", NULL, 0},
    {"Chapter 12, pages 100-200, 1,000,000 copies in 1999", NULL, 0},
};

static void values_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < TM_COUNTOF(findings); i++) {
        const struct finding *f = &findings[i];
        struct tm_buf spans = {0};
        tm_pii_find(f->text, strlen(f->text), (1u << TM_PII_COUNT) - 1, &spans);
        const struct tm_pii_span *s = (const struct tm_pii_span *)spans.data;
        if (f->value == NULL && spans.len > 0)
            fail_msg("\"%s\": %s at %u", f->text, tm_pii_names[s->type], s->start);
        if (f->value != NULL) {
            if (spans.len != sizeof *s)
                fail_msg("\"%s\": %zu spans", f->text, spans.len / sizeof *s);
            assert_int_equal(s->type, f->type);
            assert_int_equal(s->end - s->start, strlen(f->value));
            assert_memory_equal(f->text + s->start, f->value, strlen(f->value));
        }
        tm_buf_finish(&spans);
    }
}

/* ---- redaction ---- */

static const char post[] = "Write to é@example.org or\ncall +1 212 555 0147.\n\nx@example.org";

static void operators_replace_the_value(void **state)
{
    (void)state;
    static const struct {
        const char *operator, * text;
    } cases[] = {
        {"replace", "Write to <EMAIL_ADDRESS> or\ncall <PHONE_NUMBER>.\n\n<EMAIL_ADDRESS>"},
        {"mask", "Write to ************* or\ncall ***************.\n\n*************"},
        {"drop", "Write to or\ncall ."},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct cleaning c;
        cleaning_open(&c);
        cleaning_set(&c, "clean.kind", "social");
        cleaning_set(&c, "redact.operator", cases[i].operator);
        struct tm_doc *doc = clean_text(&c, "a.txt", post);
        assert_string_equal(doc->text, cases[i].text);
        check_offsets(doc, post, strlen(post));
        assert_int_equal(doc->cleaning.n_pii, 3);
        assert_string_equal(doc->cleaning.pii[1].type, "PHONE_NUMBER");
        const struct tm_span *s = &doc->cleaning.pii[0].span;
        if (i == 0)
            assert_memory_equal(doc->text + s->start, "<EMAIL_ADDRESS>", s->end - s->start);
        tm_doc_destroy(doc);
        cleaning_close(&c);
    }
}

static void equal_values_have_equal_hashes_under_one_key(void **state)
{
    (void)state;
    char path[] = "/tmp/textmill-key-XXXXXX", first[64] = "";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && dprintf(fd, "secret") == 6);
    struct cleaning c;
    cleaning_open(&c);
    cleaning_set(&c, "clean.kind", "social");
    cleaning_set(&c, "redact.operator", "hash");
    cleaning_set(&c, "redact.key_file", path);
    struct tm_doc *doc = clean_text(&c, "a.txt", "a@example.org b@example.org a@example.org");
    assert_int_equal(doc->cleaning.n_pii, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct tm_span *s = &doc->cleaning.pii[i].span;
        assert_int_equal(s->end - s->start, strlen("<EMAIL_ADDRESS:0123456789abcdef>"));
        if (i == 0)
            memcpy(first, doc->text + s->start, s->end - s->start);
        assert_int_equal(memcmp(first, doc->text + s->start, s->end - s->start) == 0, i != 1);
    }
    tm_doc_destroy(doc);
    cleaning_close(&c);
    remove(path);
}

static void a_hash_needs_a_key(void **state)
{
    (void)state;
    struct cleaning c;
    struct tm_err err = {0};
    cleaning_open(&c);
    cleaning_set(&c, "redact.operator", "hash");
    assert_int_equal(tm_stage_clean.create(&c.self, &c.conf, NULL, &err), TM_CONFIG);
    c.self = NULL;
    err = (struct tm_err){0};
    cleaning_set(&c, "redact.operator", "mask");
    cleaning_set(&c, "redact.types", "EMAIL");
    assert_int_equal(tm_stage_clean.create(&c.self, &c.conf, NULL, &err), TM_CONFIG);
    assert_non_null(strstr(err.text, "EMAIL"));
    c.self = NULL;
    cleaning_close(&c);
}

static struct tm_doc *clean_line(struct cleaning *c, const char *json)
{
    return clean_source(c,
                        &(struct source){.data = json, .path = "a.jsonl", .many = true, .line = 1});
}

static void posts_are_redacted_and_news_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool redacted;
    } cases[] = {
        {"{\"text\":\"Mail a@example.org now\",\"kind\":\"social\",\"title\":\"a@example.org\"}",
         true},
        {"{\"text\":\"Mail a@example.org now\",\"title\":\"a@example.org\"}", false},
        {"{\"html\":\"<p>Mail a@example.org now</p>\",\"title\":\"a@example.org\"}", false},
        {"{\"text\":\"Mail a@example.org now\",\"kind\":\"social\",\"redact\":false,"
         "\"title\":\"a@example.org\"}",
         false},
        {"{\"html\":\"<p>Mail a@example.org now</p>\",\"redact\":true,\"title\":\"a@example.org\"}",
         true},
    };
    struct cleaning c;
    cleaning_open(&c);
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        struct tm_doc *doc = clean_line(&c, cases[i].json);
        assert_int_equal(doc->err.status, TM_OK);
        assert_string_equal(doc->text, cases[i].redacted ? "Mail <EMAIL_ADDRESS> now"
                                                         : "Mail a@example.org now");
        assert_string_equal(doc->title, cases[i].redacted ? "<EMAIL_ADDRESS>" : "a@example.org");
        assert_int_equal(doc->cleaning.n_pii, cases[i].redacted);
        assert_int_equal(doc->rec.original != NULL, cases[i].redacted);
        tm_doc_destroy(doc);
    }
    cleaning_close(&c);
}

/* Whatever fails: what a dead letter and the log get has no value in it. */
static void dead_letters_and_errors_are_redacted(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "{\"text\": a@example.org }",
        "{\"text\":\"Mail a@example.org\",\"kind\":\"social\",\"lang\":7}",
        "{\"text\":\"\\u200b\",\"kind\":\"social\",\"meta\":{\"mail\":\"a@example.org\"}}",
        "{\"text\":\"x\",\"kind\":\"a@example.org\"}",
    };
    struct cleaning c;
    cleaning_open(&c);
    for (size_t i = 0; i < TM_COUNTOF(broken); i++) {
        struct tm_doc *doc = clean_line(&c, broken[i]);
        assert_int_not_equal(doc->err.status, TM_OK);
        assert_null(strstr(doc->err.text, "example.org"));
        assert_non_null(doc->rec.original);
        assert_non_null(strstr(doc->rec.original, "<EMAIL_ADDRESS>"));
        assert_null(strstr(doc->rec.original, "example.org"));
        tm_doc_destroy(doc);
    }
    cleaning_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(operators_replace_the_value),
        cmocka_unit_test(equal_values_have_equal_hashes_under_one_key),
        cmocka_unit_test(a_hash_needs_a_key),
        cmocka_unit_test(posts_are_redacted_and_news_is_not),
        cmocka_unit_test(dead_letters_and_errors_are_redacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
