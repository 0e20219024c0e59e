/* The one table of configuration keys. The rows below make the struct, the parser, `check`,
 * `--help`, the JSON Schema and the reference page; daemon/ reads YAML over it and keeps positions.
 * A new key is a row. */
#ifndef TM_CONF_H
#define TM_CONF_H

#include "tm_mem.h"

/* Types: STR text; PATH relative to the configuration file; INT in [lo, hi]; BOOL true|false;
 * ENUM one of the words of `choices` separated by '|'; WORDS one word or a list of words, kept with
 * commas between them; MAP names with a text each, kept as lines "name=text".
 *
 *  path  field  type  default  lo  hi  choices  unit  help */
#define TM_CONF_LIST(X)                                                                            \
    X("source.spool.path", source_spool_path, PATH, "", 0, 0, "", "",                              \
      "Folder to take documents from; new, active, done and failed files live below it")           \
    X("source.spool.pattern", source_spool_pattern, STR, "*", 0, 0, "", "",                        \
      "Shell pattern that a file's name must match")                                               \
    X("source.spool.recursive", source_spool_recursive, BOOL, "true", 0, 0, "", "",                \
      "Take files from subfolders too")                                                            \
    X("source.spool.settle_ms", source_spool_settle_ms, INT, "500", 0, 3600000, "", "ms",          \
      "Leave a file alone until it has not changed for this long; 0 for writers that rename")      \
    X("source.spool.rescan_ms", source_spool_rescan_ms, INT, "2000", 10, 3600000, "", "ms",        \
      "Look at the whole folder this often, whatever inotify says")                                \
    X("source.spool.format", source_spool_format, ENUM, "auto", 0, 0,                              \
      "auto|document|jsonl|feed|warc|csv|mail", "",                                                \
      "How files hold documents: one each, or several; auto goes by the name, else by how the "    \
      "file begins")                                                                               \
    X("source.spool.max_expansion", source_spool_max_expansion, INT, "100", 1, 100000, "", "",     \
      "Most bytes a .gz or .zst file may give for each of its own, once past 1 MiB")               \
    X("source.kafka.brokers", source_kafka_brokers, STR, "", 0, 0, "", "",                         \
      "Where to find the cluster to take documents from: host:port, several with commas")          \
    X("source.kafka.topics", source_kafka_topics, WORDS, "", 0, 0, "", "",                         \
      "Topics to take documents from: one, or a list")                                             \
    X("source.kafka.group", source_kafka_group, STR, "textmill", 0, 0, "", "",                     \
      "Consumer group: its instances share the partitions")                                        \
    X("source.kafka.start", source_kafka_start, STR, "earliest", 0, 0, "", "",                     \
      "Where the group begins a partition that it has no position for: earliest, latest, error, "  \
      "a "                                                                                         \
      "time like 2026-01-31T00:00:00Z, or offsets like wire/0=120,wire/1=8")                       \
    X("source.kafka.assignment", source_kafka_assignment, ENUM, "cooperative", 0, 0,               \
      "cooperative|eager", "",                                                                     \
      "How partitions move between instances: only those that must, or all at once")               \
    X("source.kafka.static_member", source_kafka_static_member, BOOL, "false", 0, 0, "", "",       \
      "Keep this instance's partitions for it while it restarts within the session's time")        \
    X("source.kafka.session_ms", source_kafka_session_ms, INT, "45000", 1000, 1800000, "", "ms",   \
      "An instance that is not heard of for so long loses its partitions")                         \
    X("clean.kind", clean_kind, ENUM, "auto", 0, 0, "auto|news|social|text|json|none", "",         \
      "What the documents are: news pages, posts, plain text, JSON envelopes; auto looks; none "   \
      "passes their bytes on unread")                                                              \
    X("clean.fields", clean_fields, MAP, "", 0, 0, "", "",                                         \
      "Where JSON and CSV documents have what, when not under the envelope's names: members of "   \
      "the envelope, each with a JSON pointer (text: /data/body) or the name of a member or "      \
      "column")                                                                                    \
    X("clean.mode", clean_mode, ENUM, "balanced", 0, 0, "fast|balanced|precision|recall|raw", "",  \
      "How the article of a page is found: one candidate, the candidate that agrees most with "    \
      "the others, only what two of them keep, what any of them keeps, or all text")               \
    X("clean.social", clean_social, ENUM, "keep", 0, 0, "keep|tweeteval|bertweet", "",             \
      "How posts (kind social) are written: as they are, or with user names and addresses as "     \
      "the models of TweetEval (@user, http) or BERTweet (@USER, HTTPURL, emoji by name) know "    \
      "them")                                                                                      \
    X("clean.max_bytes", clean_max_bytes, INT, "20971520", 1024, 1073741824, "", "bytes",          \
      "Largest document, after decompression")                                                     \
    X("clean.max_nodes", clean_max_nodes, INT, "200000", 100, 100000000, "", "nodes",              \
      "Most nodes of a parsed page")                                                               \
    X("clean.max_depth", clean_max_depth, INT, "4096", 16, 1000000, "", "levels",                  \
      "Deepest nesting of a parsed page")                                                          \
    X("clean.max_ms", clean_max_ms, INT, "5000", 10, 3600000, "", "ms",                            \
      "Most time spent on cleaning one document")                                                  \
    X("redact.documents", redact_documents, ENUM, "social", 0, 0, "none|social|all", "",           \
      "Documents in which personal data is redacted, before models, logs and dead letters see "    \
      "it; an envelope's redact decides for itself")                                               \
    X("redact.operator", redact_operator, ENUM, "replace", 0, 0, "mask|replace|hash|drop", "",     \
      "What stands in its place: stars, its type, its type with a keyed hash, or nothing")         \
    X("redact.types", redact_types, WORDS, "", 0, 0, "", "",                                       \
      "Types to redact; empty: CREDIT_CARD, CRYPTO, EMAIL_ADDRESS, IBAN_CODE, IP_ADDRESS, "        \
      "MAC_ADDRESS, PHONE_NUMBER and US_SSN; there is URL besides")                                \
    X("redact.key_file", redact_key_file, PATH, "", 0, 0, "", "",                                  \
      "File with the key of redact.operator hash")                                                 \
    X("dedup.policy", dedup_policy, ENUM, "off", 0, 0, "off|keep|skip|reuse-result", "",           \
      "A document that says what an earlier one said: not looked for; marked and processed; "      \
      "marked and not given to models; marked and given the other one's text and results")         \
    X("dedup.similarity", dedup_similarity, REAL, "0.75", 0, 1, "", "",                            \
      "Share of word 5-grams in common from which it is a duplicate")                              \
    X("dedup.documents", dedup_documents, INT, "65536", 16, 16777216, "", "documents",             \
      "Documents that new ones are compared with, the last ones; each takes about 1 KB")           \
    X("sink.files.path", sink_files_path, PATH, "", 0, 0, "", "", "Folder for the results")        \
    X("sink.files.layout", sink_files_layout, ENUM, "auto", 0, 0, "auto|document|jsonl", "",       \
      "One JSON file a document, or one JSONL file an input file; auto follows the input")         \
    X("sink.files.segment_ms", sink_files_segment_ms, INT, "5000", 1, 3600000, "", "ms",           \
      "Documents of topics: longest that results are gathered for one file")                       \
    X("sink.files.segment_bytes", sink_files_segment_bytes, INT, "67108864", 1024, 1099511627776,  \
      "", "bytes", "Documents of topics: results that are enough for their files")                 \
    X("sink.kafka.brokers", sink_kafka_brokers, STR, "", 0, 0, "", "",                             \
      "Cluster for the results; empty: the one of source.kafka.brokers")                           \
    X("sink.kafka.topic", sink_kafka_topic, STR, "", 0, 0, "", "",                                 \
      "Topic for the results; {task} and {lang} at its end make it several: news-{task}")          \
    X("sink.kafka.most_topics", sink_kafka_most_topics, INT, "100", 1, 1000, "", "topics",         \
      "Most topics that {task} and {lang} may make; a result for one more is a dead letter")       \
    X("sink.kafka.delivery", sink_kafka_delivery, ENUM, "auto", 0, 0,                              \
      "auto|exactly-once|at-least-once", "",                                                       \
      "exactly-once: results and positions in one transaction, from topics of the same cluster; "  \
      "auto: that where it is possible")                                                           \
    X("sink.kafka.transactional_id", sink_kafka_transactional_id, STR, "", 0, 0, "", "",           \
      "Name of this instance's transactions, its own; empty: made of group, host and instance")    \
    X("sink.kafka.commit_ms", sink_kafka_commit_ms, INT, "200", 1, 60000, "", "ms",                \
      "Longest that results are gathered for one transaction")                                     \
    X("sink.kafka.transaction_ms", sink_kafka_transaction_ms, INT, "30000", 1000, 900000, "",      \
      "ms", "A transaction that is not over by then is rolled back by the brokers")                \
    X("sink.kafka.compression", sink_kafka_compression, ENUM, "lz4", 0, 0,                         \
      "none|gzip|snappy|lz4|zstd", "", "Compression of results and dead letters")                  \
    X("sink.stdout.enabled", sink_stdout_enabled, BOOL, "false", 0, 0, "", "",                     \
      "Write results to standard output, one a line, instead of files (once only)")                \
    X("sink.text", sink_text, BOOL, "true", 0, 0, "", "", "Put the cleaned text into the result")  \
    X("sink.dead_letters.path", sink_dead_letters_path, PATH, "", 0, 0, "", "",                    \
      "Folder for documents that could not be processed, each with its reason")                    \
    X("sink.dead_letters.topic", sink_dead_letters_topic, STR, "", 0, 0, "", "",                   \
      "Topic for them instead of a folder: original bytes, key and headers, and the reason")       \
    X("kafka.tls.enabled", kafka_tls_enabled, BOOL, "false", 0, 0, "", "",                         \
      "Encrypted connections; on by itself when one of the files below is given")                  \
    X("kafka.tls.ca", kafka_tls_ca, PATH, "", 0, 0, "", "",                                        \
      "Certificates that vouch for the brokers (PEM); empty: the system's")                        \
    X("kafka.tls.certificate", kafka_tls_certificate, PATH, "", 0, 0, "", "",                      \
      "This client's certificate (PEM)")                                                           \
    X("kafka.tls.key", kafka_tls_key, PATH, "", 0, 0, "", "",                                      \
      "Private key of that certificate (PEM)")                                                     \
    X("kafka.tls.key_password_file", kafka_tls_key_password_file, PATH, "", 0, 0, "", "",          \
      "File with the key's password, found as kafka.sasl.password_file")                           \
    X("kafka.sasl.mechanism", kafka_sasl_mechanism, ENUM, "none", 0, 0,                            \
      "none|PLAIN|SCRAM-SHA-256|SCRAM-SHA-512", "", "How this client says who it is")              \
    X("kafka.sasl.username", kafka_sasl_username, STR, "", 0, 0, "", "", "Name of the user")       \
    X("kafka.sasl.password_file", kafka_sasl_password_file, PATH, "", 0, 0, "", "",                \
      "File with the password; one of that name in the service's credentials folder "              \
      "($CREDENTIALS_DIRECTORY) is taken first")                                                   \
    X("kafka.properties", kafka_properties, MAP, "", 0, 0, "", "",                                 \
      "Further properties of librdkafka by its own names, for all connections")                    \
    X("engine.device", engine_device, ENUM, "auto", 0, 0, "auto|cpu|cuda", "", "Where models run") \
    X("engine.precision", engine_precision, ENUM, "auto", 0, 0, "auto|float32|bf16|int8", "",      \
      "Arithmetic of models; auto: float32, or bf16 where the processor is faster with it")        \
    X("engine.threads", engine_threads, INT, "0", 0, 1024, "", "threads",                          \
      "Engine workers; 0: one a core that this process may use")                                   \
    X("engine.batch_tokens", engine_batch_tokens, INT, "2048", 16, 1048576, "", "tokens",          \
      "Most tokens in one engine batch; a longer sequence runs alone")                             \
    X("state.path", state_path, PATH, ".textmill", 0, 0, "", "",                                   \
      "Folder for the attempt journal and the instance's lock; without it below $STATE_DIRECTORY " \
      "where systemd sets that, else beside the configuration")                                    \
    X("state.instance", state_instance, STR, "default", 0, 0, "", "",                              \
      "Name of this instance; two with one spool need two names")                                  \
    X("limits.documents", limits_documents, INT, "1024", 1, 1048576, "", "documents",              \
      "Most documents between source and sink")                                                    \
    X("limits.bytes", limits_bytes, INT, "268435456", 1048576, 1099511627776, "", "bytes",         \
      "Most raw bytes between source and sink; one document is always let in")                     \
    X("limits.tokens", limits_tokens, INT, "4194304", 1024, 1099511627776, "", "tokens",           \
      "Most tokens of all tasks between source and sink; one document is always let in")           \
    X("limits.document_memory", limits_document_memory, INT, "268435456", 1048576, 17179869184,    \
      "", "bytes", "Most memory one document may use")                                             \
    X("limits.memory", limits_memory, INT, "0", 0, 1099511627776, "", "bytes",                     \
      "Memory that the process is to stay below: from 80 % of it new documents wait; 0: what the " \
      "cgroup or the machine has")                                                                 \
    X("limits.process_memory", limits_process_memory, INT, "0", 0, 1099511627776, "", "bytes",     \
      "Most memory the process may reserve (RLIMIT_AS); 0: no limit of textmill's own")            \
    X("limits.stage_seconds", limits_stage_seconds, INT, "60", 1, 86400, "", "s",                  \
      "Longest a stage may take over a batch before the document is taken for hung")               \
    X("limits.drain_seconds", limits_drain_seconds, INT, "30", 0, 86400, "", "s",                  \
      "Longest a stop waits for documents in flight")                                              \
    X("limits.attempts", limits_attempts, INT, "2", 1, 100, "", "deaths",                          \
      "Deaths of the process while a document was alone before it is a dead letter")               \
    X("http.listen", http_listen, STR, "127.0.0.1:9464", 0, 0, "", "",                             \
      "run: where the status page and metrics are served: HOST:PORT, unix:PATH, or off; when the " \
      "default is taken, the pipeline runs without")                                               \
    X("http.token_file", http_token_file, PATH, "", 0, 0, "", "",                                  \
      "File with the token that clients must send to see documents (/tap); without one only a "    \
      "server on loopback or a unix socket shows them")                                            \
    X("log.level", log_level, ENUM, "info", 0, 0, "error|warning|notice|info|debug", "",           \
      "Least important messages to write")                                                         \
    X("log.format", log_format, ENUM, "logfmt", 0, 0, "logfmt|json", "", "Form of log lines")

