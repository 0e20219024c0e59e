/* De-duplication: what is alike, who is the first, whom a duplicate waits for, and what the next
 * life still knows. Documents are made here; no runner and no stage. */
#include "fakes.h"
#include "window_file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

struct world {
    char *folder;
    struct tm_conf conf;
    struct tm_dedup *dedup;
    struct tm_err err;
    unsigned asked;
};

static void open_dedup(struct world *w, const char *policy)
{
    free(w->conf.dedup_policy);
    w->conf.dedup_policy = strdup(policy);
    assert_int_equal(tm_dedup_create(&w->conf, &w->dedup, &w->err), TM_OK);
}

static void next_life(struct world *w)
{
    tm_dedup_destroy(w->dedup);
    assert_int_equal(tm_dedup_create(&w->conf, &w->dedup, &w->err), TM_OK);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    w->folder = fake_folder();
    fake_conf(&w->conf, w->folder);
    w->conf.dedup_documents = 100;
    open_dedup(w, "keep");
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    tm_dedup_destroy(w->dedup);
    tm_conf_finish(&w->conf);
    fake_folder_remove(w->folder);
    free(w);
    return 0;
}

static struct tm_doc *make_doc(const char *id, const char *text)
{
    struct tm_doc *d = tm_doc_create(1 << 20);
    d->id = d->rec.lane_name = tm_arena_strdup(d->arena, id);
    d->text = tm_arena_strdup(d->arena, text);
    d->text_len = strlen(text);
    return d;
}

/* Words first..first+n of an endless text; no two of its 5-grams are alike. */
static char *words(char *out, size_t room, int first, int n)
{
    size_t len = 0;
    for (int i = first; i < first + n; i++)
        len += (size_t)snprintf(out + len, room - len, "w%c%c%c ", 'a' + i % 26, 'a' + i / 26 % 26,
                                'a' + i / 676);
    return out;
}

static double similarity(const char *a, const char *b)
{
    struct signature s, t;
    signature_make(a, strlen(a), &s);
    signature_make(b, strlen(b), &t);
    return signature_similarity(&s, &t);
}

/* ---- signatures ---- */

static void spelling_does_not_matter(void **state)
{
    (void)state;
    assert_true(similarity("The café — on 12 May, 2024!", "the CAFE on 98 may 1066") == 1);
    assert_true(similarity("\xd0\x99\xd0\xb6 one", "\xd0\xb9\xd0\x96 one") == 1);
    assert_true(similarity("one two", "two one") == 0);
    assert_true(similarity("", "x") == 0);
}

static void estimates_are_near_the_truth(void **state)
{
    (void)state;
    char a[8192], b[8192];
    for (int shift = 0; shift <= 400; shift += 40) {
        double truth = (396.0 - shift) / (396.0 + shift);
        double found = similarity(words(a, sizeof a, 0, 400), words(b, sizeof b, shift, 400));
        assert_true(found > truth - 0.15 && found < truth + 0.15);
    }
}

static void scripts_without_spaces_have_words(void **state)
{
    (void)state;
    const char *a = "今天天气很好我们去公园散步看见很多花和鸟还有孩子";
    const char *b = "今天天气很好我们去公园散步看见很多花和鸟还有狗";
    assert_true(similarity(a, b) > 0.6 && similarity(a, b) < 1);
}

/* ---- decisions ---- */

/* Asks; NULL when it has to wait. */
static struct tm_doc *ask(struct world *w, struct tm_doc *doc)
{
    assert_int_equal(tm_dedup_ask(w->dedup, &doc), TM_OK);
    return doc;
}

/* A document from asking to delivery. */
static void see(struct world *w, const char *id, const char *text)
{
    struct tm_doc *doc = ask(w, make_doc(id, text));
    assert_non_null(doc);
    tm_dedup_ended(w->dedup, doc, true);
    assert_int_equal(tm_dedup_delivered(w->dedup, &doc, 1, &w->err), TM_OK);
    tm_doc_destroy(doc);
}

static void assert_duplicate(struct world *w, const char *text, const char *of)
{
    char id[32];
    snprintf(id, sizeof id, "asked %u", w->asked++);
    struct tm_doc *doc = ask(w, make_doc(id, text));
    assert_non_null(doc);
    if (of == NULL)
        assert_null(doc->duplicate);
    else
        assert_string_equal(doc->duplicate->of, of);
    tm_dedup_ended(w->dedup, doc, false);
    tm_doc_destroy(doc);
}

static void an_earlier_one_is_named(void **state)
{
    struct world *w = *state;
    char a[4096], b[4096];
    see(w, "first", words(a, sizeof a, 0, 200));
    see(w, "short", "Only three words");
    assert_duplicate(w, words(b, sizeof b, 10, 200), "first");
    assert_duplicate(w, words(b, sizeof b, 120, 200), NULL);
    assert_duplicate(w, "only THREE words.", "short");
    assert_duplicate(w, "only three birds", NULL);
}

static void a_duplicate_waits_for_the_first(void **state)
{
    struct world *w = *state;
    struct tm_doc *out[4], *first = ask(w, make_doc("a", "one two three four five six"));
    assert_null(ask(w, make_doc("b", "One two three four five six.")));
    assert_int_equal(tm_dedup_poll(w->dedup, out, 4), 0);
    assert_true(tm_dedup_ended(w->dedup, first, true));
    assert_int_equal(tm_dedup_poll(w->dedup, out, 4), 1);
    assert_string_equal(out[0]->duplicate->of, "a");
    assert_true(out[0]->duplicate->similarity == 1);
    tm_doc_destroy(out[0]);
    tm_doc_destroy(first);
}

