/* make_man PAGE: the manual pages, from the tables that the program itself works with. A tool of
 * the build: `textmill` is textmill(1), `textmill-VERB` one of its verbs, `textmill.yaml` the
 * configuration, `textmill-metrics` what /metrics holds. Not installed. */
#include "http.h"
#include "verbs.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Text as roff takes it: no request at the start of a line, no escapes, minus signs. */
static void text(const char *s)
{
    bool start = true;
    for (; *s != '\0'; s++) {
        if (start && (*s == '.' || *s == '\''))
            fputs("\\&", stdout);
        if (*s == '\\')
            fputs("\\e", stdout);
        else if (*s == '-')
            fputs("\\-", stdout);
        else
            putchar(*s);
        start = *s == '\n';
    }
}

static void title(const char *name, const char *section, const char *summary)
{
    printf(".\\\" Made by make_man from the program's tables.\n.TH ");
    for (const char *p = name; *p != '\0'; p++)
        putchar(*p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p);
    printf(" %s \"\" \"textmill %s\" \"textmill\"\n.SH NAME\n", section, TM_VERSION);
    text(name);
    fputs(" \\- ", stdout);
    text(summary);
    putchar('\n');
}

static void head(const char *name)
{
    printf(".SH %s\n", name);
}

static void exit_status(void)
{
    head("EXIT STATUS");
    for (const struct exit_code_row *row = exit_code_rows; row->means != NULL; row++) {
        printf(".TP\n.B %d\n", row->code);
        text(row->means);
        putchar('\n');
    }
}

static void see_also(const char *own)
{
    head("SEE ALSO");
    if (strcmp(own, "textmill") != 0)
        fputs(".BR textmill (1),\n", stdout);
    for (size_t i = 0; strcmp(own, "textmill") == 0 && verb_table[i] != NULL; i++)
        printf(".BR textmill\\-%s (1),\n", verb_table[i]->name);
    fputs(".BR textmill.yaml (5),\n.BR textmill\\-metrics (7)\n", stdout);
}

static void page_program(void)
{
    title("textmill", "1", "documents in, transformer models over them, JSON out");
    head("SYNOPSIS");
    fputs(".B textmill\n.I verb\n[options]\n", stdout);
    head("DESCRIPTION");
    text("Takes documents in bulk, cleans them, runs transformer models over them in large batches "
         "and writes one JSON result per document. Every document ends once, as a result or as a "
         "dead letter with its reason, whatever happens to the process.\n");
    head("VERBS");
    for (size_t i = 0; verb_table[i] != NULL; i++) {
        printf(".TP\n.BR textmill\\-%s (1)\n", verb_table[i]->name);
        text(verb_table[i]->summary);
        putchar('\n');
    }
    exit_status();
    head("ENVIRONMENT");
    fputs(".TP\n.B TEXTMILL_MODELS\n", stdout);
    text("Folders in which models are found by name, separated by colons\n");
    see_also("textmill");
}

static void page_verb(const struct verb *v)
{
    char name[64];
    snprintf(name, sizeof name, "textmill-%s", v->name);
    title(name, "1", v->summary);
    head("SYNOPSIS");
    printf(".B textmill %s\n", v->name);
    if (v->options != NULL)
        puts("[options]");
    if (v->operands != NULL) {
        text(v->operands);
        putchar('\n');
    }
    if (v->details != NULL) {
        head("DESCRIPTION");
        puts(".nf");
        text(v->details);
        puts("\n.fi");
    }
    if (v->options != NULL)
        head("OPTIONS");
    for (const struct verb_option *o = v->options; o != NULL && o->name != NULL; o++) {
        fputs(".TP\n", stdout);
        if (o->letter != '\0')
            printf("\\fB\\-%c\\fR, ", o->letter);
        fputs("\\fB\\-\\-", stdout);
        text(o->name);
        printf("\\fR%s%s%s\n", o->value != NULL ? " \\fI" : "", o->value != NULL ? o->value : "",
               o->value != NULL ? "\\fR" : "");
        text(o->help);
        putchar('\n');
    }
    exit_status();
    see_also(name);
}

static void key(const struct tm_conf_key *k)
{
    printf(".TP\n.B ");
    text(k->path);
    putchar('\n');
    text(k->help);
    if (k->type == TM_CONF_INT)
        printf(". A number from %" PRId64 " to %" PRId64 "%s%s", k->lo, k->hi,
               k->unit[0] != '\0' ? " " : "", k->unit);
    if (k->type == TM_CONF_BOOL)
        fputs(". true or false", stdout);
    if (k->choices[0] != '\0') {
        fputs(". One of ", stdout);
        text(k->choices);
    }
    if (k->def[0] != '\0') {
        fputs(". Default: ", stdout);
        text(k->def);
    }
    puts(".");
}

static void page_yaml(void)
{
    title("textmill.yaml", "5", "configuration of a textmill pipeline");
    head("DESCRIPTION");
    text("One YAML file describes one pipeline. A key such as source.spool.path is path below "
         "spool below source. Paths are relative to the file's folder. An unknown key or a value "
         "out of range is an error with its line and column; ");
    fputs("\n.B textmill check\n", stdout);
    text("lists all of them.\n");
    head("KEYS");
    for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL; k++)
        key(k);
    head("TASKS");
    text("tasks is a list; each entry is done with every document, in that order:\n");
    for (const struct tm_conf_key *k = tm_conf_task_keys; k->path != NULL; k++)
        key(k);
    see_also("textmill.yaml");
}

static void metric(const char *name, const char *kind, const char *help)
{
    printf(".TP\n.BR textmill_%s \" (%s)\"\n", name, kind);
    text(help);
    putchar('\n');
}

static void page_metrics(void)
{
    title("textmill-metrics", "7", "what a running pipeline tells Prometheus");
    head("DESCRIPTION");
    text("textmill run serves these at /metrics of http.listen, in Prometheus' text format. Labels "
         "have a bounded set of values.\n");
    head("METRICS");
    for (enum tm_metric m = 0; m < TM_METRIC_COUNT; m++)
        metric(tm_metric_name(m), tm_metric_kind(m) == TM_METRIC_COUNTER ? "counter" : "gauge",
               tm_metric_help(m));
    for (enum tm_histogram h = 0; h < TM_HISTOGRAM_COUNT; h++)
        if (tm_histogram_rows[h].help[0] != '\0')
            metric(tm_histogram_rows[h].name, "histogram", tm_histogram_rows[h].help);
    for (const struct http_metric *m = http_metric_rows; m->name != NULL; m++)
        metric(m->name, m->kind, m->help);
    see_also("textmill-metrics");
}

static bool page_of_verb(const char *name)
{
    for (size_t i = 0; verb_table[i] != NULL; i++)
        if (strcmp(verb_table[i]->name, name) == 0) {
            page_verb(verb_table[i]);
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    const char *page = argc == 2 ? argv[1] : "";
    const char *verb = strncmp(page, "textmill-", 9) == 0 ? page + 9 : "";
    if (strcmp(page, "textmill") == 0)
        page_program();
    else if (strcmp(page, "textmill.yaml") == 0)
        page_yaml();
    else if (strcmp(verb, "metrics") == 0)
        page_metrics();
    else
        return page_of_verb(verb) ? 0 : 1;
    return 0;
}
