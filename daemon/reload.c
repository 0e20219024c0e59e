/* Reload: what the supervisor does on SIGHUP. The old child works until the candidate has been read
 * and probed, and comes back when the new child does not get ready, so that a bad configuration
 * never costs a running pipeline. */
#include "supervisor.h"
#include "exit_code.h"
#include "notify.h"

#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* next: what to do when it was not taken. */
static void end(struct supervisor *sv, const char *what, const char *next)
{
    const bool taken = next == NULL;
    struct supervise_page *page = tm_supervise_page;
    atomic_fetch_add(taken ? &page->reloads : &page->reloads_failed, 1);
    if (taken)
        atomic_store(&page->reloaded_at, (int64_t)time(NULL));
    if (taken)
        tm_log(TM_LOG_NOTICE, what);
    else
        tm_log(TM_LOG_ERROR, what, TM_S("next", next));
    notify("READY=1\nSTATUS=%s", what);
    sv->replacing = sv->candidate = false;
    if (sv->again) {
        sv->again = false;
        reload_begin(sv);
    }
}

void reload_begin(struct supervisor *sv)
{
    if (sv->probe > 0 || sv->replacing || sv->candidate) {
        sv->again = true; /* the file may have changed since it was read */
        return;
    }
    notify("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
           (unsigned long long)(tm_clock_ns() / 1000));
    if (sv->ops->read(sv->arg) != TM_OK) {
        end(sv, "reload: the configuration is not good; the old one stays",
            "mend what the lines before name, then reload again");
        return;
    }
    sv->probe = supervise_fork(sv);
    if (sv->probe == 0)
        _exit(sv->ops->probe(sv->arg));
    if (sv->probe < 0) {
        sv->probe = 0;
        sv->ops->settle(sv->arg, false);
        end(sv, "reload: no process to try the configuration; the old one stays",
            "reload again when there is room for one more process");
    }
}

void reload_reap(struct supervisor *sv)
{
    int status;
    if (sv->probe <= 0 || waitpid(sv->probe, &status, WNOHANG) != sv->probe)
        return;
    sv->probe = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_OK) {
        sv->ops->settle(sv->arg, false);
        end(sv, "reload: the models cannot be opened; the old configuration stays",
            "the line before names the model: textmill models verify; then reload again");
    } else if (sv->stops == 0) {
        sv->replacing = true;
        kill(sv->pid, SIGTERM); /* it drains */
    }
}

void reload_ready(struct supervisor *sv)
{
    if (!sv->candidate)
        return;
    sv->ops->settle(sv->arg, true);
    end(sv, "reload: working with the new configuration", NULL);
}

bool reload_next(struct supervisor *sv, int code)
{
    sv->predecessor[0] = '\0'; /* this end is no death */
    if (sv->replacing) {
        sv->replacing = false;
        sv->candidate = true;
        return true;
    }
    if (!sv->candidate || sv->stops > 0)
        return false;
    sv->ops->settle(sv->arg, false);
    tm_log(TM_LOG_INFO, "reload: the new configuration does not start", TM_I("exit", code));
    end(sv, "reload: back with the old configuration",
        "the lines before say why the new one does not start; then reload again");
    return true;
}

void reload_died(struct supervisor *sv)
{
    if (sv->replacing) { /* while it drained: the next one has the candidate all the same */
        sv->replacing = false;
        sv->candidate = true;
    } else if (sv->candidate) {
        sv->ops->settle(sv->arg, false);
        end(sv, "reload: the new configuration crashes; back with the old one",
            "report it with the new configuration");
    }
}

void reload_drop(struct supervisor *sv)
{
    if (sv->probe > 0) {
        kill(sv->probe, SIGKILL);
        waitpid(sv->probe, NULL, 0);
    }
    if (sv->probe > 0 || sv->replacing || sv->candidate)
        sv->ops->settle(sv->arg, false);
}
