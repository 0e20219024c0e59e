/* The document, the contracts of stages and tasks, and the runner.
 *
 * A tm_doc is owned by exactly one thread at a time and moves through queues; it owns an arena and
 * everything in it. Stages allocate from the arena and free nothing; dropping the document drops
 * all. A failed document is data: it carries err and goes on to the dead-letter sink. */
#ifndef TM_PIPELINE_H
#define TM_PIPELINE_H

#include "tm_base.h"
#include "tm_delivery.h"

struct json_t; /* jansson's */

/* ---- the document ------------------------------------------------------------------------- */

struct tm_header {
    const char *name, *value; /* value: NULL, or len bytes and a NUL after them */
    size_t len;
};

enum tm_record_kind {
    TM_RECORD_DOCUMENT,
    TM_RECORD_TOMBSTONE, /* a key without a value: passed on as it is */
    TM_RECORD_GAP,       /* nothing, but the lane has got so far: progress alone */
};

/* Bytes as they came, and where from. Everything lies in the document's arena. */
struct tm_record {
    enum tm_record_kind kind;
    uint64_t lane;
    uint32_t epoch;
    uint64_t seq;          /* number within the lane: 0, 1, 2 …; of a Kafka record its offset */
    const char *lane_name; /* delivery identity: of the lane "sub/a.html-0123456789abcdef"; of a
                              Kafka record "topic-partition-offset" */
    const char *path;      /* relative to the spool: "sub/a.html"; "topic/partition/offset" */
    const char *topic;     /* of a Kafka record, else NULL */
    int32_t partition;
    const char *key; /* of a Kafka record; NULL: none */
    size_t key_len;
    int64_t line;        /* of a many-document file, from 1; 0: the file is the document */
    uint64_t end_offset; /* first byte after it in the decompressed input */
    bool many;           /* the lane holds more than one record */
    bool last;           /* the last record of its lane */
    const char *sha256;  /* of the file's bytes, 64 hex digits */
    const char *data;
    size_t len;
    const char
        *original; /* the bytes as they came, where data is a part of them; NULL: data is it */
    size_t original_len;
    const char *id, *source, *published_at; /* what the transport says of it; NULL: nothing */
    const char *content_type;               /* NULL: unknown */
    const char *charset;                    /* from outside (header); NULL: unknown */
    int64_t mtime_ms; /* of the file; of a Kafka record its timestamp, 0 without one */
    const struct tm_header *headers;
    size_t n_headers;
};

/* Byte range [start, end) of doc->text with the same range in code points. */
struct tm_span {
    uint32_t start, end;       /* bytes */
    uint32_t cp_start, cp_end; /* code points */
};

enum tm_block {
    TM_BLOCK_P,
    TM_BLOCK_HEADING,
    TM_BLOCK_LI,
    TM_BLOCK_QUOTE,
    TM_BLOCK_CODE,
    TM_BLOCK_TABLE_ROW,
    TM_BLOCK_COUNT
};
const char *tm_block_name(enum tm_block b); /* "p", "heading", "li", "quote", "code", "table-row" */

struct tm_paragraph {
    struct tm_span span;
    enum tm_block kind;
    const char *path; /* node path in the source ("html/body/div[2]/p[1]"), or NULL */
    const char *lang; /* another than the document's, static; NULL: the same, or not known */
    double lang_score;
};

/* text[text_start…] up to the next run came from source[source_start…], byte for byte when `exact`,
 * else the whole run stands for the source range up to the next run's source_start. */
struct tm_offset_run {
    uint32_t text_start;
    uint32_t source_start;
    uint32_t source_end;
    bool exact;
};

struct tm_removed {
    const char *rule;
    int32_t count;
};

/* Personal data that was redacted: what stands in its place now. */
struct tm_pii {
    const char *type; /* "EMAIL_ADDRESS", … */
    struct tm_span span;
    double score;
};

/* Audit of cleaning, schema 6.2 `cleaning`. */
struct tm_cleaning {
    const char *method; /* "landmark", "baseline", "text", … */
    double confidence;  /* < 0: not known */
    uint64_t chars_in, chars_out;
    const char *encoding, *encoding_source; /* bom|header|meta|utf8|declared|detector|default */
    uint32_t replaced_chars;
    uint32_t mojibake_fixed; /* stretches of text that had been misread on their way */
    const struct tm_removed *removed;
    size_t n_removed;
    const struct tm_pii *pii;
    size_t n_pii;
    const char *const *flags;
    size_t n_flags; /* "bidi_controls", "depth_capped", … */
};