/* How a generating model decodes: Hugging Face's names; what is not set is as the model's folder
 * says. Keys of a task entry, and options of the verb infer. */
#define TM_CONF_GENERATION_LIST(X)                                                                 \
    X("max_length", max_length, INT, "", 1, 1000000, "", "tokens",                                 \
      "Most tokens of an answer, for decoder-only models with the prompt; without it the model's " \
      "own")                                                                                       \
    X("max_new_tokens", max_new_tokens, INT, "", 1, 1000000, "", "tokens",                         \
      "Most new tokens of an answer; wins over max_length")                                        \
    X("min_length", min_length, INT, "", 0, 1000000, "", "tokens", "Fewest tokens of an answer")   \
    X("min_new_tokens", min_new_tokens, INT, "", 0, 1000000, "", "tokens",                         \
      "Fewest new tokens of an answer")                                                            \
    X("num_beams", num_beams, INT, "", 1, 64, "", "beams",                                         \
      "Beams of the search; 1: greedy, or sampling")                                               \
    X("num_return_sequences", num_return_sequences, INT, "", 1, 64, "", "",                        \
      "Answers to give for each input (infer)")                                                    \
    X("length_penalty", length_penalty, REAL, "", -100, 100, "", "",                               \
      "Beam search: above 0 favours long answers")                                                 \
    X("early_stopping", early_stopping, ENUM, "model", 0, 0, "model|false|true|never", "",         \
      "Beam search: when it ends")                                                                 \
    X("no_repeat_ngram_size", no_repeat_ngram_size, INT, "", 0, 1000, "", "tokens",                \
      "Runs of so many tokens that an answer has only once; 0: no such rule")                      \
    X("encoder_no_repeat_ngram_size", encoder_no_repeat_ngram_size, INT, "", 0, 1000, "",          \
      "tokens", "Runs of so many tokens of the input that no answer has; 0: no such rule")         \
    X("repetition_penalty", repetition_penalty, REAL, "", 0, 100, "", "",                          \
      "Above 1 discourages tokens that are there already")                                         \
    X("encoder_repetition_penalty", encoder_repetition_penalty, REAL, "", 0, 100, "", "",          \
      "Above 1 favours tokens of the input")                                                       \
    X("do_sample", do_sample, ENUM, "model", 0, 0, "model|false|true", "",                         \
      "Draw tokens at random instead of taking the best")                                          \
    X("temperature", temperature, REAL, "", 0, 100, "", "",                                        \
      "Sampling: below 1 sharper, above 1 wilder")                                                 \
    X("top_k", top_k, INT, "", 0, 1000000, "", "",                                                 \
      "Sampling: of the so many best tokens; 0: of all")                                           \
    X("top_p", top_p, REAL, "", 0, 1, "", "",                                                      \
      "Sampling: of the best tokens that together have this probability")                          \
    X("min_p", min_p, REAL, "", 0, 1, "", "",                                                      \
      "Sampling: of tokens with at least this share of the best one's probability")                \
    X("typical_p", typical_p, REAL, "", 0, 1, "", "",                                              \
      "Sampling: of the most typical tokens that together have this probability")                  \
    X("seed", seed, INT, "0", 0, INT64_C(9007199254740991), "", "",                                \
      "Sampling: with the document it decides every draw, whatever else is in the batch")          \
    X("stop_strings", stop_strings, LIST, "", 0, 0, "", "", "An answer ends after one of these")   \
    X("choices", choices, LIST, "", 0, 0, "", "", "An answer is one of these texts")               \
    X("schema", schema, PATH, "", 0, 0, "", "", "An answer is JSON that this JSON Schema allows")  \
    X("forced_bos_token_id", forced_bos_token_id, INT, "", 0, 2147483647, "", "",                  \
      "Id that every answer begins with, after the decoder start")                                 \
    X("forced_eos_token_id", forced_eos_token_id, INT, "", 0, 2147483647, "", "",                  \
      "Id that ends an answer of the most tokens")                                                 \
    X("bad_words_ids", bad_words_ids, STR, "", 0, 0, "", "",                                       \
      "Runs of ids that no answer has: [[12, 7], [5]]")                                            \
    X("suppress_tokens", suppress_tokens, STR, "", 0, 0, "", "", "Ids that no answer has: [12, 7]")

