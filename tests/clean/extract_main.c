/* Runs the clean stage over files and prints one JSON line each: what bench/extract.py and the
 * offset test read. With --runs the offset runs are printed too, for checking them from outside. */
#include "tm_pipeline.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_doc(const struct tm_doc *doc, const char *path, bool runs)
{
    json_t *o = json_pack("{s:s}", "source", path);
    if (doc->err.status != TM_OK) {
        json_object_set_new(o, "error",
                            json_sprintf("%s: %s", tm_status_code(doc->err.status), doc->err.text));
    } else {
        json_t *authors = json_array(), *removed = json_object(), *list = json_array();
        for (size_t i = 0; i < doc->n_authors; i++)
            json_array_append_new(authors, json_string(doc->authors[i]));
        for (size_t i = 0; i < doc->cleaning.n_removed; i++)
            json_object_set_new(removed, doc->cleaning.removed[i].rule,
                                json_integer(doc->cleaning.removed[i].count));
        for (size_t i = 0; runs && i < doc->n_runs; i++)
            json_array_append_new(list,
                                  json_pack("[i,i,i,b]", (int)doc->runs[i].text_start,
                                            (int)doc->runs[i].source_start,
                                            (int)doc->runs[i].source_end, (int)doc->runs[i].exact));
        json_object_set_new(o, "text", json_stringn(doc->text, doc->text_len));
        json_object_set_new(o, "title", doc->title ? json_string(doc->title) : json_null());
        json_object_set_new(o, "lang", doc->lang ? json_string(doc->lang) : json_null());
        json_object_set_new(o, "url", doc->url ? json_string(doc->url) : json_null());
        json_object_set_new(o, "published_at",
                            doc->published_at ? json_string(doc->published_at) : json_null());
        json_object_set_new(o, "authors", authors);
        json_object_set_new(o, "method", json_string(doc->cleaning.method));
        json_object_set_new(o, "encoding", json_string(doc->cleaning.encoding));
        json_object_set_new(o, "removed", removed);
        json_object_set_new(o, "sentences", json_integer((json_int_t)doc->n_sentences));
        json_object_set_new(o, "ms", json_real((double)doc->clean_ns / 1e6));
        json_object_set_new(o, "runs", list);
    }
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
}

static bool clean_file(void *self, void *worker, const char *path, bool runs)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf data = {0};
    struct tm_err err = {0};
    if (tm_read_file(path, 1 << 28, &data, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.text);
        return false;
    }
    struct tm_doc *doc = tm_doc_create((size_t)1 << 28);
    if (doc == NULL)
        return false;
    const char *name = strrchr(path, '/');
    doc->rec.lane_name = doc->rec.path = name == NULL ? path : name + 1;
    doc->rec.data = data.data == NULL ? "" : data.data;
    doc->rec.len = data.len;
    struct tm_batch batch = {&doc, 1};
    tm_stage_clean.run(self, worker, &batch, &err);
    print_doc(doc, path, runs);
    tm_doc_destroy(doc);
    return true;
}

int main(int argc, char **argv)
{
    struct tm_conf conf;
    struct tm_err err = {0};
    void *self;
    bool runs = argc > 1 && strcmp(argv[1], "--runs") == 0, ok = true;
    if (tm_conf_init(&conf, &err) != TM_OK ||
        tm_stage_clean.create(&self, &conf, NULL, &err) != TM_OK) {
        fprintf(stderr, "%s\n", err.text);
        return 70;
    }
    void *worker = tm_stage_clean.worker_create(self);
    for (int i = 1 + runs; i < argc; i++)
        ok = clean_file(self, worker, argv[i], runs) && ok;
    tm_stage_clean.worker_destroy(self, worker);
    tm_stage_clean.destroy(self);
    tm_conf_finish(&conf);
    return ok ? 0 : 66;
}
