/* Reads the YAML file event by event, so that each value's line and column are known when it is
 * stored. The table of keys (tm_conf.h) says what exists; this file says where it stood. */
#include "conf_file.h"
#include "tm_kafka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { MAX_FILE = 1 << 20, MAX_PATH = 256, MAX_DEPTH = 6, MAX_TASKS = 256 };

struct place {
    char path[MAX_PATH];
    unsigned line, column;
};

struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    bool have_event;
    bool stopped; /* a syntax error: nothing after it can be trusted */
    char dir[4096];
    struct tm_conf *conf;
    struct conf_findings *findings;
    struct place *places; /* of every key that was read */
    size_t n_places, room_places;
};

/* ---- findings ---- */

void conf_findings_finish(struct conf_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->list[i].text);
    free(f->list);
    *f = (struct conf_findings){0};
}

static int by_place(const void *a, const void *b)
{
    const struct conf_finding *x = a, *y = b;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return (x->column > y->column) - (x->column < y->column);
}

void conf_findings_print(const struct conf_findings *f, const char *file)
{
    for (size_t i = 0; i < f->n; i++)
        fprintf(stderr, "%s:%u:%u: %s\n", file, f->list[i].line, f->list[i].column,
                f->list[i].text);
}

__attribute__((format(printf, 4, 5))) static void found(struct conf_findings *f, unsigned line,
                                                        unsigned column, const char *fmt, ...)
{
    if (f->n == f->room) {
        size_t room = f->room > 0 ? 2 * f->room : 16;
        struct conf_finding *list = realloc(f->list, room * sizeof *list);
        if (list == NULL)
            return;
        f->list = list;
        f->room = room;
    }
    va_list args;
    va_start(args, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, args) >= 0)
        f->list[f->n++] = (struct conf_finding){line, column, text};
    va_end(args);
}

#define FOUND(r, mark, ...)                                                                        \
    found((r)->findings, (unsigned)(mark).line + 1, (unsigned)(mark).column + 1, __VA_ARGS__)

/* ---- places ---- */

static const struct place *find_place(const struct reader *r, const char *path)
{
    for (size_t i = 0; i < r->n_places; i++)
        if (strcmp(r->places[i].path, path) == 0)
            return &r->places[i];
    return NULL;
}

static void add_place(struct reader *r, const char *path, yaml_mark_t mark)
{
    if (r->n_places == r->room_places) {
        size_t room = r->room_places > 0 ? 2 * r->room_places : 64;
        struct place *places = realloc(r->places, room * sizeof *places);
        if (places == NULL)
            return;
        r->places = places;
        r->room_places = room;
    }
    struct place *p = &r->places[r->n_places++];
    snprintf(p->path, sizeof p->path, "%s", path);
    p->line = (unsigned)mark.line + 1;
    p->column = (unsigned)mark.column + 1;
}

/* A finding between keys is shown at the key, or at the nearest section around it. */
static void found_between(void *arg, const char *path, const char *text)
{
    struct reader *r = arg;
    char at[MAX_PATH];
    snprintf(at, sizeof at, "%s", path);
    const struct place *p;
    while ((p = find_place(r, at)) == NULL) {
        char *dot = strrchr(at, '.');
        if (dot == NULL)
            break;
        *dot = '\0';
    }
    found(r->findings, p != NULL ? p->line : 1, p != NULL ? p->column : 1, "%s: %s", path, text);
}

/* ---- events ---- */

/* The next event, owned by the reader until the one after it; NULL after a syntax error. */
static const yaml_event_t *next_event(struct reader *r)
{
    if (r->have_event)
        yaml_event_delete(&r->event);
    r->have_event = false;
    if (r->stopped)
        return NULL;
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        FOUND(r, r->parser.problem_mark, "%s%s%s", r->parser.problem,
              r->parser.context != NULL ? " " : "",
              r->parser.context != NULL ? r->parser.context : "");
        r->stopped = true;
        return NULL;
    }
    r->have_event = true;
    return &r->event;
}

/* Reads past the value whose first event is the current one. */
static void skip_value(struct reader *r)
{
    for (int depth = 0; r->have_event;) {
        yaml_event_type_t t = r->event.type;
        depth += t == YAML_MAPPING_START_EVENT || t == YAML_SEQUENCE_START_EVENT;
        depth -= t == YAML_MAPPING_END_EVENT || t == YAML_SEQUENCE_END_EVENT;
        if (depth == 0)
            return;
        next_event(r);
    }
}

