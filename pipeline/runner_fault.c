/* Documents that misbehave, for tests of crashes: TEXTMILL_FAULT_DOC="substring:action[:stage]".
 *
 * A document whose path, lane or id contains the substring acts when it enters that stage (any,
 * without one): crash (SIGSEGV), hang, or eat (takes memory until none is given, then fails as a
 * stage would). TEXTMILL_FAULT_SLOW="stage:ms" makes every batch of that stage
 * take so much longer. Compiled only with meson -Dfaults=true; called on the threads of stages. */
#include "runner.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PART = 128, CHUNK = 8 << 20, CHUNKS = 1 << 16 };

struct doc_fault {
    char part[3][PART]; /* substring, action, stage */
};

static bool read_fault(struct doc_fault *f)
{
    const char *env = getenv("TEXTMILL_FAULT_DOC");
    *f = (struct doc_fault){0};
    for (size_t i = 0; env != NULL && *env != '\0' && i < 3; i++) {
        size_t n = strcspn(env, ":");
        snprintf(f->part[i], PART, "%.*s", (int)TM_MIN(n, (size_t)PART - 1), env);
        env += n + (env[n] == ':');
    }
    return f->part[0][0] != '\0';
}

static void eat_memory(struct tm_doc *doc, const char *stage)
{
    static char *eaten[CHUNKS];
    size_t n = 0;
    while (n < CHUNKS && (eaten[n] = malloc(CHUNK)) != NULL)
        memset(eaten[n++], 1, CHUNK);
    tm_doc_nomem(doc, stage);
    while (n > 0)
        free(eaten[--n]);
}

static bool contains(const char *text, const char *part)
{
    return text != NULL && strstr(text, part) != NULL;
}

static void be_slow(const char *stage)
{
    const char *env = getenv("TEXTMILL_FAULT_SLOW");
    size_t len = strlen(stage);
    int64_t ms = 0;
    if (env != NULL && strncmp(env, stage, len) == 0 && env[len] == ':' &&
        tm_json_number_i64(env + len + 1, strlen(env + len + 1), &ms))
        nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

void runner_doc_fault(const char *stage, struct tm_doc *const *docs, size_t n)
{
    struct doc_fault f;
    be_slow(stage);
    if (!read_fault(&f) || (f.part[2][0] != '\0' && strcmp(f.part[2], stage) != 0))
        return;
    for (size_t i = 0; i < n; i++) {
        if (!contains(docs[i]->rec.path, f.part[0]) && !contains(docs[i]->id, f.part[0]) &&
            !contains(docs[i]->rec.lane_name, f.part[0]))
            continue;
        if (strcmp(f.part[1], "crash") == 0)
            raise(SIGSEGV);
        if (strcmp(f.part[1], "eat") == 0)
            eat_memory(docs[i], stage);
        while (strcmp(f.part[1], "hang") == 0)
            pause();
    }
}