static void a_failed_first_has_no_duplicates(void **state)
{
    struct world *w = *state;
    struct tm_doc *out[4], *first = ask(w, make_doc("a", "one two three four five six"));
    assert_null(ask(w, make_doc("b", "one two three four five six")));
    assert_null(ask(w, make_doc("c", "one two three four five six")));
    tm_dedup_ended(w->dedup, first, false);
    assert_int_equal(tm_dedup_poll(w->dedup, out, 4), 1); /* b is the first now, c waits for it */
    assert_string_equal(out[0]->id, "b");
    assert_null(out[0]->duplicate);
    tm_dedup_ended(w->dedup, out[0], true);
    assert_int_equal(tm_dedup_poll(w->dedup, out + 1, 3), 1);
    assert_string_equal(out[1]->duplicate->of, "b");
    tm_doc_destroy(first);
    tm_doc_destroy(out[0]);
    tm_doc_destroy(out[1]);
}

static void one_that_comes_again_is_no_duplicate_of_itself(void **state)
{
    struct world *w = *state;
    see(w, "a", "one two three four five six");
    see(w, "a", "one two three four five six");
    struct tm_doc *doc = ask(w, make_doc("a", "one two three four five six"));
    assert_null(doc->duplicate);
    tm_doc_destroy(doc);
}

static void the_window_is_bounded(void **state)
{
    struct world *w = *state;
    char text[256], id[16];
    for (int i = 0; i < 250; i++) {
        snprintf(id, sizeof id, "d%d", i);
        see(w, id, words(text, sizeof text, i * 20, 20));
    }
    assert_duplicate(w, words(text, sizeof text, 249 * 20, 20), "d249");
    assert_duplicate(w, words(text, sizeof text, 160 * 20, 20), "d160");
    assert_duplicate(w, words(text, sizeof text, 100 * 20, 20), NULL);
}

/* ---- results that are shared ---- */

static struct tm_doc *with_result(struct world *w, const char *id, const char *title)
{
    struct tm_doc *doc = make_doc(id, "one two three four five six");
    doc->title = title;
    doc = ask(w, doc);
    assert_non_null(doc);
    return doc;
}

static void results_are_shared_by_those_that_ask_alike(void **state)
{
    struct world *w = *state;
    tm_dedup_destroy(w->dedup);
    open_dedup(w, "reuse-result");
    struct tm_doc *first = with_result(w, "a", "Title");
    first->output = "{head,THE TEXT,tail}";
    first->shared_start = 5;
    first->shared_end = 15;
    tm_dedup_ended(w->dedup, first, true);
    struct tm_doc *same = with_result(w, "b", "Title"), *other = with_result(w, "c", "Headline");
    assert_string_equal(same->duplicate->policy, "reuse-result");
    assert_int_equal(same->duplicate->shared_len, 10);
    assert_string_equal(same->duplicate->shared, ",THE TEXT,");
    assert_string_equal(other->duplicate->policy, "keep"); /* its title has to be read */
    assert_null(other->duplicate->shared);
    tm_doc_destroy(first);
    tm_doc_destroy(same);
    tm_doc_destroy(other);
}

/* ---- the next life ---- */

static void delivered_ones_are_known_in_the_next_life(void **state)
{
    struct world *w = *state;
    see(w, "kept", "one two three four five six");
    struct tm_doc *doc = ask(w, make_doc("lost", "seven eight nine ten eleven"));
    tm_dedup_ended(w->dedup, doc, true); /* and then the process dies */
    tm_doc_destroy(doc);
    next_life(w);
    assert_duplicate(w, "one two three four five six", "kept");
    assert_duplicate(w, "seven eight nine ten eleven", NULL);
}

static void change_file(const struct world *w, off_t at_end, const char *bytes, size_t n)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.window", w->folder, w->conf.state_instance);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size > at_end);
    if (bytes == NULL)
        assert_int_equal(ftruncate(fd, size - at_end), 0);
    else
        assert_int_equal(pwrite(fd, bytes, n, size - at_end), n);
    close(fd);
}

static void a_torn_file_is_read_as_far_as_it_is_whole(void **state)
{
    struct world *w = *state;
    see(w, "a", "one two three four five six");
    see(w, "b", "seven eight nine ten eleven");
    change_file(w, 3, NULL, 0);
    next_life(w);
    assert_duplicate(w, "one two three four five six", "a");
    assert_duplicate(w, "seven eight nine ten eleven", NULL);
    see(w, "c", "red green blue black white");
    change_file(w, 40, "X", 1);
    next_life(w);
    assert_duplicate(w, "one two three four five six", "a");
    assert_duplicate(w, "red green blue black white", NULL);
}

static void a_file_of_something_else_is_begun_anew(void **state)
{
    struct world *w = *state;
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.window", w->folder, w->conf.state_instance);
    FILE *f = fopen(path, "w");
    fputs("this is not a window at all, but it is long enough to hold the head of one", f);
    fclose(f);
    next_life(w);
    assert_duplicate(w, "one two three four five six", NULL);
    see(w, "a", "one two three four five six");
    next_life(w);
    assert_duplicate(w, "one two three four five six", "a");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(spelling_does_not_matter),
        TEST(estimates_are_near_the_truth),
        TEST(scripts_without_spaces_have_words),
        TEST(an_earlier_one_is_named),
        TEST(a_duplicate_waits_for_the_first),
        TEST(a_failed_first_has_no_duplicates),
        TEST(one_that_comes_again_is_no_duplicate_of_itself),
        TEST(the_window_is_bounded),
        TEST(results_are_shared_by_those_that_ask_alike),
        TEST(delivered_ones_are_known_in_the_next_life),
        TEST(a_torn_file_is_read_as_far_as_it_is_whole),
        TEST(a_file_of_something_else_is_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