/* ---- values ---- */

/* The texts of a list, with commas between them. */
static void read_words(struct reader *r, const char *path, struct tm_buf *out)
{
    const yaml_event_t *e;
    while ((e = next_event(r)) != NULL && e->type != YAML_SEQUENCE_END_EVENT) {
        if (e->type != YAML_SCALAR_EVENT ||
            strchr((const char *)e->data.scalar.value, ',') != NULL) {
            FOUND(r, e->start_mark, "%s: expected words in the list", path);
            skip_value(r);
            continue;
        }
        tm_buf_puts(out, out->len > 0 ? "," : "");
        tm_buf_puts(out, (const char *)e->data.scalar.value);
    }
}

/* The pairs of a mapping, each a line "name=text". */
static void read_map(struct reader *r, const char *path, struct tm_buf *out)
{
    const yaml_event_t *e;
    bool is_name = true;
    while ((e = next_event(r)) != NULL && e->type != YAML_MAPPING_END_EVENT) {
        const char *text = e->type == YAML_SCALAR_EVENT ? (const char *)e->data.scalar.value : NULL;
        if (text == NULL || strchr(text, '\n') != NULL || (is_name && strchr(text, '=') != NULL)) {
            FOUND(r, e->start_mark, "%s: expected names with a text of one line each", path);
            skip_value(r);
            text = "";
        }
        tm_buf_puts(out, text);
        tm_buf_puts(out, is_name ? "=" : "\n");
        is_name = !is_name;
    }
}

/* A value that has parts. */
static void set_parts(struct reader *r, void *base, const struct tm_conf_key *key, const char *path)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = 1 << 16};
    struct tm_err err = {0};
    yaml_mark_t mark = r->event.start_mark;
    tm_buf_puts(&text, "");
    if (key->type == TM_CONF_WORDS)
        read_words(r, path, &text);
    else
        read_map(r, path, &text);
    if (text.failed)
        FOUND(r, mark, "%s: too long", path);
    else if (tm_conf_set(base, key, text.data, r->dir, &err) != TM_OK)
        FOUND(r, mark, "%s", err.text);
}

static void set_scalar(struct reader *r, void *base, const struct tm_conf_key *key,
                       const char *path, const yaml_event_t *e)
{
    if ((key->type == TM_CONF_WORDS && e->type == YAML_SEQUENCE_START_EVENT) ||
        (key->type == TM_CONF_MAP && e->type == YAML_MAPPING_START_EVENT)) {
        set_parts(r, base, key, path);
        return;
    }
    if (key->type == TM_CONF_MAP) {
        FOUND(r, e->start_mark, "%s: expected a mapping of names and texts", path);
        skip_value(r);
        return;
    }
    if (e->type != YAML_SCALAR_EVENT) {
        FOUND(r, e->start_mark, "%s: expected a value, not a %s", path,
              e->type == YAML_MAPPING_START_EVENT    ? "mapping"
              : e->type == YAML_SEQUENCE_START_EVENT ? "list"
                                                     : "reference");
        skip_value(r);
        return;
    }
    const char *value = (const char *)e->data.scalar.value;
    struct tm_err err = {0};
    char joined[8192];
    /* A model is a name, or a folder relative to this file. */
    if (strcmp(key->path, "model") == 0 && strchr(value, '/') != NULL && value[0] != '/') {
        snprintf(joined, sizeof joined, "%s/%s", r->dir, value);
        value = joined;
    }
    if (memchr(value, '\0', e->data.scalar.length) != NULL)
        FOUND(r, e->start_mark, "%s: the value holds a NUL", path);
    else if (tm_conf_set(base, key, value, r->dir, &err) != TM_OK)
        FOUND(r, e->start_mark, "%s", err.text);
}

/* A list key takes a list of values, or one. */
static void set_value(struct reader *r, void *base, const struct tm_conf_key *key, const char *path,
                      const yaml_event_t *e)
{
    if (key->type != TM_CONF_LIST || e->type != YAML_SEQUENCE_START_EVENT) {
        set_scalar(r, base, key, path, e);
        return;
    }
    while ((e = next_event(r)) != NULL && e->type != YAML_SEQUENCE_END_EVENT)
        set_scalar(r, base, key, path, e);
}

