/* Times as results print them; the hash, which only has to spread. */
#include "check.h"
#include "tm_mem.h"
#include <string.h>

static void iso_form(void **unused)
{
    (void)unused;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1769862896789, "2026-01-31T12:34:56.789Z"},
        {951782400000, "2000-02-29T00:00:00.000Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {-62135596800000, "0001-01-01T00:00:00.000Z"},
        {253402300799999, "9999-12-31T23:59:59.999Z"},
        /* dates from documents can be anything; the form stays the form */
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < TM_COUNTOF(cases); i++) {
        char text[32];
        tm_clock_iso(cases[i].ms, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void clocks_run(void **unused)
{
    (void)unused;
    uint64_t start = tm_clock_ns(), now;
    do
        now = tm_clock_ns();
    while (now == start);
    assert_true(now > start);
    assert_true(tm_clock_unix_ms() > 1577836800000); /* 2020 */
}

static void hash_depends_on_every_byte(void **unused)
{
    (void)unused;
    char text[40] = "the quick brown fox jumps over the dog.";
    for (size_t n = 0; n <= sizeof text; n++) {
        uint64_t h = tm_hash(text, n, 1);
        assert_true(h == tm_hash(text, n, 1));
        assert_true(h != tm_hash(text, n, 2));
        for (size_t i = 0; i < n; i++) {
            text[i] ^= 1;
            assert_true(h != tm_hash(text, n, 1));
            text[i] ^= 1;
        }
    }
}

/* One bit of the input changes each bit of the output about half of the time. */
static void hash_mixes(void **unused)
{
    (void)unused;
    enum { KEYS = 1000 };
    for (unsigned in = 0; in < 64; in++) {
        unsigned flips[64] = {0};
        for (uint64_t i = 0; i < KEYS; i++) {
            uint64_t key = i * UINT64_C(0x9e3779b97f4a7c15), other = key ^ UINT64_C(1) << in;
            uint64_t diff = tm_hash(&key, sizeof key, 0) ^ tm_hash(&other, sizeof other, 0);
            for (unsigned out = 0; out < 64; out++)
                flips[out] += (unsigned)(diff >> out & 1);
        }
        for (unsigned out = 0; out < 64; out++)
            assert_in_range(flips[out], KEYS * 4 / 10, KEYS * 6 / 10); /* six deviations */
    }
}

/* Keys that differ in few bits must not gather in few buckets. */
static void hash_spreads(void **unused)
{
    (void)unused;
    enum { BUCKETS = 1024, KEYS = 32 * BUCKETS };
    unsigned count[BUCKETS] = {0};
    for (uint32_t key = 0; key < KEYS; key++)
        count[tm_hash(&key, sizeof key, 0) % BUCKETS]++;
    for (size_t i = 0; i < BUCKETS; i++)
        assert_in_range(count[i], 8, 72); /* 32 expected, deviation 5.7: seven of them */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(iso_form),
        cmocka_unit_test(clocks_run),
        cmocka_unit_test(hash_depends_on_every_byte),
        cmocka_unit_test(hash_mixes),
        cmocka_unit_test(hash_spreads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
