/* completion: a script for bash, zsh or fish, from the table of verbs and their options. */
#include "verbs.h"

#include <stdio.h>
#include <string.h>

static const struct verb_option none[] = {{0}};

static const struct verb_option *options_of(const struct verb *v)
{
    return v->options != NULL ? v->options : none;
}

/* "run|once" of operands; free words such as [FILE…] are left to the shell's files. */
static bool has_words(const struct verb *v)
{
    return v->operands != NULL && strchr(v->operands, '|') != NULL && v->operands[0] != '[';
}

static void print_words(const struct verb *v, char between)
{
    for (const char *p = v->operands; *p != '\0' && *p != ' '; p++)
        putchar(*p == '|' ? between : *p);
}

static void bash(void)
{
    puts("_textmill() {\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} words=\n"
         "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "        words='");
    for (size_t i = 0; verb_table[i] != NULL; i++)
        printf("%s ", verb_table[i]->name);
    puts("--help'\n"
         "    else\n"
         "        case \"${COMP_WORDS[1]}\" in");
    for (size_t i = 0; verb_table[i] != NULL; i++) {
        const struct verb *v = verb_table[i];
        printf("        %s) words='", v->name);
        for (const struct verb_option *o = options_of(v); o->name != NULL; o++)
            printf("--%s ", o->name);
        if (has_words(v))
            print_words(v, ' ');
        puts(" --help' ;;");
    }
    puts("        esac\n"
         "    fi\n"
         "    case \"$before\" in -c|--config|-m|--model) words= ;; esac\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\"))\n"
         "}\n"
         "complete -o filenames -F _textmill textmill");
}

/* Text between single quotes, with what _arguments would take apart. */
static void print_zsh(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        if (*p == '\'')
            fputs("'\\''", stdout);
        else if (strchr("[]:", *p) != NULL)
            printf("\\%c", *p);
        else
            putchar(*p);
}

static void zsh(void)
{
    puts("#compdef textmill\n\n_textmill() {\n    local -a verbs\n    verbs=(");
    for (size_t i = 0; verb_table[i] != NULL; i++) {
        printf("        '%s:", verb_table[i]->name);
        print_zsh(verb_table[i]->summary);
        puts("'");
    }
    puts("    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n"
         "    fi\n    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n"
         "    case $verb in");
    for (size_t i = 0; verb_table[i] != NULL; i++) {
        const struct verb *v = verb_table[i];
        printf("    %s) _arguments", v->name);
        for (const struct verb_option *o = options_of(v); o->name != NULL; o++) {
            printf(" '--%s%s[", o->name, o->value != NULL ? "=" : "");
            print_zsh(o->help);
            printf("]%s%s%s'", o->value != NULL ? ":" : "", o->value != NULL ? o->value : "",
                   o->value != NULL ? ":_files" : "");
        }
        if (has_words(v)) {
            printf(" '1:what:(");
            print_words(v, ' ');
            printf(")'");
        }
        puts(" '*:file:_files' ;;");
    }
    puts("    esac\n}\n\n_textmill \"$@\"");
}

static void print_fish(const char *text)
{
    for (const char *p = text; *p != '\0'; p++)
        printf("%s%c", *p == '\'' || *p == '\\' ? "\\" : "", *p);
}

static void fish(void)
{
    for (size_t i = 0; verb_table[i] != NULL; i++) {
        const struct verb *v = verb_table[i];
        printf("complete -c textmill -n __fish_use_subcommand -a %s -d '", v->name);
        print_fish(v->summary);
        puts("'");
        for (const struct verb_option *o = options_of(v); o->name != NULL; o++) {
            printf("complete -c textmill -n '__fish_seen_subcommand_from %s' -l %s", v->name,
                   o->name);
            if (o->letter != '\0')
                printf(" -s %c", o->letter);
            printf("%s -d '", o->value != NULL ? " -r" : "");
            print_fish(o->help);
            puts("'");
        }
        if (has_words(v)) {
            printf("complete -c textmill -n '__fish_seen_subcommand_from %s' -a '", v->name);
            print_words(v, ' ');
            puts("'");
        }
    }
}

static enum exit_code run(const struct args *a)
{
    static const struct {
        const char *name;
        void (*print)(void);
    } shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};
    for (size_t i = 0; a->n_operands == 1 && i < TM_COUNTOF(shells); i++)
        if (strcmp(shells[i].name, a->operands[0]) == 0) {
            shells[i].print();
            return EXIT_OK;
        }
    return verb_fail(a, EXIT_USAGE, "say for which shell: bash, zsh or fish");
}

const struct verb verb_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .summary = "Print the completion script of a shell",
    .details = "For this shell: eval \"$(textmill completion bash)\"",
    .run = run,
};
