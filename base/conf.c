/* The table of configuration keys at run time (tm_conf.h): defaults, set, get, look-up.
 *
 * daemon/ reads the YAML file over it before any other thread exists; afterwards the struct is
 * read only. What is wrong between keys is in conf_check.c, documents in conf_doc.c. */
#include "tm_conf.h"
#include "tm_json.h"
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct tm_conf_key tm_conf_keys[] = {
#define X(path, field, type, def, lo, hi, choices, unit, help)                                     \
    {path, TM_CONF_##type, offsetof(struct tm_conf, field), def, lo, hi, choices, unit, help},
    TM_CONF_LIST(X)
#undef X
        {0}};

const struct tm_conf_key tm_conf_task_keys[] = {
#define X(path, field, type, def, lo, hi, choices, unit, help)                                     \
    {path, TM_CONF_##type, offsetof(struct tm_conf_task, field), def, lo, hi, choices, unit, help},
    TM_CONF_TASK_LIST(X)
#undef X
        {0}};

static bool is_text(const struct tm_conf_key *key)
{
    return key->type != TM_CONF_INT && key->type != TM_CONF_BOOL && key->type != TM_CONF_REAL &&
           key->type != TM_CONF_LIST;
}

static void *field_of(void *base, const struct tm_conf_key *key)
{
    return (char *)base + key->offset;
}

static void freep(char **p)
{
    free(*p);
}

static void finish_list(struct tm_conf_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->item[i]);
    free(list->item);
    *list = (struct tm_conf_list){0};
}

static void finish_fields(void *base, const struct tm_conf_key *table)
{
    for (const struct tm_conf_key *k = table; k->path != NULL; k++) {
        if (k->type == TM_CONF_LIST)
            finish_list(field_of(base, k));
        if (is_text(k)) {
            char **text = field_of(base, k);
            free(*text);
            *text = NULL;
        }
    }
}

static enum tm_status init_fields(void *base, const struct tm_conf_key *table, struct tm_err *err)
{
    for (const struct tm_conf_key *k = table; k->path != NULL; k++) {
        if (k->type == TM_CONF_LIST)
            continue; /* begins empty */
        enum tm_status s = tm_conf_set(base, k, k->def, NULL, err);
        if (s != TM_OK)
            return s;
    }
    return TM_OK;
}

enum tm_status tm_conf_init(struct tm_conf *c, struct tm_err *err)
{
    memset(c, 0, sizeof *c);
    enum tm_status s = init_fields(c, tm_conf_keys, err);
    if (s != TM_OK)
        tm_conf_finish(c);
    return s;
}

void tm_conf_finish(struct tm_conf *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_tasks; i++)
        tm_conf_task_finish(&c->tasks[i]);
    free(c->tasks);
    finish_fields(c, tm_conf_keys);
    memset(c, 0, sizeof *c);
}

enum tm_status tm_conf_task_init(struct tm_conf_task *t, struct tm_err *err)
{
    memset(t, 0, sizeof *t);
    enum tm_status s = init_fields(t, tm_conf_task_keys, err);
    if (s != TM_OK)
        tm_conf_task_finish(t);
    return s;
}

void tm_conf_task_finish(struct tm_conf_task *t)
{
    finish_fields(t, tm_conf_task_keys);
}

struct tm_conf_task *tm_conf_add_task(struct tm_conf *c)
{
    struct tm_conf_task *tasks = realloc(c->tasks, (c->n_tasks + 1) * sizeof *tasks);
    if (tasks == NULL)
        return NULL;
    c->tasks = tasks;
    struct tm_conf_task *t = &tasks[c->n_tasks];
    if (tm_conf_task_init(t, NULL) != TM_OK)
        return NULL;
    c->n_tasks++;
    return t;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t n = strlen(value);
    for (const char *p = choices;; p++) {
        size_t len = strcspn(p, "|");
        if (len == n && memcmp(p, value, n) == 0)
            return true;
        p += len;
        if (*p == '\0')
            return false;
    }
}