/* Keys of one entry of the list `tasks`. A dotted one is a key of a mapping in the entry. */
#define TM_CONF_TASK_LIST(X)                                                                       \
    X("task", task, STR, "", 0, 0, "", "", "What to do: see the guide")                            \
    X("model", model, STR, "", 0, 0, "", "",                                                       \
      "Model folder, or a name found in the model path; without it the task's default model")      \
    X("when.lang", when_lang, LIST, "", 0, 0, "", "",                                              \
      "Only documents in these languages (BCP-47: en also takes en-GB); empty: all")               \
    X("sentences", sentences, INT, "3", 0, 1000, "", "sentences",                                  \
      "summary, extractive: target length in sentences; 0: go by words")                           \
    X("words", words, INT, "0", 0, 100000, "", "words",                                            \
      "summary, extractive: target length in words; 0: go by sentences")                           \
    X("policy", policy, ENUM, "lead", 0, 0, "lead|head_tail|extract_then_abstract|map_reduce", "", \
      "summary, model that generates: what it reads of a text that is too long for it")            \
    X("unfaithful", unfaithful, ENUM, "flag", 0, 0, "flag|keep|extract", "",                       \
      "summary, model that generates: a summary with numbers or names that the text has not is "   \
      "flagged, kept or replaced by the text's own sentences")                                     \
    X("stride", stride, INT, "", 0, 100000, "", "tokens",                                          \
      "Tokens that neighbouring windows of a long text share; without it 64, entities and "        \
      "answers 128")                                                                               \
    X("labels", labels, LIST, "", 0, 0, "", "",                                                    \
      "classification by a model of entailment (zero-shot): the labels to choose from")            \
    X("hypothesis_template", hypothesis_template, STR, "This example is {}.", 0, 0, "", "",        \
      "classification, zero-shot: the sentence that a label makes; {} is the label")               \
    X("multi_label", multi_label, BOOL, "false", 0, 0, "", "",                                     \
      "classification, zero-shot: each label for itself, several may hold")                        \
    X("aggregation_strategy", aggregation_strategy, ENUM, "first", 0, 0,                           \
      "none|simple|first|average|max", "", "entities: how the labels of tokens become one")        \
    X("questions", questions, LIST, "", 0, 0, "", "",                                              \
      "answers: what to ask of each document; the envelope may ask more")                          \
    X("max_seq_len", max_seq_len, INT, "384", 8, 1000000, "", "tokens",                            \
      "answers: length of a window, question included")                                            \
    X("max_answer_len", max_answer_len, INT, "15", 1, 1000000, "", "tokens",                       \
      "answers: longest answer")                                                                   \
    X("handle_impossible_answer", handle_impossible_answer, BOOL, "false", 0, 0, "", "",           \
      "answers: none where the model holds that more likely than any")                             \
    X("name", name, STR, "", 0, 0, "", "", "generation: name of the result")                       \
    X("template", prompt, STR, "{{ text }}", 0, 0, "", "",                                         \
      "generation: the prompt, a Jinja template over title, text, language, source, url, id and "  \
      "the envelope's prompt_vars")                                                                \
    X("system", system, STR, "", 0, 0, "", "",                                                     \
      "generation: system message of a chat; a template like the prompt")                          \
    X("chat", chat, BOOL, "true", 0, 0, "", "",                                                    \
      "generation: put the prompt into the model's chat template, if it has one")                  \
    X("from", from, STR, "", 0, 0, "", "",                                                         \
      "translation: language of the text (BCP-47); without it the model's own default")            \
    X("to", to, STR, "", 0, 0, "", "", "translation: language to translate into (BCP-47)")         \
    X("prefix", prefix, STR, "", 0, 0, "", "",                                                     \
      "translation: text put before every sentence (T5's \"summarize: \")")                        \
    TM_CONF_GENERATION_LIST(X)

