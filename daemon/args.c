/* The command line: finds the verb, reads its options, prints help (args.h). */
#include "args.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct verb_option no_options[] = {{0}};

static const struct verb_option *options_of(const struct verb *v)
{
    return v->options != NULL ? v->options : no_options;
}

/* ---- messages ---- */

enum exit_code verb_fail(const struct args *a, enum exit_code code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "textmill %s: ", a->verb->name);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    return code;
}

enum exit_code verb_fail_err(const struct args *a, const struct tm_err *err)
{
    return verb_fail(a, exit_code_of(err->status), "%s", err->text);
}

static void print_verb_help(const struct verb *v)
{
    const struct verb_option *o = options_of(v);
    printf("Usage: textmill %s%s%s%s\n\n%s.\n", v->name, o->name != NULL ? " [options]" : "",
           v->operands != NULL ? " " : "", v->operands != NULL ? v->operands : "", v->summary);
    if (v->details != NULL)
        printf("\n%s\n", v->details);
    if (o->name != NULL)
        puts("\nOptions:");
    for (; o->name != NULL; o++) {
        char left[64];
        snprintf(left, sizeof left, "%c%c%s --%s %s", o->letter != '\0' ? '-' : ' ',
                 o->letter != '\0' ? o->letter : ' ', o->letter != '\0' ? "," : " ", o->name,
                 o->value != NULL ? o->value : "");
        printf("  %-34s %s\n", left, o->help);
    }
}

static void print_help(FILE *to)
{
    fputs("textmill takes documents in bulk, cleans them, runs transformer models over them and\n"
          "writes one JSON result per document.\n\nUsage: textmill VERB [options]\n\nVerbs:\n",
          to);
    for (size_t i = 0; verb_table[i] != NULL; i++)
        fprintf(to, "  %-10s %s\n", verb_table[i]->name, verb_table[i]->summary);
    fputs("\n`textmill VERB --help` says more.\n\nExit codes:\n", to);
    for (const struct exit_code_row *row = exit_code_rows; row->means != NULL; row++)
        fprintf(to, "  %-10d %s\n", row->code, row->means);
}

/* ---- options ---- */

static int find_option(const struct verb *v, const char *name)
{
    const struct verb_option *o = options_of(v);
    for (int i = 0; o[i].name != NULL; i++)
        if (strcmp(o[i].name, name) == 0)
            return i;
    return -1;
}

const char *args_get(const struct args *a, const char *name)
{
    int i = find_option(a->verb, name);
    tm_assert(i >= 0);
    return a->value[i];
}

bool args_has(const struct args *a, const char *name)
{
    return args_get(a, name) != NULL;
}

enum exit_code args_int(const struct args *a, const char *name, int64_t lo, int64_t hi,
                        int64_t fallback, int64_t *ret)
{
    const char *text = args_get(a, name);
    *ret = fallback;
    if (text == NULL)
        return EXIT_OK;
    if (!tm_json_number_i64(text, strlen(text), ret) || *ret < lo || *ret > hi)
        return verb_fail(a, EXIT_USAGE, "--%s takes a whole number from %lld to %lld, not %s", name,
                         (long long)lo, (long long)hi, text);
    return EXIT_OK;
}

/* Stores one option; *i moves past its value. False after a message. */
static bool read_option(struct args *a, int argc, char **argv, int *i)
{
    const char *word = argv[*i];
    char name[64];
    const char *value = NULL;
    int row = -1;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t n = equals != NULL ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        snprintf(name, sizeof name, "%.*s", (int)TM_MIN(n, sizeof name - 1), word + 2);
        value = equals != NULL ? equals + 1 : NULL;
        row = find_option(a->verb, name);
    } else {
        const struct verb_option *o = options_of(a->verb);
        for (int k = 0; o[k].name != NULL && row < 0; k++)
            if (o[k].letter != '\0' && o[k].letter == word[1])
                row = k;
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    if (row < 0) {
        verb_fail(a, EXIT_USAGE, "no option %s; see textmill %s --help", word, a->verb->name);
        return false;
    }
    const struct verb_option *o = &options_of(a->verb)[row];
    if (o->value == NULL && value != NULL) {
        verb_fail(a, EXIT_USAGE, "--%s takes no value", o->name);
        return false;
    }
    if (o->value != NULL && value == NULL && ++*i < argc)
        value = argv[*i];
    if (o->value != NULL && value == NULL) {
        verb_fail(a, EXIT_USAGE, "--%s needs %s", o->name, o->value);
        return false;
    }
    a->value[row] = value != NULL ? value : "";
    return true;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; verb_table[i] != NULL; i++)
        if (strcmp(verb_table[i]->name, name) == 0)
            return verb_table[i];
    return NULL;
}

enum exit_code args_run(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    struct args a = {.verb = find_verb(strcmp(argv[1], "--version") == 0 ? "version" : argv[1])};
    if (a.verb == NULL) {
        fprintf(stderr, "textmill: no verb %s; see textmill --help\n", argv[1]);
        return EXIT_USAGE;
    }
    /* Operands are gathered at the front of what follows the verb. */
    a.operands = argv + 2;
    bool options_end = false;
    for (int i = 2; i < argc; i++) {
        if (!options_end && strcmp(argv[i], "--") == 0)
            options_end = true;
        else if (!options_end && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            print_verb_help(a.verb);
            return EXIT_OK;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1] != '\0') {
            if (!read_option(&a, argc, argv, &i))
                return EXIT_USAGE;
        } else
            a.operands[a.n_operands++] = argv[i];
    }
    if (a.verb->operands == NULL && a.n_operands > 0)
        return verb_fail(&a, EXIT_USAGE, "takes no operand like %s", a.operands[0]);
    return a.verb->run(&a);
}