struct tm_lang_alternative {
    const char *code;
    double score;
};

struct tm_warning {
    const char *code, *stage, *task, *message;
};

struct tm_doc {
    struct tm_arena *arena; /* holds the tm_doc itself too */
    struct tm_record rec;
    struct tm_doc *next; /* for whoever owns it */

    /* from the envelope and the page; NULL where unknown */
    const char *id; /* the user's, or the delivery identity */
    const char *title, *url, *source, *published_at, *modified_at, *lang, *kind, *page_type;
    /* "envelope", "html", "text": found by what the text looks like, or, where lang is NULL, not
     * found by it; NULL: nobody has looked */
    const char *lang_from;
    double lang_score; /* of "text", 0 to 1; the next likely ones are below */
    const struct tm_lang_alternative *lang_alternatives;
    size_t n_lang_alternatives;
    const char *const *authors;
    size_t n_authors;
    const char *const *tasks;
    size_t n_tasks;               /* the envelope's choice; n_tasks 0: all configured */
    const char *const *questions; /* the envelope's, besides the configuration's */
    size_t n_questions;
    struct json_t *prompt_vars; /* an object for templates, or NULL; borrowed like meta */
    struct json_t *meta;        /* echoed; borrowed from an arena cleanup */

    /* cleaned text: UTF-8 NFC, paragraphs separated by one blank line; all offsets refer to it */
    const char *text;
    size_t text_len;
    uint32_t text_chars;
    const char *source_field; /* "html", "text", "file": what offset runs point into */
    const struct tm_paragraph *paragraphs;
    size_t n_paragraphs;
    const struct tm_span *sentences;
    size_t n_sentences;
    const struct tm_offset_run *runs;
    size_t n_runs;
    struct tm_cleaning cleaning;

    /* de-duplication, tm_dedup.h */
    const struct tm_duplicate *duplicate; /* NULL: it is none */
    uint64_t ticket;                      /* order of arrival in the pipeline */
    uint64_t dedup_number;                /* of its entry in the window; 0: it has none */

    /* tasks: one slot a configured task, by index; see struct tm_task_ops */
    struct tm_task_run *task_runs;
    size_t n_task_runs;
    struct tm_warning *warnings;
    size_t n_warnings, warnings_room;

    /* end */
    struct tm_err err;     /* status TM_OK: a result; else a dead letter */
    const char *err_stage; /* stage that failed it */
    uint32_t attempts;     /* deaths of the process on it so far */
    unsigned taps;         /* who follows it: a bit a tap */
    const char *output;
    size_t output_len;               /* the line to store, without newline */
    size_t shared_start, shared_end; /* bytes of it that a duplicate may have too; equal: none */
    uint64_t taken_ns, clean_ns, tokenize_ns, infer_ns; /* taken_ns is a time, the rest durations */
    uint32_t tokens_in, tokens_out;
};