enum tm_conf_type {
    TM_CONF_STR,
    TM_CONF_PATH,
    TM_CONF_INT, /* an empty default: not set, TM_CONF_UNSET */
    TM_CONF_BOOL,
    TM_CONF_ENUM,
    TM_CONF_WORDS,
    TM_CONF_MAP,
    TM_CONF_REAL, /* an empty default: not set, NaN; bounds are whole numbers */
    TM_CONF_LIST  /* texts; setting adds one */
};
#define TM_CONF_UNSET INT64_MIN

struct tm_conf_list {
    char **item;
    size_t n;
};

/* One field per key: char * (the texts: never NULL, owned by the struct), int64_t, bool, double,
 * list. */
#define TM_CONF_FIELD_STR(f)   char *f;
#define TM_CONF_FIELD_PATH(f)  char *f;
#define TM_CONF_FIELD_ENUM(f)  char *f;
#define TM_CONF_FIELD_WORDS(f) char *f;
#define TM_CONF_FIELD_MAP(f)   char *f;
#define TM_CONF_FIELD_INT(f)   int64_t f;
#define TM_CONF_FIELD_BOOL(f)  bool f;
#define TM_CONF_FIELD_REAL(f)  double f;
#define TM_CONF_FIELD_LIST(f)  struct tm_conf_list f;

