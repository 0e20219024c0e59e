/* Fault points: places where tests make the process fail (tm_err.h, TM_FAULT).
 *
 * TEXTMILL_FAULT=name[:count][:action], several separated by commas; count is the n-th passing
 * (default 1). Actions: kill (SIGKILL, default), killpg (the supervisor too), abort, hang, exit.
 * Compiled only with meson -Dfaults=true. Any thread: the list is read once, counters are atomic.
 */
#include "tm_err.h"
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAULTS_MOST = 16, NAME_MOST = 64, EXIT_CODE = 70 };

struct fault {
    char name[NAME_MOST];
    unsigned count;
    char action[8];
    atomic_uint passed;
};

static struct fault faults[FAULTS_MOST];
static size_t n_faults;

/* Tests must not pass because of a misspelt fault. */
__attribute__((noreturn)) static void refuse(const char *item)
{
    fprintf(stderr, "textmill: TEXTMILL_FAULT: cannot understand \"%s\"\n", item);
    _exit(EXIT_CODE);
}

static void parse_one(const char *item)
{
    static const char *const actions[] = {"kill", "killpg", "abort", "hang", "exit"};
    if (n_faults == FAULTS_MOST)
        refuse(item);
    struct fault *f = &faults[n_faults++];
    f->count = 1;
    snprintf(f->action, sizeof f->action, "kill");
    size_t n = strcspn(item, ":");
    if (n == 0 || n >= NAME_MOST)
        refuse(item);
    memcpy(f->name, item, n);
    const char *rest = item + n;
    if (rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9') {
        f->count = 0;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++)
            f->count = f->count * 10 + (unsigned)(*rest - '0');
    }
    if (rest[0] == '\0')
        return;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (rest[0] == ':' && strcmp(rest + 1, actions[i]) == 0) {
            snprintf(f->action, sizeof f->action, "%s", actions[i]);
            return;
        }
    }
    refuse(item);
}

static void parse(void)
{
    const char *env = getenv("TEXTMILL_FAULT");
    while (env != NULL && *env != '\0') {
        char item[NAME_MOST + 32];
        size_t n = strcspn(env, ",");
        if (n >= sizeof item)
            refuse(env);
        memcpy(item, env, n);
        item[n] = '\0';
        if (n > 0)
            parse_one(item);
        env += n + (env[n] == ',');
    }
}

/* The supervisor, if that is what the parent is: never a shell or a test program. */
static void kill_parent(void)
{
    char path[64], comm[32] = "";
    pid_t parent = getppid();
    snprintf(path, sizeof path, "/proc/%d/comm", (int)parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t n = read(fd, comm, sizeof comm - 1);
    close(fd);
    if (n > 0 && parent > 1 && strcmp(comm, "textmill\n") == 0)
        kill(parent, SIGKILL);
}

static void act(const char *action)
{
    if (strcmp(action, "abort") == 0)
        abort();
    if (strcmp(action, "exit") == 0)
        _exit(EXIT_CODE);
    if (strcmp(action, "killpg") == 0)
        kill_parent();
    if (strncmp(action, "kill", 4) == 0)
        kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

void tm_fault_point(const char *name)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, parse);
    for (size_t i = 0; i < n_faults; i++)
        if (strcmp(faults[i].name, name) == 0 &&
            atomic_fetch_add(&faults[i].passed, 1) + 1 == faults[i].count)
            act(faults[i].action);
}