static enum tm_status set_enum(const struct tm_conf_key *key, const char *value, struct tm_err *err)
{
    char words[128];
    size_t n = 0;
    if (is_choice(key->choices, value))
        return TM_OK;
    for (const char *p = key->choices; *p != '\0' && n + 3 < sizeof words; p++) {
        words[n++] = *p == '|' ? ',' : *p;
        if (*p == '|')
            words[n++] = ' ';
    }
    words[n] = '\0';
    return tm_err_set(err, TM_CONFIG, "%s: \"%.60s\" must be one of %s", key->path, value, words);
}

/* Digits with an optional minus. No 010, which YAML readers disagree about, no 1_000, no 20M. */
static bool parse_int(const char *value, int64_t *ret)
{
    const char *digits = value + (value[0] == '-');
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || digits[n] != '\0' || (digits[0] == '0' && n > 1))
        return false;
    int64_t sum = 0;
    for (const char *p = digits; *p != '\0'; p++) {
        int digit = *p - '0';
        if (__builtin_mul_overflow(sum, (int64_t)10, &sum) ||
            __builtin_add_overflow(sum, (int64_t)digit, &sum)) {
            sum = INT64_MAX; /* beyond every range of the table */
            break;
        }
    }
    *ret = value[0] == '-' ? -sum : sum;
    return true;
}

/* The default of a key that need not be set. */
static bool is_unset(const struct tm_conf_key *key, const char *value)
{
    return value[0] == '\0' && key->def[0] == '\0';
}

static enum tm_status set_real(double *field, const struct tm_conf_key *key, const char *value,
                               struct tm_err *err)
{
    double x;
    if (is_unset(key, value)) {
        *field = NAN;
        return TM_OK;
    }
    if (!tm_json_number_f64(value, strlen(value), &x))
        return tm_err_set(err, TM_CONFIG, "%s: \"%.60s\" must be a number (such as 0.5)", key->path,
                          value);
    if (x < (double)key->lo || x > (double)key->hi)
        return tm_err_set(err, TM_CONFIG, "%s: %.60s must be between %" PRId64 " and %" PRId64,
                          key->path, value, key->lo, key->hi);
    *field = x;
    return TM_OK;
}

static enum tm_status set_int(int64_t *field, const struct tm_conf_key *key, const char *value,
                              struct tm_err *err)
{
    int64_t n;
    if (is_unset(key, value)) {
        *field = TM_CONF_UNSET;
        return TM_OK;
    }
    if (!parse_int(value, &n))
        return tm_err_set(err, TM_CONFIG,
                          "%s: \"%.60s\" must be a whole number, in digits only (such as %s)",
                          key->path, value, key->def[0] != '\0' ? key->def : "4");
    if (n < key->lo || n > key->hi)
        return tm_err_set(err, TM_CONFIG,
                          "%s: %.60s must be between %" PRId64 " and %" PRId64 "%s%s", key->path,
                          value, key->lo, key->hi, key->unit[0] != '\0' ? " " : "", key->unit);
    *field = n;
    return TM_OK;
}

static enum tm_status set_bool(bool *field, const struct tm_conf_key *key, const char *value,
                               struct tm_err *err)
{
    bool yes = strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "false") != 0)
        return tm_err_set(err, TM_CONFIG, "%s: \"%.60s\" must be true or false", key->path, value);
    *field = yes;
    return TM_OK;
}

static char *join(const char *dir, const char *path)
{
    if (dir == NULL || dir[0] == '\0' || path[0] == '\0' || path[0] == '/')
        return strdup(path);
    struct tm_buf b = {0};
    tm_buf_puts(&b, dir);
    if (dir[strlen(dir) - 1] != '/')
        tm_buf_putc(&b, '/');
    if (!tm_buf_puts(&b, path))
        tm_buf_finish(&b);
    return b.data;
}