struct tm_conf_task {
#define X(path, field, type, def, lo, hi, choices, unit, help) TM_CONF_FIELD_##type(field)
    TM_CONF_TASK_LIST(X)
#undef X
    int line, column; /* of the entry, for findings; 0: unknown */
};

struct tm_conf {
#define X(path, field, type, def, lo, hi, choices, unit, help) TM_CONF_FIELD_##type(field)
    TM_CONF_LIST(X)
#undef X
    struct tm_conf_task *tasks;
    size_t n_tasks;
};

struct tm_conf_key {
    const char *path; /* dotted; of a task entry: the bare name */
    enum tm_conf_type type;
    size_t offset; /* into tm_conf or tm_conf_task */
    const char *def;
    int64_t lo, hi;
    const char *choices, *unit, *help;
};

/* Both tables end with a row whose path is NULL. */
extern const struct tm_conf_key tm_conf_keys[];
extern const struct tm_conf_key tm_conf_task_keys[];

enum tm_status tm_conf_init(struct tm_conf *c, struct tm_err *err); /* every default */
void tm_conf_finish(struct tm_conf *c);
/* One entry alone, every default, for callers without a file. */
enum tm_status tm_conf_task_init(struct tm_conf_task *t, struct tm_err *err);
void tm_conf_task_finish(struct tm_conf_task *t);
/* A new task entry with defaults; NULL when memory is short. Valid until the next call. */
struct tm_conf_task *tm_conf_add_task(struct tm_conf *c);
/* Converts and stores one value; base is a tm_conf or tm_conf_task according to the key's table.
 * dir: what a PATH is relative to (NULL: as it is). TM_CONFIG with a message naming the remedy. */
