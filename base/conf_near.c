/* The key that was probably meant (tm_conf.h: tm_conf_nearest), for messages of daemon/. */
#include "conf_near.h"
#include "tm_conf.h"
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NAME_MOST = 64 };

static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

unsigned tm_near_distance(const char *a, const char *b)
{
    /* Three rows of the usual matrix: a swap looks two rows back. */
    unsigned rows[3][NAME_MOST + 1];
    size_t a_len = strlen(a), b_len = strlen(b);
    if (a_len >= NAME_MOST || b_len >= NAME_MOST)
        return UINT_MAX;
    for (unsigned k = 0; k <= b_len; k++)
        rows[0][k] = k;
    for (size_t i = 1; i <= a_len; i++) {
        unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *two_above = rows[(i + 1) % 3];
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_len; k++) {
            bool same = fold(a[i - 1]) == fold(b[k - 1]);
            unsigned best = TM_MIN(above[k - 1] + !same, TM_MIN(above[k], row[k - 1]) + 1);
            if (i > 1 && k > 1 && fold(a[i - 1]) == fold(b[k - 2]) &&
                fold(a[i - 2]) == fold(b[k - 1]))
                best = TM_MIN(best, two_above[k - 2] + 1);
            row[k] = best;
        }
    }
    return rows[a_len % 3][b_len];
}

bool tm_near_enough(unsigned d, const char *name)
{
    return d <= TM_MAX(strlen(name) / 3, (size_t)1);
}

static const char *last_component(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot != NULL ? dot + 1 : path;
}

/* A key in the wrong section is as likely as a misspelt one, so the last component counts too; the
 * whole path decides between keys that are equally near in that. */
const struct tm_conf_key *tm_conf_nearest(const struct tm_conf_key *table, const char *path)
{
    const struct tm_conf_key *best = NULL;
    unsigned best_near = UINT_MAX, best_whole = UINT_MAX;
    const char *last = last_component(path);
    if (*path == '\0')
        return NULL;
    for (const struct tm_conf_key *k = table; k->path != NULL; k++) {
        unsigned whole = tm_near_distance(path, k->path);
        unsigned part = tm_near_distance(last, last_component(k->path));
        bool near_whole = tm_near_enough(whole, path), near_part = tm_near_enough(part, last);
        if (!near_whole && !near_part)
            continue;
        unsigned near = near_part ? part : whole;
        if (near_whole)
            near = TM_MIN(near, whole);
        if (near < best_near || (near == best_near && whole < best_whole)) {
            best = k;
            best_near = near;
            best_whole = whole;
        }
    }
    return best;
}

/* Every section is the beginning of some key; tasks is a list and has no key of its own. */
bool tm_conf_nearest_section(const char *path, char *out, size_t size)
{
    unsigned best = tm_near_distance(path, "tasks");
    bool found = tm_near_enough(best, path);
    if (found)
        snprintf(out, size, "tasks");
    for (const struct tm_conf_key *k = tm_conf_keys; k->path != NULL; k++) {
        for (const char *dot = strchr(k->path, '.'); dot != NULL; dot = strchr(dot + 1, '.')) {
            char section[NAME_MOST];
            snprintf(section, sizeof section, "%.*s", (int)(dot - k->path), k->path);
            unsigned d = tm_near_distance(path, section);
            if (!tm_near_enough(d, path) || (found && d >= best))
                continue;
            best = d;
            found = true;
            snprintf(out, size, "%s", section);
        }
    }
    return found;
}
