/* What a hub says of a repository, and which of its files make a model.
 *
 * Called by pull.c. Names of files come from outside and become paths: each is checked before
 * anything else is done with it. */
#include "hub.h"

#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LISTING_MOST = 16 << 20, FILES_MOST = 10000, PATH_MOST = 512 };

/* ---- names ---- */

bool hub_is_url(const char *repo)
{
    return strncmp(repo, "http://", 7) == 0 || strncmp(repo, "https://", 8) == 0;
}

static bool is_name(const char *s, size_t n)
{
    static const char more[] = "-_.";
    for (size_t i = 0; i < n; i++)
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= 'A' && s[i] <= 'Z') &&
            !(s[i] >= '0' && s[i] <= '9') && memchr(more, s[i], sizeof more - 1) == NULL)
            return false;
    return n > 0 && n <= 96 && s[0] != '.' && s[0] != '-';
}

char *hub_model_name(const char *repo, struct tm_arena *arena)
{
    size_t n = strlen(repo);
    while (n > 0 && hub_is_url(repo) && repo[n - 1] == '/')
        n--;
    size_t start = n;
    while (start > 0 && repo[start - 1] != '/')
        start--;
    bool owner = hub_is_url(repo) || start == 0 || is_name(repo, start - 1);
    return owner && is_name(repo + start, n - start)
               ? tm_arena_strndup(arena, repo + start, n - start)
               : NULL;
}

/* A relative path whose parts are no "..", not empty and not hidden. */
static bool is_safe(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || n > PATH_MOST || tm_utf8_valid(path, n) != n || strchr(path, '\\') != NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || path[i - 1] == '/';
        if ((unsigned char)path[i] < ' ' || (first && (path[i] == '/' || path[i] == '.')))
            return false;
    }
    return path[n - 1] != '/';
}

/* ---- the listing ---- */

struct memory {
    struct tm_buf text;
};

static bool memory_begin(void *arg, int64_t offset)
{
    struct memory *m = arg;
    if ((int64_t)m->text.len < offset)
        return false;
    m->text.len = (size_t)offset;
    return true;
}

static bool memory_write(void *arg, const void *bytes, size_t n)
{
    return tm_buf_append(&((struct memory *)arg)->text, bytes, n);
}

static bool copy_digest(struct hub_file *f, const char *algorithm, size_t digits, const char *hex)
{
    if (hex == NULL || strlen(hex) != digits || strspn(hex, "0123456789abcdef") != digits)
        return false;
    f->algorithm = algorithm;
    memcpy(f->digest, hex, digits + 1);
    return true;
}

/* {"rfilename", "size", "blobId", "lfs": {"sha256", "size"}} */
static enum tm_status read_sibling(json_t *j, struct tm_arena *arena, struct hub_file *f,
                                   struct tm_err *err)
{
    const char *path = json_string_value(json_object_get(j, "rfilename"));
    json_t *lfs = json_object_get(j, "lfs"), *size = json_object_get(j, "size");
    if (path == NULL)
        return tm_err_set(err, TM_BADINPUT, "the hub lists a file without a name");
    *f = (struct hub_file){.path = tm_arena_strdup(arena, path), .size = -1};
    if (f->path == NULL)
        return tm_err_set(err, TM_NOMEM, "listing");
    if (json_is_object(lfs)) {
        size = json_object_get(lfs, "size");
        if (!copy_digest(f, "sha256", 64, json_string_value(json_object_get(lfs, "sha256"))))
            return tm_err_set(err, TM_BADINPUT, "the hub gives no SHA-256 of %.128s", path);
    } else {
        copy_digest(f, "sha1", 40, json_string_value(json_object_get(j, "blobId")));
    }
    if (json_is_integer(size) && json_integer_value(size) >= 0)
        f->size = json_integer_value(size);
    return TM_OK;
}