enum tm_status tm_conf_set(void *base, const struct tm_conf_key *key, const char *value,
                           const char *dir, struct tm_err *err);
/* The value as text, as the file would say it. */
bool tm_conf_get(const void *base, const struct tm_conf_key *key, struct tm_buf *out);
/* Goes through the value of a MAP: false at its end, else a name and its text, borrowed. */
struct tm_conf_pair {
    const char *name, *text;
    size_t name_len, text_len;
};
bool tm_conf_map_next(const char **at, struct tm_conf_pair *ret_pair);
const struct tm_conf_key *tm_conf_find(const struct tm_conf_key *table, const char *path);
/* The key most like path, for "did you mean"; NULL when none is near. */
const struct tm_conf_key *tm_conf_nearest(const struct tm_conf_key *table, const char *path);
/* The same for a section ("sink.files") or the list of tasks; false when none is near. */
bool tm_conf_nearest_section(const char *path, char *out, size_t size);
/* True when some key begins with prefix + '.'. */
bool tm_conf_is_section(const char *prefix);
/* What is wrong between keys (no source, no sink, unknown task …): calls found(arg, path, text)
 * for each; returns how many. path names the key to point at ("tasks[1].task" for entries). */
size_t tm_conf_check(const struct tm_conf *c,
                     void (*found)(void *arg, const char *path, const char *text), void *arg);

bool tm_conf_schema(struct tm_buf *out);    /* JSON Schema */
bool tm_conf_reference(struct tm_buf *out); /* docs/configuration.md */
bool tm_conf_example(struct tm_buf *out);   /* a commented file with every default */
/* A file with every value of c as it is, paths resolved; secrets are masked. */
bool tm_conf_effective(const struct tm_conf *c, struct tm_buf *out);

#endif
