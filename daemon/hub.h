/* A hub's HTTP interface, as Hugging Face's: what a repository holds and where its files are. */
#ifndef HUB_H
#define HUB_H

#include "fetch.h"

struct hub_file {
    const char *path;      /* relative, checked: leads nowhere else */
    int64_t size;          /* -1: not known */
    bool needed;           /* of a plain folder: it is no model without */
    const char *algorithm; /* "sha256", "sha1" (git's blob) or NULL: no digest is known */
    char digest[65];
};

struct hub_listing {
    char commit[65]; /* what the revision stands for; "" for a plain folder */
    struct hub_file *files;
    size_t n;
};

struct hub {
    const char *endpoint; /* HF_ENDPOINT, without a slash at the end */
    const char *repo;     /* "ORG/NAME", or a URL: a plain folder */
    const char *revision;
};

bool hub_is_url(const char *repo);
/* The last part of a repository's name or URL, which is the model's name here; NULL when repo is
 * neither. Lies in the arena. */
char *hub_model_name(const char *repo, struct tm_arena *arena);
/* The files of the revision that make a model, digests included: those that match patterns,
 * separated by commas, or with NULL configuration, tokenizer and one set of weights. A plain folder
 * has no listing: the usual names are looked for, and patterns are names. Lies in the arena. */
enum tm_status hub_list(const struct hub *hub, struct fetch *fetch, const char *patterns,
                        struct tm_arena *arena, struct hub_listing *ret_listing,
                        struct tm_err *err);
char *hub_file_url(const struct hub *hub, const struct hub_listing *listing, const char *path,
                   struct tm_arena *arena);

#endif
