/* The engine: sequences of ids in; ids, scores and vectors out. It knows no document and no text.
 *
 * A library of its own, without threads: the runner's threads call tm_engine_step, one worker
 * number each. submit, collect and cancel may be called from any thread; step from several at once
 * with different worker numbers. All memory is planned at open; nothing is allocated after the
 * workers have warmed up. Results are bit-identical whatever else is in the batch (on a CPU). */
#ifndef TM_ENGINE_H
#define TM_ENGINE_H

#include "tm_base.h"

struct tm_engine;

enum tm_head { /* what comes out, from config.json's architectures[0] and the folder's modules */
               TM_HEAD_EMBEDDING, /* vector (hidden): pooled, normalised as 1_Pooling and 2_Dense
                                     say */
               TM_HEAD_SEQUENCE,  /* logits (labels) */
               TM_HEAD_TOKEN,     /* logits (ids, labels) */
               TM_HEAD_SPAN,      /* start logits (ids), then end logits (ids) */
               TM_HEAD_GENERATE,  /* ids and scores */
               TM_HEAD_COUNT
};
/* What a sequence head's logits mean: config.json's problem_type. Without it, as in Hugging Face's
 * pipeline, one logit takes a sigmoid (MULTI_LABEL) and several a softmax (SINGLE_LABEL). */
enum tm_problem { TM_PROBLEM_SINGLE_LABEL, TM_PROBLEM_MULTI_LABEL, TM_PROBLEM_REGRESSION };

struct tm_engine_limits {
    int32_t threads;      /* workers; 0: one a core that this process may use (cpuset and cgroup) */
    int32_t batch_tokens; /* most tokens of a batch; 0: 2048 */
    int32_t queue;        /* most sequences inside: waiting, running or not collected; 0: 4096 */
    int32_t decode_rows;  /* most rows (sequences x beams) a worker decodes at once; 0: 64 */
    size_t kv_bytes;      /* K/V pages of all workers; 0: what the rows need at full length, at most
                             a quarter of the memory that this process may use */
};

/* Facts of an open model, valid while it is open. */
struct tm_engine_info {
    const char *folder;
    const char *family;       /* "bert", "roberta", "modernbert", … */
    const char *architecture; /* "BertForSequenceClassification" */
    enum tm_head head;
    enum tm_problem problem;
    const char *device, *precision, *isa; /* resolved: "cpu", "float32", "avx512" */
    const char *gemm; /* the kernels chosen: "float32 avx512, bfloat16 avx512bf16, …" */
    int32_t threads;
    int32_t vocab_size;      /* of the ids that go in */
    int32_t output_size;     /* of the ids that are generated: the same but for two vocabularies */
    int32_t hidden_size;     /* width of the vectors; for TM_HEAD_EMBEDDING after 2_Dense, if any */
    int32_t max_length;      /* most ids of one sequence, special tokens included */
    int32_t type_vocab_size; /* 0: no token types */
    int32_t pad_token_id;    /* -1: none */
    int32_t n_labels;        /* 0 unless the head is TM_HEAD_SEQUENCE or TM_HEAD_TOKEN */
    const char *const *labels; /* (n_labels) id2label, or "LABEL_0" … */
    size_t weight_bytes;       /* packed weights and tables */
    bool encoder_decoder; /* TM_HEAD_GENERATE: ids go to an encoder, else they are the prompt */
    const struct tm_generation *generation; /* the folder's; NULL unless TM_HEAD_GENERATE */
    size_t pool_bytes;                      /* pages, slots and slabs of all workers */
};

/* Opens config.json, model.safetensors (or its shards), and a PEFT adapter when the folder holds
 * adapter_config.json: then `base` is the folder of the base model (else NULL) and the adapter is
 * merged into the weights. device "auto" | "cpu" (the best instruction set), or for tests "ref" |
 * "avx2" | "avx512" | "blas"; precision "auto" | "float32" |
 * "bf16" | "int8".
 * A missing, unknown or misshapen tensor is TM_MODEL and named. TM_NOTFOUND when the folder or a
 * file of it is not there. */
enum tm_status tm_engine_open(const char *folder, const char *base, const char *device,
                              const char *precision, const struct tm_engine_limits *limits,
                              struct tm_engine **ret_engine, struct tm_err *err);