static enum tm_status read_listing(json_t *root, struct tm_arena *arena, struct hub_listing *l,
                                   struct tm_err *err)
{
    const char *sha = json_string_value(json_object_get(root, "sha"));
    json_t *files = json_object_get(root, "siblings");
    size_t n = json_array_size(files);
    if (sha == NULL || strlen(sha) >= sizeof l->commit || !is_name(sha, strlen(sha)) ||
        !json_is_array(files))
        return tm_err_set(err, TM_BADINPUT, "the hub's answer is no listing");
    if (n > FILES_MOST)
        return tm_err_set(err, TM_TOOLARGE, "the repository has %zu files", n);
    snprintf(l->commit, sizeof l->commit, "%s", sha);
    l->files = tm_arena_array(arena, n + 1, sizeof *l->files);
    if (l->files == NULL)
        return tm_err_set(err, TM_NOMEM, "listing");
    for (size_t i = 0; i < n; i++) {
        enum tm_status s = read_sibling(json_array_get(files, i), arena, &l->files[l->n], err);
        if (s != TM_OK)
            return s;
        /* Hidden files belong to the repository, not to the model; names that lead elsewhere are
         * no oversight and end the pull. */
        if (!is_safe(l->files[l->n].path) && l->files[l->n].path[0] != '.')
            return tm_err_set(err, TM_BADINPUT, "the hub lists a file \"%.128s\": that is no name",
                              l->files[l->n].path);
        l->n += l->files[l->n].path[0] != '.';
    }
    return TM_OK;
}

/* ---- which files ---- */

/* What is taken wherever it is there. */
static const char *const always[] = {
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "added_tokens.json",
    "target_vocab.json",
    "merges.txt",
    "*.model",
    "*.spm",
    "*.jinja",
    "modules.json",
    "sentence_bert_config.json",
    "[0-9]_*/*",
    "adapter_config.json",
    "config_sentence_transformers.json",
    "decoder.yml",
    "*vocab.yml",
    "README.md",
    "LICENSE*",
    "chat_template.json",
};

/* The first of these that is there is taken whole, in the order in which the engine looks. */
static const char *const weights[][2] = {
    {"model.safetensors", NULL},
    {"model.safetensors.index.json", "model-*-of-*.safetensors"},
    {"pytorch_model.bin", NULL},
    {"pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"},
    {"adapter_model.safetensors", NULL},
    {"adapter_model.bin", NULL},
    {"*.gguf", NULL},
    {"*.npz", NULL},
    {"0_*/model.safetensors", NULL}, /* older folders of sentence-transformers */
    {"0_*/pytorch_model.bin", NULL},
};

static bool matches(const char *pattern, const char *path)
{
    return pattern != NULL && fnmatch(pattern, path, FNM_PATHNAME) == 0;
}

static bool matches_any(const char *const *patterns, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (matches(patterns[i], path))
            return true;
    return false;
}

static size_t count(const struct hub_listing *l, const char *pattern)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        n += matches(pattern, l->files[i].path);
    return n;
}

/* In a list of patterns separated by commas. */
static bool is_listed(const char *patterns, const char *path)
{
    char pattern[PATH_MOST];
    for (const char *p = patterns; *p != '\0';) {
        size_t n = strcspn(p, ",");
        snprintf(pattern, sizeof pattern, "%.*s", (int)TM_MIN(n, sizeof pattern - 1), p);
        if (matches(pattern, path))
            return true;
        p += n + (p[n] == ',');
    }
    return false;
}

static enum tm_status select_files(struct hub_listing *listing, const char *patterns,
                                   struct tm_err *err)
{
    const char *const *set = NULL;
    size_t n = 0;
    for (size_t i = 0; patterns == NULL && set == NULL && i < TM_COUNTOF(weights); i++)
        if (count(listing, weights[i][0]) > 0)
            set = weights[i];
    if (set != NULL && strchr(set[0], '*') != NULL && count(listing, set[0]) > 1)
        return tm_err_set(err, TM_BADINPUT,
                          "the repository has %zu files %s: say which with --include",
                          count(listing, set[0]), set[0]);
    if (patterns == NULL && set == NULL)
        return tm_err_set(err, TM_NOTFOUND, "the repository has no weights that can be read");
    for (size_t i = 0; i < listing->n; i++) {
        const char *path = listing->files[i].path;
        bool take = patterns != NULL ? is_listed(patterns, path)
                                     : matches_any(always, TM_COUNTOF(always), path) ||
                                           matches_any(set, 2, path);
        if (take)
            listing->files[n++] = listing->files[i];
    }
    listing->n = n;
    return n > 0 ? TM_OK
                 : tm_err_set(err, TM_NOTFOUND, "no file of the repository matches %s", patterns);
}

/* ---- a plain folder ---- */

