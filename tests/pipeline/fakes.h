/* A source, a sink and stages that tests of the runner script and look into. */
#ifndef FAKES_H
#define FAKES_H

#include "runner.h"

enum { FAKE_LANES = 64, FAKE_DELIVERS = 8 };

struct fake {
    /* script */
    uint64_t lanes, records; /* records a lane; 0: without end */
    size_t record_bytes, record_tokens;
    enum tm_delivered delivers[FAKE_DELIVERS]; /* the first answers of the sink; then `always` */
    size_t n_delivers;
    enum tm_delivered always;
    void (*on_deliver)(struct fake *f, const struct tm_release *release);
    void (*on_clean)(struct fake *f, struct tm_doc *doc); /* for each document, on a stage thread */
    enum tm_status clean_status;                          /* of the stage as a whole */
    size_t device_breaks; /* after so many steps of infer; 0: never */
    bool slow_main;       /* the main thread takes a while to notice anything */
    struct tm_runner *runner;
    const struct tm_source_host *host;
    _Atomic bool take_away; /* lane 2 is given to somebody else, who gives it back at once */

    /* what happened; in memory that forked processes share, if the test puts it there */
    struct fake_lane {
        uint32_t epoch;
        uint64_t give, committed, delivered;
        _Atomic bool ended;
        enum tm_status status; /* of the last document delivered */
        uint32_t attempts;
        _Atomic unsigned tries; /* a script's own */
    } lane[FAKE_LANES];
    _Atomic size_t in_stages, delivers_done, troubles, steps;
    _Atomic size_t outstanding, most_outstanding; /* given and not committed */
    _Atomic size_t disorder;                      /* deliveries out of order or twice */
    _Atomic size_t dead;
    uint64_t next_lane;
};

extern const struct tm_source_ops fake_source;
extern const struct tm_sink_ops fake_sink;
extern const struct runner_parts fake_parts;       /* with an infer stage that answers backwards */
extern const struct runner_parts fake_parts_plain; /* without */

/* Defaults with a state folder below the working directory. */
void fake_conf(struct tm_conf *conf, const char *state_path);
/* Creates and runs; the fake of this process is f. */
enum tm_status fake_run(struct fake *f, const struct tm_conf *conf,
                        const struct runner_parts *parts, struct tm_summary *ret_summary,
                        struct tm_err *err);
char *fake_folder(void);               /* a new folder, owned by the caller */
void fake_folder_remove(char *folder); /* with the files in it; frees */

#endif