/* The current event is the key's value: what holds keys was meant as a section. */
static void unknown_key(struct reader *r, const struct tm_conf_key *table, const char *path,
                        yaml_mark_t mark)
{
    char section[MAX_PATH];
    const struct tm_conf_key *near = tm_conf_nearest(table, path);
    if (table == tm_conf_keys && r->event.type != YAML_SCALAR_EVENT &&
        tm_conf_nearest_section(path, section, sizeof section))
        FOUND(r, mark, "unknown key %s; did you mean %s?", path, section);
    else if (near != NULL)
        FOUND(r, mark, "unknown key %s; did you mean %s?", path, near->path);
    else
        FOUND(r, mark, "unknown key %s; `textmill config example` shows all keys", path);
}

/* Reads a key of a mapping; false at the mapping's end. path becomes prefix.key. */
static bool next_key(struct reader *r, const char *prefix, char path[MAX_PATH], yaml_mark_t *mark)
{
    const yaml_event_t *e = next_event(r);
    if (e == NULL || e->type == YAML_MAPPING_END_EVENT)
        return false;
    *mark = e->start_mark;
    if (e->type != YAML_SCALAR_EVENT) {
        FOUND(r, e->start_mark, "a key must be a plain word");
        skip_value(r);
        path[0] = '\0';
        return true;
    }
    snprintf(path, MAX_PATH, "%s%s%s", prefix, *prefix != '\0' ? "." : "",
             (const char *)e->data.scalar.value);
    if (find_place(r, path) != NULL)
        FOUND(r, *mark, "%s is given twice", path);
    add_place(r, path, *mark);
    return true;
}

/* Is name the mapping that holds dotted keys of an entry, as `when` holds when.lang? */
static bool is_task_section(const char *name)
{
    size_t n = strlen(name);
    for (const struct tm_conf_key *k = tm_conf_task_keys; n > 0 && k->path != NULL; k++)
        if (strncmp(k->path, name, n) == 0 && k->path[n] == '.')
            return true;
    return false;
}

/* The keys of a task's mapping. prefix: what they are below, of which `skip` bytes are no part of a
 * key's name. */
static void read_task_keys(struct reader *r, struct tm_conf_task *task, const char *prefix,
                           size_t skip)
{
    char path[MAX_PATH];
    yaml_mark_t mark;
    while (next_key(r, prefix, path, &mark)) {
        const yaml_event_t *e = next_event(r);
        if (e == NULL)
            return;
        const char *name = path[0] != '\0' ? path + skip : path;
        const struct tm_conf_key *key = tm_conf_find(tm_conf_task_keys, name);
        if (key != NULL) {
            set_value(r, task, key, path, e);
            continue;
        }
        if (is_task_section(name) && e->type == YAML_MAPPING_START_EVENT) {
            char section[MAX_PATH];
            memcpy(section, path, sizeof section);
            read_task_keys(r, task, section, skip);
            continue;
        }
        if (path[0] != '\0')
            unknown_key(r, tm_conf_task_keys, name, mark);
        skip_value(r);
    }
}

static void read_task(struct reader *r, size_t index)
{
    struct tm_conf_task *task = tm_conf_add_task(r->conf);
    char prefix[32];
    yaml_mark_t mark = r->event.start_mark;
    snprintf(prefix, sizeof prefix, "tasks[%zu]", index);
    add_place(r, prefix, mark);
    if (task == NULL) {
        skip_value(r);
        return;
    }
    task->line = (int)mark.line + 1;
    task->column = (int)mark.column + 1;
    read_task_keys(r, task, prefix, strlen(prefix) + 1);
}

static void read_tasks(struct reader *r)
{
    if (r->event.type != YAML_SEQUENCE_START_EVENT) {
        FOUND(r, r->event.start_mark,
              "tasks: expected a list of mappings like `- { task: summary }`");
        skip_value(r);
        return;
    }
    const yaml_event_t *e;
    for (size_t i = 0; (e = next_event(r)) != NULL && e->type != YAML_SEQUENCE_END_EVENT; i++) {
        if (e->type == YAML_MAPPING_START_EVENT && i < MAX_TASKS) {
            read_task(r, i);
            continue;
        }
        FOUND(r, e->start_mark,
              i < MAX_TASKS ? "tasks: expected a mapping like `{ task: summary }`"
                            : "tasks: too many");
        skip_value(r);
    }
}

