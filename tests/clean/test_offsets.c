/* Offsets over real pages: for every page of the extraction sets, spans and runs hold, and most of
 * the text is mapped byte for byte. Needs the test data. */
#include "helper.h"
#include "charset.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77 };

struct total {
    size_t pages, bytes, exact;
};

static void check_page(struct cleaning *c, const char *path, struct total *total)
{
    struct tm_buf file = {0}, decoded = {0};
    struct tm_decoded d;
    struct tm_err err = {0};
    assert_int_equal(tm_read_file(path, 1 << 26, &file, &err), TM_OK);
    struct tm_doc *doc =
        clean_source(c, &(struct source){.data = file.data, .len = file.len, .path = path});
    if (doc->err.status == TM_OK) {
        assert_int_equal(tm_charset_decode(file.data, file.len, NULL, true, &decoded, &d, &err),
                         TM_OK);
        check_offsets(doc, d.text, d.len);
        total->pages++;
        total->bytes += doc->text_len;
        for (size_t i = 0; i < doc->n_runs; i++)
            if (doc->runs[i].exact)
                total->exact += doc->runs[i].source_end - doc->runs[i].source_start;
    } else {
        print_message("%s: %s\n", path, doc->err.text);
    }
    tm_doc_destroy(doc);
    tm_buf_finish(&file);
    tm_buf_finish(&decoded);
}

static void check_folder(struct cleaning *c, const char *folder, struct total *total)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        fail_msg("%s is not there", folder);
    struct dirent *e;
    while ((e = readdir(dir)) != NULL) {
        char path[4096];
        if (e->d_name[0] == '.')
            continue;
        assert_true((size_t)snprintf(path, sizeof path, "%s/%s", folder, e->d_name) < sizeof path);
        if (strlen(path) > 5 && strcmp(path + strlen(path) - 5, ".html") == 0)
            check_page(c, path, total);
    }
    closedir(dir);
}

static void test_pages(void **state)
{
    char folder[4096];
    struct cleaning c;
    struct total total = {0};
    (void)state;
    cleaning_open(&c);
    snprintf(folder, sizeof folder, "%s/datasets/extract-trafilatura/cache",
             getenv("TEXTMILL_TESTDATA"));
    check_folder(&c, folder, &total);
    print_message("%zu pages, %.2f %% of %zu bytes exact\n", total.pages,
                  100.0 * (double)total.exact / (double)total.bytes, total.bytes);
    assert_true(total.pages >= 100);
    assert_true(total.exact * 100 >= total.bytes * 95);
    cleaning_close(&c);
}

int main(void)
{
    if (getenv("TEXTMILL_TESTDATA") == NULL) {
        fprintf(stderr, "skipped: set TEXTMILL_TESTDATA to the folder of test data\n");
        return SKIPPED;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
