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
    /* host: */
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

/* --- answers.c --- */
/* What a slot that is done has to say, into its sequence. */
enum tm_status answer_write(struct worker *w, struct tm_engine *e, int32_t slot);

#endif
