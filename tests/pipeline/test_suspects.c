/* Finding the guilty by bisection, life after life, on paper: the text of one life's journal is all
 * that the next one knows. And the parser: torn lines, random bytes. */
#include "suspects.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ATTEMPTS = 2, DOCS_MOST = 200 };

static uint64_t random_state = 1;

static uint32_t draw(uint32_t below)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33) % below;
}

struct paper {
    size_t n;
    bool guilty[DOCS_MOST], delivered[DOCS_MOST], dead[DOCS_MOST];
    struct tm_buf text; /* the journal */
    unsigned lives;
};

static void put_key(struct tm_buf *b, size_t i)
{
    char name[32];
    snprintf(name, sizeof name, "file %zu", i);
    trail_key(&(struct tm_record){.lane_name = name, .seq = 7}, b);
}

/* Documents go through a stage together; false: the process died in it. */
static bool pass_stage(struct paper *p, const size_t *docs, size_t n)
{
    bool dies = false;
    tm_buf_puts(&p->text, "+ 0 clean");
    for (size_t i = 0; i < n; i++) {
        tm_buf_putc(&p->text, ' ');
        put_key(&p->text, docs[i]);
        dies |= p->guilty[docs[i]];
    }
    tm_buf_puts(&p->text, "\n");
    if (dies)
        return false;
    tm_buf_puts(&p->text, "- 0\n");
    for (size_t i = 0; i < n; i++)
        p->delivered[docs[i]] = true;
    return true;
}

/* What the runner does with those not yet delivered. Returns false when the process died. */
static bool live(struct paper *p, struct trail *t)
{
    size_t group[DOCS_MOST], n = 0;
    struct tm_buf key = {.cap = 0};
    uint32_t of[DOCS_MOST] = {0};
    for (size_t i = 0; i < p->n; i++) {
        tm_buf_clear(&key);
        put_key(&key, i);
        const struct suspect *s = trail_find(t, key.data);
        of[i] = s != NULL ? s->group : 0;
        if (s != NULL && s->deaths >= ATTEMPTS)
            p->dead[i] = true;
        if (!p->delivered[i] && !p->dead[i] && of[i] == 0)
            group[n++] = i;
    }
    tm_buf_finish(&key);
    if (n > 0 && !pass_stage(p, group, n))
        return false;
    for (uint32_t g = 1; g <= t->last_group; g++) {
        n = 0;
        for (size_t i = 0; i < p->n; i++)
            if (of[i] == g && !p->dead[i])
                group[n++] = i;
        if (n == 0)
            continue;
        tm_buf_printf(&p->text, "q %u\n", g);
        if (!pass_stage(p, group, n))
            return false;
        tm_buf_printf(&p->text, "p %u\n", g);
    }
    return true;
}

/* Lives until one ends well; returns the number of restarts. */
static unsigned play(struct paper *p)
{
    for (unsigned restarts = 0; restarts < 1000; restarts++) {
        struct trail t;
        struct tm_buf old = p->text;
        p->text = (struct tm_buf){.cap = 0};
        assert_true(trail_parse(&t, old.data, old.len));
        if (restarts > 0)
            assert_true(trail_accuse(&t));
        tm_buf_puts(&p->text, JOURNAL_MAGIC " 1 -\n");
        for (size_t i = 0; i < t.n_suspects; i++)
            trail_print(&t.suspects[i], &p->text);
        bool ended = live(p, &t);
        trail_finish(&t);
        tm_buf_finish(&old);
        if (ended) {
            tm_buf_finish(&p->text);
            return restarts;
        }
    }
    fail_msg("the bisection does not end");
    return 0;
}

static unsigned log2_up(size_t n)
{
    unsigned k = 0;
    while ((size_t)1 << k < n)
        k++;
    return k;
}

static void one_guilty_is_found_quickly(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 70; n++)
        for (size_t guilty = 0; guilty < n; guilty++) {
            struct paper p = {.n = n};
            p.guilty[guilty] = true;
            assert_true(play(&p) <= log2_up(n) + ATTEMPTS + 1);
            for (size_t i = 0; i < n; i++) {
                assert_int_equal(p.dead[i], i == guilty);
                assert_int_equal(p.delivered[i], i != guilty);
            }
        }
}

static void several_guilty_are_found_and_nobody_else(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct paper p = {.n = 1 + draw(DOCS_MOST)};
        size_t guilty = 1 + draw(6);
        for (size_t i = 0; i < guilty; i++)
            p.guilty[draw((uint32_t)p.n)] = true;
        assert_true(play(&p) <= guilty * (log2_up(p.n) + ATTEMPTS + 1));
        for (size_t i = 0; i < p.n; i++) {
            assert_int_equal(p.dead[i], p.guilty[i]);
            assert_int_equal(p.delivered[i], !p.guilty[i]);
        }
    }
}

/* ---- the text ---- */

static struct trail parse(const char *text)
{
    struct trail t;
    assert_true(trail_parse(&t, text, strlen(text)));
    return t;
}

#define HEAD JOURNAL_MAGIC " 42 3\n"

static void those_inside_are_the_suspects(void **state)
{
    (void)state;
    struct trail t =
        parse(HEAD "+ 0 clean a#0 b#0\n+ 1 infer c#0 d#0\n+ 1 infer e#0\n- 0\n+ 0 clean f#0\n");
    assert_int_equal(t.pid, 42);
    assert_int_equal(t.oom_kills, 3);
    assert_true(trail_accuse(&t));
    assert_int_equal(t.n_suspects, 4);
    assert_null(trail_find(&t, "a#0")); /* it had left */
    assert_string_equal(trail_find(&t, "e#0")->stage, "infer");
    assert_int_equal(trail_find(&t, "c#0")->deaths, 0); /* nobody was alone */
    trail_finish(&t);
}

