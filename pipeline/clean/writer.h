/* The cleaned text as it grows: paragraphs, hygiene, NFC, and where each byte came from. */
#ifndef CLEAN_WRITER_H
#define CLEAN_WRITER_H

#include "pii.h"
#include "words.h"

/* What white space in the input means. */
enum tm_writer_mode {
    TM_WRITER_FLOW,  /* any of it is one blank */
    TM_WRITER_LINES, /* line ends stay, blanks around them go */
    TM_WRITER_CODE,  /* blanks stay too */
};

/* How a post is written (clean.social); social.c. */
enum tm_social { TM_SOCIAL_KEEP, TM_SOCIAL_TWEETEVAL, TM_SOCIAL_BERTWEET };

struct tm_writer {
    struct tm_buf text;
    struct tm_buf runs_, paragraphs_;     /* arrays of tm_offset_run and tm_written */
    struct tm_buf spare_text, spare_runs; /* of NFC */
    const void *nfc;                      /* ICU's normalizer, static */
    /* the paragraph being written */
    bool open, unsettled; /* unsettled: may not be NFC */
    bool separated;       /* a blank line was written before it */
    enum tm_writer_mode mode;
    enum tm_block kind;
    uint32_t node; /* for its path; UINT32_MAX: none */
    size_t start, first_run;
    char gap; /* white space owed before the next character: 0, blank, newline … */
    uint32_t gap_from, gap_to;
    bool gap_exact;
    uint32_t last_cp; /* 0 at the start */
    uint32_t removed[TM_RULE_COUNT];
    uint32_t mended; /* stretches of text that had been misread */
    struct tm_buf mend, mend_bytes;
    enum tm_social social;                /* how posts are written */
    const struct tm_redaction *redaction; /* NULL: personal data stays */
    struct tm_buf pii;                    /* tm_pii_span of the text */
    struct tm_buf pii_found, pii_with;    /* of redact.c */
};

enum tm_status tm_writer_init(struct tm_writer *w, struct tm_err *err);
void tm_writer_finish(struct tm_writer *w);
void tm_writer_clear(struct tm_writer *w); /* for the next document; keeps the memory */

void tm_writer_begin(struct tm_writer *w, enum tm_block kind, enum tm_writer_mode mode,
                     uint32_t node);
/* Valid UTF-8 that came from source[from, to): byte for byte when exact. Misread text is mended. */
void tm_writer_put(struct tm_writer *w, const char *s, size_t n, uint32_t from, uint32_t to,
                   bool exact);
/* White space that the input does not have as such: '\n' or '\t' or ' '. */
void tm_writer_gap(struct tm_writer *w, char c, uint32_t at);
/* Ends the paragraph; one without text leaves nothing behind. */
void tm_writer_end(struct tm_writer *w);
bool tm_writer_failed(const struct tm_writer *w); /* memory was short */

/* social.c: rewrites the paragraph just finished as w->social asks. */
void tm_social_settle(struct tm_writer *w);
/* "keep", "tweeteval", "bertweet" */
enum tm_social tm_social_named(const char *name);

/* A finished paragraph; code points and path are not filled in yet. */
struct tm_written {
    struct tm_paragraph paragraph;
    uint32_t node;
};

#endif