static enum tm_status set_text(char **field, const char *dir, const char *value, struct tm_err *err)
{
    TM_CLEANUP(freep) char *text = join(dir, value);
    if (text == NULL)
        return tm_err_set(err, TM_NOMEM, "no memory for the configuration");
    free(*field);
    *field = TM_TAKE(text);
    return TM_OK;
}

static enum tm_status add_item(struct tm_conf_list *list, const char *value, struct tm_err *err)
{
    char **item = realloc(list->item, (list->n + 1) * sizeof *item);
    char *text = strdup(value);
    if (item != NULL)
        list->item = item;
    if (item == NULL || text == NULL) {
        free(text);
        return tm_err_set(err, TM_NOMEM, "no memory for the configuration");
    }
    list->item[list->n++] = text;
    return TM_OK;
}

enum tm_status tm_conf_set(void *base, const struct tm_conf_key *key, const char *value,
                           const char *dir, struct tm_err *err)
{
    void *field = field_of(base, key);
    enum tm_status s = TM_OK;
    switch (key->type) {
    case TM_CONF_INT:
        return set_int(field, key, value, err);
    case TM_CONF_BOOL:
        return set_bool(field, key, value, err);
    case TM_CONF_REAL:
        return set_real(field, key, value, err);
    case TM_CONF_LIST:
        return add_item(field, value, err);
    case TM_CONF_ENUM:
        s = set_enum(key, value, err);
        return s != TM_OK ? s : set_text(field, NULL, value, err);
    default:
        return set_text(field, key->type == TM_CONF_PATH ? dir : NULL, value, err);
    }
}

static bool get_list(const struct tm_conf_list *list, struct tm_buf *out)
{
    tm_buf_putc(out, '[');
    for (size_t i = 0; i < list->n; i++) {
        tm_buf_puts(out, i > 0 ? ", " : "");
        tm_buf_json_string(out, list->item[i], strlen(list->item[i]));
    }
    return tm_buf_putc(out, ']');
}

bool tm_conf_get(const void *base, const struct tm_conf_key *key, struct tm_buf *out)
{
    const char *field = (const char *)base + key->offset;
    if (key->type == TM_CONF_LIST)
        return get_list((const void *)field, out);
    if (key->type == TM_CONF_REAL) {
        double x = *(const double *)(const void *)field;
        return isnan(x) ? tm_buf_puts(out, "") : tm_buf_printf(out, "%.17g", x);
    }
    if (key->type == TM_CONF_INT) {
        int64_t n = *(const int64_t *)(const void *)field;
        return n == TM_CONF_UNSET ? tm_buf_puts(out, "") : tm_buf_printf(out, "%" PRId64, n);
    }
    if (key->type == TM_CONF_BOOL)
        return tm_buf_puts(out, *(const bool *)(const void *)field ? "true" : "false");
    return tm_buf_puts(out, *(char *const *)(const void *)field);
}

bool tm_conf_map_next(const char **at, struct tm_conf_pair *ret_pair)
{
    const char *line = *at, *equals = strchr(line, '=');
    if (equals == NULL)
        return false;
    size_t len = strcspn(equals + 1, "\n");
    *ret_pair = (struct tm_conf_pair){line, equals + 1, (size_t)(equals - line), len};
    *at = equals + 1 + len + (equals[1 + len] == '\n');
    return true;
}

const struct tm_conf_key *tm_conf_find(const struct tm_conf_key *table, const char *path)
{
    for (const struct tm_conf_key *k = table; k->path != NULL; k++)
        if (strcmp(k->path, path) == 0)
            return k;
    return NULL;
}

bool tm_conf_is_section(const char *prefix)
{
    size_t n = strlen(prefix);
    for (const struct tm_conf_key *k = tm_conf_keys; n > 0 && k->path != NULL; k++)
        if (strncmp(k->path, prefix, n) == 0 && k->path[n] == '.')
            return true;
    return false;
}