void tm_engine_close(struct tm_engine *e); /* NULL is fine; no sequence may be inside */
const struct tm_engine_info *tm_engine_info(const struct tm_engine *e);
/* What a PEFT folder names as its base ("all-MiniLM-L6-v2"), into out; TM_NOTFOUND when the folder
 * holds no adapter_config.json. */
enum tm_status tm_engine_adapter_base(const char *folder, char *out, size_t out_size,
                                      struct tm_err *err);

/* Decoding parameters, under Hugging Face's names (generation_config.json; transformers 4.57).
 * A folder's own are tm_engine_info's; copy them and change what is asked for. Lists are borrowed
 * until the sequence is collected. */
struct tm_generation {
    int32_t max_length; /* decoder ids in all, with what they begin with; -1: 20 new ones */
    int32_t max_new_tokens, min_length, min_new_tokens; /* -1: not set; max_new_tokens wins */
    int32_t num_beams, num_return_sequences;
    enum tm_early {
        TM_STOP_BEST,
        TM_STOP_FIRST,
        TM_STOP_NEVER
    } early_stopping; /* false, true,
                          "never" */
    float length_penalty, repetition_penalty, encoder_repetition_penalty;
    int32_t no_repeat_ngram_size, encoder_no_repeat_ngram_size;
    bool renormalize_logits, do_sample;
    float temperature, top_p, min_p, typical_p;
    int32_t top_k;
    int32_t decoder_start_token_id, forced_bos_token_id, forced_eos_token_id, pad_token_id; /* -1:
                                                                                            none */
    const int32_t *eos_token_ids, *suppress_tokens, *begin_suppress_tokens;
    int32_t n_eos, n_suppress, n_begin_suppress;
    const int32_t *bad_words_ids; /* flat: a length, then so many ids, …; n_bad_words numbers */
    int32_t n_bad_words;
};

/* What may come next, decided from outside: stop strings, choices, a schema. Made in pipeline/. A
 * beam's state is state_size plain bytes that the engine keeps and copies with the beam, aligned
 * for any type; functions may be called from any worker, with different states at once. Ids that
 * are forced (forced_bos_token_id, forced_eos_token_id) are neither masked nor advanced over. */
enum { TM_GUIDE_STATE = 4608 }; /* most bytes of a state */
struct tm_guide {
    size_t state_size;
    bool reads_prompt; /* advance is given the ids of the prompt first, whatever it answers */
    void (*init)(const struct tm_guide *g, void *state);
    /* id was chosen: TM_GUIDE_STOP ends the sequence after it (finish_reason "stop"). */
    enum tm_guide_verdict {
        TM_GUIDE_GO,
        TM_GUIDE_STOP
    } (*advance)(const struct tm_guide *g, void *state, int32_t id);
    /* Clears the bits of ids that may not come next; bits come in all set, (output_size + 31) / 32
     * words. At least one must stay. NULL: everything may. */
    void (*mask)(const struct tm_guide *g, const void *state, uint32_t *bits);
    void *self;
};

enum tm_finish { TM_FINISH_NONE, TM_FINISH_STOP, TM_FINISH_LENGTH };

/* One generated sequence: ids as Hugging Face's generate returns them, decoder start or prompt
 * included, padding stripped. */
struct tm_generated {
    int32_t *ids;  /* room for tm_engine_generated_most() */
    int32_t n_ids; /* 0: a guide allows fewer answers than were asked for */
    float score;   /* sequences_scores of a beam search; 0 otherwise */
    enum tm_finish finish_reason;
};

/* One sequence. Everything pointed at is borrowed until the sequence is collected. */
struct tm_sequence {
    const int32_t *ids; /* special tokens included: used as given */
    int32_t n_ids;
    int32_t n_first;     /* ids from here on have token type 1 (pair input); 0: all type 0 */
    const uint8_t *skip; /* (n_ids) 1: left out of pooling; or NULL */
    uint64_t key[2];     /* random key: (seed, delivery identity and sequence index) */
    float *out;          /* heads with vectors or logits: tm_engine_output_size() floats */
    size_t out_size;
    /* TM_HEAD_GENERATE: */
    const int32_t *decoder_ids; /* forced beginning of the answer, decoder start included; NULL: as
                                   the folder says. Decoder-only models have their prompt in ids. */
    int32_t n_decoder_ids;
    const struct tm_generation *generation; /* NULL: the folder's */
    const struct tm_guide *guide;           /* NULL: everything may come */
    struct tm_generated *generated;         /* (num_return_sequences) best first */
};