struct tm_doc *tm_doc_create(size_t memory_cap); /* NULL when memory is short */
/* The same with room for so many bytes of record and results at first: for many small ones. */
struct tm_doc *tm_doc_create_small(size_t memory_cap, size_t expected);
void tm_doc_destroy(struct tm_doc *d); /* NULL is fine */
/* Marks it failed: first error wins. Returns status. */
enum tm_status tm_doc_fail(struct tm_doc *d, const char *stage, enum tm_status status,
                           const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The status that a NULL from the arena means for this document: TM_TOOLARGE or TM_NOMEM. */
enum tm_status tm_doc_nomem(struct tm_doc *d, const char *stage);
void tm_doc_warn(struct tm_doc *d, const char *code, const char *stage, const char *task,
                 const char *message);

/* The line of `textmill extract` (cleaning alone), newline included; out is cleared first. */
bool tm_doc_extract_json(const struct tm_doc *d, struct tm_buf *out);

/* Files that hold several documents in one piece: RSS, Atom, JSON Feed, NITF, NewsML-G2, X API v2,
 * arrays of envelopes. */
struct tm_split;
/* Whether the beginning of a file looks like one. */
bool tm_split_looks(const char *data, size_t len);
enum tm_status tm_split_create(const char *data, size_t len, struct tm_split **ret_split,
                               struct tm_err *err);
void tm_split_destroy(struct tm_split *s);
size_t tm_split_count(const struct tm_split *s);
/* The envelope of document i, valid until the next call; NULL: no memory. One that may not be used
 * has a member "error", which fails it when it is read. */
const char *tm_split_record(struct tm_split *s, size_t i, size_t *ret_len);

/* SHA-256 of bytes as 64 hex digits and NUL. */
void tm_sha256_hex(const void *bytes, size_t n, char out[65]);
/* HMAC with SHA-256 (RFC 2104), likewise. */
void tm_hmac_hex(const void *key, size_t key_len, const void *bytes, size_t n, char out[65]);
/* Of a stream: create, update, finish (frees). */
struct tm_sha256;
struct tm_sha256 *tm_sha256_create(void);
void tm_sha256_update(struct tm_sha256 *h, const void *bytes, size_t n);
void tm_sha256_finish(struct tm_sha256 *h, char out[65]);

/* ---- stages --------------------------------------------------------------------------------- */

struct tm_batch {
    struct tm_doc **docs; /* those with err set are passed over */
    size_t n;
};

/* A synchronous stage. run marks bad documents in the batch; TM_OK unless the stage itself cannot
 * go on. One self may be run by several threads at once, each with its own worker. */
struct tm_stage_ops {
    const char *name;
    enum tm_status (*create)(void **ret_self, const struct tm_conf *conf, void *arg,
                             struct tm_err *err);
    /* Per-thread state, optional (NULL: none). */
    void *(*worker_create)(void *self);
    enum tm_status (*run)(void *self, void *worker, struct tm_batch *batch, struct tm_err *err);
    void (*worker_destroy)(void *self, void *worker);
    void (*destroy)(void *self);
};

extern const struct tm_stage_ops tm_stage_clean; /* clean/ */
extern const struct tm_stage_ops
    tm_stage_tokenize; /* tokenize/: plans the first round; arg: tm_models */
extern const struct tm_stage_ops
    tm_stage_assemble; /* assemble/: makes doc->output; arg: tm_models */

/* ---- models and tasks ------------------------------------------------------------------------ */

struct tm_engine;
struct tm_generation;
struct tm_generated;
struct tm_guide;
struct tm_sequence;
struct tm_tokenizer;
struct tm_encoding;

/* One open model with its tokenizer; tasks that name the same folder share it. */
struct tm_model {
    const char *name; /* of its folder, without where it lies */
    const char *folder;
    struct tm_engine *engine;
    struct tm_tokenizer *tok;
    char sha256[65]; /* of config, weights and tokenizer */
};
struct tm_models; /* those of a pipeline, and its tasks in order */

/* Opens what the tasks of conf need: default models where none is named, looked up in the model
 * path ($TEXTMILL_MODELS, then the data directories). Fails before any document is touched;
 * err names the task and the remedy. */
enum tm_status tm_models_open(const struct tm_conf *conf, struct tm_models **ret_models,
                              struct tm_err *err);
void tm_models_close(struct tm_models *ms);
size_t tm_models_count(const struct tm_models *ms);
struct tm_model *tm_models_get(struct tm_models *ms, size_t i);
/* One model by folder or name, for `infer` and `models`. tokenizer: false leaves tok NULL when the
 * folder has none. */
enum tm_status tm_model_open(const char *name, const char *device, const char *precision,
                             int threads, int batch_tokens, bool tokenizer,
                             struct tm_model **ret_model, struct tm_err *err);
void tm_model_close(struct tm_model *m);
/* The folder of a model name, into out; TM_NOTFOUND lists where it looked. */
void tm_model_path(char *out, size_t out_size); /* its folders in order, ':'-separated */
enum tm_status tm_model_find(const char *name, char *out, size_t out_size, struct tm_err *err);

/* A sequence that a task wants run. out lies in the document's arena. */
struct tm_seq {
    const int32_t *ids;
    int32_t n_ids, n_first;
    const uint8_t *skip;
    float *out;
    size_t out_size;
    /* for models that generate; as in struct tm_sequence. The infer stage makes the key. */
    uint64_t key[2];
    const int32_t *decoder_ids;
    int32_t n_decoder_ids;
    const struct tm_generation *generation;
    const struct tm_guide *guide;
    struct tm_generated *generated;
    enum tm_status status; /* filled in when answered */
};

/* One task on one document. */
struct tm_task_run {
    const struct tm_task *task;
    struct tm_seq *seqs;
    size_t n_seqs;         /* of the present round */
    uint32_t round;        /* 0, 1, … */
    size_t n_open;         /* not yet answered: the infer stage counts */
    bool done, skipped;    /* skipped: not asked for by the envelope, or another language */
    void *state;           /* the task's own, in the arena */
    const char *member;    /* TM_RESULT_MAP: the result's name under the key; set by plan */
    struct tm_err err;     /* a failed task: the result is partial */
    struct json_t *result; /* what goes under the task's key; owned by an arena cleanup */
};

struct tm_task {
    const struct tm_task_ops *ops;
    const struct tm_conf_task *conf;
    struct tm_model *model;
    void *self; /* the task's own, made by ops->open; read only afterwards */
};

/* How results of several tasks with one key lie under it. */
enum tm_result_shape {
    TM_RESULT_ONE,  /* the value itself */
    TM_RESULT_MAP,  /* members of one object: translations by language */
    TM_RESULT_LIST, /* elements of one array: generated */
};

struct tm_task_ops {
    const char *name; /* "sentiment" */
    const char *key;  /* of the result: "sentiment" */
    enum tm_result_shape shape;
    const char *default_model; /* "sentiment-en"; NULL: the entry must name one */
    unsigned heads;            /* 1 << enum tm_head of each that the model may have */
    /* What a model must have besides the head (labels …), and what is prepared once; NULL: nothing.
     * On failure close is not called. */
    enum tm_status (*open)(struct tm_task *t, struct tm_err *err);
    void (*close)(struct tm_task *t);
    /* Fills run->seqs (may be none) or sets run->done with run->result. enc: the thread's. */
    enum tm_status (*plan)(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err);
    /* All sequences of the round are answered: more of them, or done with a result. */
    enum tm_status (*next)(const struct tm_task *t, struct tm_doc *doc, struct tm_task_run *run,
                           struct tm_encoding *enc, struct tm_err *err);
};
extern const struct tm_task_ops *const tm_task_table[]; /* ends with NULL */
size_t tm_models_tasks(const struct tm_models *ms, const struct tm_task **ret_tasks);

/* The asynchronous stage. submit and poll are called by one thread (the infer thread); step by the
 * engine workers. */
struct tm_infer;
typedef void tm_infer_report_fn(void *arg, struct tm_doc *const *docs, size_t n, bool ran);
enum tm_status tm_infer_create(struct tm_models *ms, size_t max_docs, struct tm_infer **ret_infer,
                               struct tm_err *err);
void tm_infer_destroy(struct tm_infer *in);
/* Takes *owned and sets it to NULL; TM_AGAIN means later (leaves it). */
enum tm_status tm_infer_submit(struct tm_infer *in, struct tm_doc **owned);
/* Finished documents, in any order. Runs the tasks' next(). */
size_t tm_infer_poll(struct tm_infer *in, struct tm_doc **out, size_t max);
size_t tm_infer_inside(const struct tm_infer *in);
/* One batch of whichever model has work, on this worker; TM_AGAIN when none. */
enum tm_status tm_infer_step(struct tm_infer *in, int worker, tm_infer_report_fn *report, void *arg,
                             struct tm_metrics *metrics);
int tm_infer_workers(const struct tm_infer *in);

/* As the engine takes it. */
struct tm_sequence tm_seq_sequence(const struct tm_seq *q);

/* Runs n sequences to their end on all of the engine's workers: for verbs, which have no pipeline.
 * seqs[i].status receives how each ended; ns (or NULL) the time from first to last. */
enum tm_status tm_drive(struct tm_engine *engine, struct tm_seq *seqs, size_t n, uint64_t *ret_ns,
                        struct tm_err *err);

/* ---- the runner --------------------------------------------------------------------------------
 */

struct tm_summary {
    uint64_t documents, delivered, dead, partial, tokens, bytes;
    uint64_t abandoned; /* still in flight when the drain limit ended a stop: redone next time */
    double seconds;
};

struct tm_runner_config {
    const struct tm_conf *conf;
    const struct tm_source_ops *source;
    const struct tm_sink_ops *sink;
    struct tm_models *models; /* may have no task */
    struct tm_metrics *metrics;
    const char *config_hash; /* of configuration and weights, hex */
    bool once;               /* end when the source is at its end */
    /* One call for each failed document and each trouble, from the runner's threads. */
    void (*trouble)(void *arg, const struct tm_doc *doc, const char *stage,
                    const struct tm_err *err);
    /* Every quarter of a second or so, from the main thread's wait, for progress; may be NULL.
     * total: documents known to the source, 0 when unknown. */
    void (*progress)(void *arg, const struct tm_summary *now, uint64_t total);
    void *arg;
};

/* A look at a running pipeline. */
struct tm_stage_status {
    const char *name;
    size_t documents;          /* in its queue or in it */
    size_t queued, queue_room; /* in its queue, and how many fit */
    size_t threads;
    uint64_t busy_ns; /* its threads together, since the start */
};
/* A lane that has documents in flight, or of which the source has said how far behind it is. */
enum { TM_LANES_SHOWN = 32, TM_LANE_NAME = 128 };
struct tm_lane_status {
    uint64_t lane;
    char name[TM_LANE_NAME]; /* the file below the spool, or "topic/partition" */
    size_t in_flight;
    uint64_t oldest_ns; /* when the oldest of them came; 0: none */
    int64_t lag;        /* records not committed; -1: the source does not say */
};
struct tm_runner_status {
    struct tm_summary summary;
    size_t in_flight;            /* between source and sink */
    size_t waiting_for_delivery; /* … of which are at their end */
    double oldest_seconds;       /* how long the oldest of them has been there */
    bool draining, alone;        /* alone: documents are run one by one to find a guilty one */
    struct tm_stage_status stages[5];
    size_t n_stages;
    struct tm_lane_status lanes[TM_LANES_SHOWN]; /* those with the oldest documents first */
    size_t n_lanes, lanes_more;                  /* lanes_more: that are not shown */
    uint64_t total; /* documents the source knows of, those that have ended too; 0: unknown */
};

/* Environment of a restarted child, set by the supervisor: "PID SIGNAL RESTARTS" of the process
 * before it. The attempt journal counts a death against a document only when it was told of it. */
#define TM_ENV_PREDECESSOR "TEXTMILL_PREDECESSOR"

struct tm_runner;
/* Creates everything but threads. The attempt journal is read here. */
enum tm_status tm_runner_create(const struct tm_runner_config *config,
                                struct tm_runner **ret_runner, struct tm_err *err);
/* Creates the threads, waits until all is done or stopped, joins them. Returns TM_OK, TM_AGAIN when
 * the drain limit cut it short, or what made it end. */
enum tm_status tm_runner_run(struct tm_runner *r, struct tm_summary *ret_summary,
                             struct tm_err *err);
/* Between create and run: from then on watch(arg) is called on the main thread whenever fd can be
 * read, and every quarter of a second: the status server needs no thread of its own. */
void tm_runner_watch(struct tm_runner *r, int fd, void (*watch)(void *arg), void *arg);
/* From watch(). */
void tm_runner_status(struct tm_runner *r, struct tm_runner_status *ret_status);
/* Samples of what flows: one follows every n-th document that comes from now on. Each place that it
 * leaves gives a line of JSON: what came, the cleaned text, each task's result, the end. -1: all
 * taps are taken. */
enum { TM_TAPS_MOST = 4 };
int tm_runner_tap_open(struct tm_runner *r, unsigned every);
/* Takes up to max bytes of its lines; 0: nothing now. {"missed":n} stands for lines that came
 * faster than they were read. Any thread. */
size_t tm_runner_tap_read(struct tm_runner *r, int tap, char *out, size_t max);
void tm_runner_tap_close(struct tm_runner *r, int tap);
/* Async-signal-safe: first call drains, second stops at once. */
void tm_runner_stop(struct tm_runner *r);
void tm_runner_destroy(struct tm_runner *r);

#endif
