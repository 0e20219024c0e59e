/* A worker's sequences under way: slots, their K/V pages, and one step of all of them.
 *
 * A slot is known by the number of its first row; its beams have the rows behind it. Everything
 * that an operation reads lies in the backend's memory, what the scheduler needs is kept beside it
 * on the host. Only the worker's thread touches any of it. */
#ifndef ENGINE_DECODE_H
#define ENGINE_DECODE_H

#include "rules.h"
#include "engine.h"

enum {
    DECODE_BEAMS = 64, /* most rows of a sequence */
    DECODE_EOS = 16,   /* most ids that end a sequence */
};

/* The score of what is not there, as in Hugging Face's search. */
#define DECODE_FAR_OFF (-1e9F)

struct decode_slot {
    int32_t entry;  /* -1: no sequence begins at this row */
    int32_t rows;   /* beams */
    int32_t length; /* ids of every beam so far */
    bool started;   /* has made a step: every beam has its row, before that one is for all */
    uint64_t order; /* of admission: the youngest has the greatest */
    uint64_t begun_ns;
};

/* --- kv.c: pages. Rows know theirs by position / TM_KV_PAGE. --- */
struct kv {
    struct tm_kv_pool pool;
    struct tm_kv_cache self, cross;    /* over one pool */
    int32_t *self_pages, *cross_pages; /* host: (rows, max_pages); -1: none */
    int32_t *free;
    int32_t n_free;
};
size_t kv_page_bytes(const struct model *m);
enum tm_status kv_create(const struct tm_engine *e, struct kv *kv, struct tm_err *err);
void kv_destroy(struct kv *kv, const struct tm_engine *e); /* zeroed or created */
/* The row's pages for positions 0 … n - 1, all or none; false: there are not enough. */
bool kv_take_cross(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e, int32_t row,
                   int32_t n);
bool kv_take_self(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e, int32_t row,
                  int32_t n);
/* The one page that holds the position. */
bool kv_take_position(struct kv *kv, struct tm_stream *stream, const struct tm_engine *e,
                      int32_t row, int32_t position);
void kv_give(struct kv *kv, int32_t row); /* all of the row's */
int32_t kv_held_self(const struct kv *kv, int32_t row);

/* --- guided.c: what guides say. On the host, by row, but for what the operations read. --- */
struct guided {
    int32_t words;       /* of a mask */
    char *states;        /* (2 * rows, TM_GUIDE_STATE); the second half: before a step */
    char *trial;         /* one more */
    uint32_t *masks;     /* (rows, words) */
    uint8_t *masked;     /* (rows) by row of the step */
    uint8_t *stops;      /* (rows, k) */
    int32_t *candidates; /* (rows, k) */
    int32_t *parents;    /* (rows) */
    uint8_t *ended;      /* (rows) */
};

struct decoder {
    int32_t rows;              /* at once */
    struct decode_slot *slots; /* (rows) by first row */
    int32_t n_slots, rows_used;
    uint64_t admitted;   /* so far */
    float mean_new;      /* ids that sequences got lately; 0: none has ended */
    bool short_of_pages; /* until the next one ends, none is admitted */
    struct kv kv;
    struct rules *rules; /* ids that the slots' rules name */
    /* device: */
    void *memory;
    struct tm_decoded decoded;
    struct tm_ancestry ancestry;
    struct tm_decoding *decoding; /* (rows) by slot */
    int32_t *source_lengths;      /* (rows) by slot */
    int32_t *top_ids;             /* (rows, k) */
    float *top_scores;
    uint32_t *masks; /* (rows, words) of guides, by row of the step */
    uint8_t *masked; /* (rows) */
    uint8_t *stops;  /* (rows, k) */
    /* host: */
    struct guided guided;
    struct tm_decoding *host_decoding; /* (rows) */
    int32_t *last;                     /* (rows) the id that is to be run next */
    uint8_t *done;                     /* (rows) by slot */
    int32_t *zeros;                    /* (positions) */
    int32_t *fresh;                    /* (rows) slots that begin in this step */
    int32_t *finished;                 /* (rows) entries that ended in this step */
    int32_t n_finished;
};

/* --- decode.c --- */
enum tm_status decoder_create(const struct tm_engine *e, struct decoder **ret_decoder,
                              struct tm_err *err);
void decoder_destroy(struct decoder *d, const struct tm_engine *e); /* NULL is fine */
/* Gives the entry rows and the pages that it begins with; its slot, or -1 when there is no room. */
int32_t decoder_admit(struct worker *w, const struct tm_engine *e, int32_t entry,
                      const struct tm_decoding *how);
/* Rows and pages are free again. */
void decoder_release(struct decoder *d, int32_t slot);
/* Encoders' results and prompts of new slots (n of them) into the cache. */
enum tm_status decoder_begin(struct worker *w, const struct tm_engine *e, const int32_t *slots,
                             int32_t n);
/* One step of all slots, whose pages are there. */
enum tm_status decoder_step(struct worker *w, const struct tm_engine *e);

/* --- guided.c --- */
enum tm_status guided_create(struct guided *g, int32_t rows, int32_t ids, struct tm_err *err);
void guided_destroy(struct guided *g); /* zeroed or created */
bool guided_any(const struct decoder *d, const struct tm_engine *e);
/* The slot's first state. */
void guided_begin(struct decoder *d, const struct tm_engine *e, int32_t slot,
                  const int32_t *prompt);
/* Masks for the rows of the step, into args where there are any. */
enum tm_status guided_masks(struct worker *w, const struct tm_engine *e,
                            struct tm_logits_args *args);
/* Which candidates of logits_topk end a beam, into args. */
enum tm_status guided_stops(struct worker *w, const struct tm_engine *e, int32_t rows,
                            struct tm_beam_args *args);
/* After the step: states go on, and rows that do not search end where their guide says so. */
enum tm_status guided_advance(struct worker *w, const struct tm_engine *e);
/* Did the guide end these ids? */
bool guided_completes(const struct decoder *d, const struct tm_engine *e, int32_t slot,
                      const int32_t *ids, int32_t n);

/* --- answers.c --- */
bool answer_ends(const struct tm_decoding *how, int32_t id); /* is it an eos? */
/* What a slot that is done has to say, into its sequence. */
enum tm_status answer_write(struct worker *w, struct tm_engine *e, int32_t slot);

#endif