static void read_section(struct reader *r, const char *prefix, int depth)
{
    char path[MAX_PATH];
    yaml_mark_t mark;
    while (next_key(r, prefix, path, &mark)) {
        const yaml_event_t *e = next_event(r);
        if (e == NULL)
            return;
        const struct tm_conf_key *key = tm_conf_find(tm_conf_keys, path);
        bool empty = e->type == YAML_SCALAR_EVENT && e->data.scalar.length == 0;
        if (key != NULL)
            set_value(r, r->conf, key, path, e);
        else if (strcmp(path, "tasks") == 0)
            read_tasks(r);
        else if (tm_conf_is_section(path) && e->type == YAML_MAPPING_START_EVENT &&
                 depth < MAX_DEPTH)
            read_section(r, path, depth + 1);
        else if (tm_conf_is_section(path) && empty)
            continue;
        else {
            if (tm_conf_is_section(path))
                FOUND(r, e->start_mark, "%s: expected a mapping of keys", path);
            else if (path[0] != '\0')
                unknown_key(r, tm_conf_keys, path, mark);
            skip_value(r);
        }
    }
}

static void read_document(struct reader *r)
{
    const yaml_event_t *e;
    while ((e = next_event(r)) != NULL && e->type != YAML_STREAM_END_EVENT) {
        if (e->type == YAML_MAPPING_START_EVENT)
            read_section(r, "", 0);
        else if (e->type == YAML_SCALAR_EVENT || e->type == YAML_SEQUENCE_START_EVENT) {
            FOUND(r, e->start_mark, "expected a mapping of keys, like `source:`");
            skip_value(r);
        } else if (e->type == YAML_ALIAS_EVENT)
            FOUND(r, e->start_mark, "references are not used here");
    }
}

static void set_dir(struct reader *r, const char *file)
{
    char *real = realpath(file, NULL);
    snprintf(r->dir, sizeof r->dir, "%s", real != NULL ? real : file);
    free(real);
    char *slash = strrchr(r->dir, '/');
    if (slash == NULL)
        snprintf(r->dir, sizeof r->dir, ".");
    else
        slash[slash == r->dir] = '\0';
}

/* A default that is a path goes by the file too, wherever the program was started; that is the
 * state, which a service has a folder for (systemd.exec(5)): it may not write beside the file. */
static enum tm_status place_defaults(struct reader *r, struct tm_err *err)
{
    const char *state = getenv("STATE_DIRECTORY");
    const char *dir = state != NULL && state[0] == '/' ? state : r->dir;
    enum tm_status s = TM_OK;
    for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL && s == TM_OK; k++)
        if (k->type == TM_CONF_PATH && k->def[0] != '\0')
            s = tm_conf_set(r->conf, k, k->def, dir, err);
    return s;
}

enum tm_status conf_file_read(const char *file, struct tm_conf *ret_conf, struct conf_findings *f,
                              struct tm_err *err)
{
    TM_CLEANUP(tm_buf_finish) struct tm_buf text = {.cap = MAX_FILE + 1};
    enum tm_status s = tm_read_file(file, MAX_FILE, &text, err);
    if (s == TM_OK)
        s = tm_conf_init(ret_conf, err);
    if (s != TM_OK)
        return s;
    struct reader r = {.conf = ret_conf, .findings = f};
    set_dir(&r, file);
    s = place_defaults(&r, err);
    if (s == TM_OK && !yaml_parser_initialize(&r.parser))
        s = tm_err_set(err, TM_NOMEM, "%s", file);
    if (s != TM_OK) {
        tm_conf_finish(ret_conf);
        return s;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.data, text.len);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    read_document(&r);
    if (r.have_event)
        yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    if (!r.stopped) {
        tm_conf_check(ret_conf, found_between, &r);
        if (f->n == 0)
            tm_kafka_check(ret_conf, found_between, &r);
    }
    free(r.places);
    if (f->n == 0)
        return TM_OK;
    qsort(f->list, f->n, sizeof *f->list, by_place);
    tm_conf_finish(ret_conf);
    return tm_err_set(err, TM_CONFIG, "%s: %zu finding%s", file, f->n, f->n == 1 ? "" : "s");
}

enum exit_code conf_file_of(const struct args *a, struct tm_conf *ret_conf)
{
    const char *file = args_get(a, "config");
    if (file == NULL)
        return verb_fail(a, EXIT_USAGE,
                         "say which configuration: -c FILE (`textmill config example` prints one)");
    struct conf_findings f = {0};
    struct tm_err err = {0};
    enum tm_status s = conf_file_read(file, ret_conf, &f, &err);
    conf_findings_print(&f, file);
    conf_findings_finish(&f);
    return s == TM_OK ? EXIT_OK : verb_fail_err(a, &err);
}