/* The watchdog knows which batch it was: the others are left in peace. */
static void an_overrun_accuses_its_own_slot(void **state)
{
    (void)state;
    struct trail t = parse(HEAD "+ 0 clean a#0\n+ 1 tokenize b#0 b#0\nt 1\n");
    assert_true(trail_accuse(&t));
    assert_int_equal(t.n_suspects, 1);
    assert_true(trail_find(&t, "b#0")->timeout);
    trail_finish(&t);
}

static void only_a_death_alone_is_counted(void **state)
{
    (void)state;
    struct trail t = parse(HEAD "+ 0 clean a#0\n");
    assert_true(trail_accuse(&t));
    assert_int_equal(t.suspects[0].deaths, 0); /* others were in flight */
    trail_finish(&t);
    t = parse(HEAD "s 1 1 c clean a#0\nq 1\n+ 0 clean a#0\n");
    assert_true(trail_accuse(&t));
    assert_int_equal(t.suspects[0].deaths, 2);
    trail_finish(&t);
    t = parse(HEAD "s 1 0 c clean a#0\ns 1 0 c clean b#0\nq 1\n+ 0 clean a#0\n");
    assert_true(trail_accuse(&t));
    assert_int_equal(trail_find(&t, "a#0")->deaths, 0); /* b was in flight too */
    trail_finish(&t);
}

/* Between two stages nobody is inside, but in quarantine it is known who it was. */
static void a_death_between_stages_accuses_the_group(void **state)
{
    (void)state;
    struct trail t = parse(HEAD "s 1 0 c clean a#0\ns 1 0 c clean b#0\ns 2 0 c clean c#0\nq 1\n");
    assert_true(trail_accuse(&t));
    assert_int_not_equal(trail_find(&t, "a#0")->group, trail_find(&t, "b#0")->group);
    assert_int_equal(trail_find(&t, "c#0")->group, 2);
    trail_finish(&t);
}

static void cleared_suspects_are_gone(void **state)
{
    (void)state;
    struct trail t =
        parse(HEAD "s 1 0 c clean a#0\ns 2 0 c clean b#0\ns 3 2 t infer c#0\nq 1\np 1\nc c#0\n");
    assert_int_equal(t.n_suspects, 1);
    assert_non_null(trail_find(&t, "b#0"));
    assert_int_equal(t.running, 0);
    trail_finish(&t);
}

static void names_are_one_field(void **state)
{
    (void)state;
    struct tm_buf b = {.cap = 0};
    trail_key(&(struct tm_record){.lane_name = "a b\nc%\xc3\xa9#", .seq = 12}, &b);
    assert_string_equal(b.data, "a%20b%0Ac%25%C3%A9##12");
    tm_buf_finish(&b);
}

/* Cut anywhere, mixed up in any way: read what can be read, and nothing worse. */
static void any_bytes_are_read(void **state)
{
    (void)state;
    static const char good[] =
        HEAD "s 1 1 c clean a#0\ns 2 0 t infer bb#12\nq 1\n+ 0 clean a#0 c#1\n"
             "- 0\np 1\n+ 3 infer d#0\nt 3\nc bb#12\n+ 4294967295 x y#1\n";
    char text[sizeof good * 2];
    for (size_t n = 0; n <= strlen(good); n++) {
        struct trail t;
        assert_true(trail_parse(&t, good, n));
        assert_true(trail_accuse(&t));
        trail_finish(&t);
    }
    for (int round = 0; round < 20000; round++) {
        struct trail t;
        size_t n = strlen(good);
        memcpy(text, good, n);
        for (uint32_t k = draw(12); k > 0; k--) {
            size_t at = round % 2 == 0 ? draw((uint32_t)n)
                                       : strlen(HEAD) + draw((uint32_t)(n - strlen(HEAD)));
            text[at] = draw(3) == 0 ? (char)draw(256) : " \n+-stqpc0"[draw(10)];
        }
        assert_true(trail_parse(&t, text, n));
        assert_true(trail_accuse(&t));
        for (size_t i = 0; i < t.n_suspects; i++)
            assert_true(t.suspects[i].group > 0 && t.suspects[i].group <= t.last_group);
        trail_finish(&t);
    }
}

/* A torn last line says nothing, even if it looks complete so far. */
static void a_torn_line_is_left_out(void **state)
{
    (void)state;
    struct trail t = parse(HEAD "+ 0 clean a#0\n+ 1 clean b#0");
    assert_int_equal(t.n_inside, 1);
    trail_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_guilty_is_found_quickly),
        cmocka_unit_test(several_guilty_are_found_and_nobody_else),
        cmocka_unit_test(those_inside_are_the_suspects),
        cmocka_unit_test(an_overrun_accuses_its_own_slot),
        cmocka_unit_test(only_a_death_alone_is_counted),
        cmocka_unit_test(a_death_between_stages_accuses_the_group),
        cmocka_unit_test(cleared_suspects_are_gone),
        cmocka_unit_test(names_are_one_field),
        cmocka_unit_test(any_bytes_are_read),
        cmocka_unit_test(a_torn_line_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