struct tm_answer {
    uint64_t cookie;
    enum tm_status status;
    int32_t n_ids;    /* of the sequence */
    int32_t n_new;    /* generated, all returned sequences together */
    uint64_t step_ns; /* time of the batch it ran in, or from its first step to its last */
};

/* Most ids that the sequence can give, for the room of each tm_generated. */
int32_t tm_engine_generated_most(const struct tm_engine *e, const struct tm_sequence *seq);
/* Floats that a sequence of n ids gives: n_labels, n * n_labels, 2 * n or hidden_size. */
size_t tm_engine_output_size(const struct tm_engine *e, int32_t n_ids);
/* TM_OK, TM_TOOLARGE (longer than max_length), TM_BADINPUT (no ids, id outside the vocabulary,
 * pair where there are no types is allowed): known before anything is queued. */
enum tm_status tm_engine_fits(const struct tm_engine *e, const struct tm_sequence *seq,
                              struct tm_err *err);
/* Never blocks: TM_OK or TM_AGAIN (full). The sequence must fit. *seq itself is copied. */
enum tm_status tm_engine_submit(struct tm_engine *e, const struct tm_sequence *seq,
                                uint64_t cookie);
/* One batch on this worker (0 … threads - 1), started from the oldest waiting. TM_AGAIN when
 * nothing waits; any other failure is also the status of every sequence in the batch. report (or
 * NULL) is told the cookies before the batch runs (ran false) and after it (ran true), for the
 * attempt journal. */
typedef void tm_engine_report_fn(void *arg, const uint64_t *cookies, size_t n, bool ran);
enum tm_status tm_engine_step(struct tm_engine *e, int32_t worker, tm_engine_report_fn *report,
                              void *arg);
/* Finished sequences, in any order; returns how many. */
size_t tm_engine_collect(struct tm_engine *e, struct tm_answer *out, size_t max);
/* Takes a sequence out that waits or, at its worker's next step, one that is being generated; its
 * answer comes as TM_CANCELLED. Others that run end first. */
void tm_engine_cancel(struct tm_engine *e, uint64_t cookie);
size_t tm_engine_waiting(const struct tm_engine *e); /* sequences queued, not yet in a batch */

/* --- what an engine's time goes into --- */
enum tm_spent {
    TM_SPENT_MATRICES,  /* linear layers, quantising their inputs and activations included */
    TM_SPENT_ATTENTION, /* and what prepares queries and keys for it */
    TM_SPENT_OUTPUT,    /* output layer, processors, the choice of ids */
    TM_SPENT_NORMS,
    TM_SPENT_OTHER, /* embeddings, gates, pooling */
    TM_SPENT_COUNT
};
struct tm_engine_profile {
    double seconds[TM_SPENT_COUNT]; /* of processor time, all workers together */
    double operations;              /* of matrices, output layer included: a multiply-add is two */
    double per_second; /* operations that one worker's gemm does with weights in cache, measured */
};
/* From now on workers note what they spend; TM_NOMEM. No step may be running. */
enum tm_status tm_engine_measure(struct tm_engine *e, struct tm_err *err);
/* What they have noted since, and what gemm can do: takes about a tenth of a second. No step may be
 * running. */
enum tm_status tm_engine_profile(struct tm_engine *e, struct tm_engine_profile *ret_profile,
                                 struct tm_err *err);

/* Cores that this process may use: sched_getaffinity, and the cgroup's cpu.max rounded up. */
int32_t tm_engine_cores(void);
/* Keeps the calling thread, worker 0 … workers - 1, on a core of its own. Only where there is one
 * worker for each core of the thread's affinity: else the kernel places them better. */
void tm_engine_pin(int32_t worker, int32_t workers);
/* Bytes of memory that this process may use: the machine's, or less where its cgroup says so. */
size_t tm_engine_memory(void);
const char *tm_engine_isa(void); /* best instruction set of this machine: "avx512" */
/* TM_OK: device "cuda" can be opened; else err says what is missing. */
enum tm_status tm_engine_cuda(struct tm_err *err);

#endif