/* What is looked for in a folder that cannot be listed; what is not there is left out. */
static const struct {
    const char *name;
    bool needed;
} usual[] = {
    {"config.json", true},
    {"generation_config.json", false},
    {"tokenizer.json", false},
    {"tokenizer_config.json", false},
    {"vocab.json", false},
    {"special_tokens_map.json", false},
    {"vocab.txt", false},
    {"added_tokens.json", false},
    {"merges.txt", false},
    {"spiece.model", false},
    {"tokenizer.model", false},
    {"sentencepiece.bpe.model", false},
    {"source.spm", false},
    {"target.spm", false},
    {"modules.json", false},
    {"sentence_bert_config.json", false},
    {"1_Pooling/config.json", false},
    {"model.safetensors", true},
};

/* The names of patterns, or the usual ones. */
static enum tm_status list_plain(const char *patterns, struct tm_arena *arena,
                                 struct hub_listing *l, struct tm_err *err)
{
    size_t most = TM_COUNTOF(usual);
    for (const char *p = patterns; p != NULL && *p != '\0'; p++)
        most += *p == ',';
    l->files = tm_arena_array(arena, most, sizeof *l->files);
    if (l->files == NULL)
        return tm_err_set(err, TM_NOMEM, "listing");
    for (size_t i = 0; patterns == NULL && i < TM_COUNTOF(usual); i++)
        l->files[l->n++] =
            (struct hub_file){.path = usual[i].name, .size = -1, .needed = usual[i].needed};
    for (const char *p = patterns; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, ",");
        const char *name = tm_arena_strndup(arena, p, n);
        if (name == NULL)
            return tm_err_set(err, TM_NOMEM, "listing");
        if (!is_safe(name))
            return tm_err_set(err, TM_BADINPUT, "--include: \"%.128s\" is no file's name", name);
        l->files[l->n++] = (struct hub_file){.path = name, .size = -1, .needed = true};
        p += n + (p[n] == ',');
    }
    return TM_OK;
}

/* ---- both ---- */

static enum tm_status list_hub(const struct hub *hub, struct fetch *fetch, struct tm_arena *arena,
                               struct hub_listing *l, struct tm_err *err)
{
    struct memory m = {.text = {.cap = LISTING_MOST}};
    const struct fetch_sink sink = {memory_begin, memory_write, &m};
    const char *url = tm_arena_printf(arena, "%s/api/models/%s/revision/%s?blobs=true",
                                      hub->endpoint, hub->repo, hub->revision);
    if (url == NULL)
        return tm_err_set(err, TM_NOMEM, "listing");
    enum tm_status s = fetch_get(fetch, url, 0, &sink, err);
    if (s == TM_CANCELLED)
        s = tm_err_set(err, TM_TOOLARGE, "%s: the listing is too long", url);
    json_t *root = NULL;
    if (s == TM_OK && m.text.data != NULL)
        root = json_loadb(m.text.data, m.text.len, JSON_REJECT_DUPLICATES, NULL);
    if (s == TM_OK)
        s = root != NULL ? read_listing(root, arena, l, err)
                         : tm_err_set(err, TM_BADINPUT, "%s: the answer is no JSON", url);
    json_decref(root);
    tm_buf_finish(&m.text);
    return s;
}

enum tm_status hub_list(const struct hub *hub, struct fetch *fetch, const char *patterns,
                        struct tm_arena *arena, struct hub_listing *ret_listing, struct tm_err *err)
{
    struct hub_listing l = {.n = 0};
    enum tm_status s;
    if (hub_is_url(hub->repo)) {
        s = list_plain(patterns, arena, &l, err);
    } else {
        s = list_hub(hub, fetch, arena, &l, err);
        if (s == TM_OK)
            s = select_files(&l, patterns, err);
    }
    if (s == TM_OK)
        *ret_listing = l;
    return s;
}

char *hub_file_url(const struct hub *hub, const struct hub_listing *listing, const char *path,
                   struct tm_arena *arena)
{
    static const char plain[] = "-_.~/";
    char encoded[3 * PATH_MOST + 1];
    size_t n = 0;
    for (const char *p = path; *p != '\0'; p++) {
        bool keep = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                    (*p >= '0' && *p <= '9') || strchr(plain, *p) != NULL;
        n += (size_t)snprintf(encoded + n, sizeof encoded - n, keep ? "%c" : "%%%02X",
                              (unsigned char)*p);
    }
    if (!hub_is_url(hub->repo))
        return tm_arena_printf(arena, "%s/%s/resolve/%s/%s", hub->endpoint, hub->repo,
                               listing->commit, encoded);
    size_t end = strlen(hub->repo);
    while (end > 0 && hub->repo[end - 1] == '/')
        end--;
    return tm_arena_printf(arena, "%.*s/%s", (int)end, hub->repo, encoded);
}
