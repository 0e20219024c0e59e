/* tokenize: text to ids and offsets, or ids to text, line by line. */
#include "verbs.h"
#include "lines.h"
#include "tm_pipeline.h"
#include "tm_tokenizer.h"

#include <stdio.h>
#include <string.h>

struct state {
    const struct args *args;
    struct tm_tokenizer *tok;
    struct tm_encoding enc;
    struct tm_buf text, out;
    bool special;
};

static enum exit_code put_line(struct state *st)
{
    tm_buf_putc(&st->out, '\n');
    if (st->out.failed)
        return verb_fail(st->args, EXIT_INTERNAL, "out of memory");
    if (fwrite(st->out.data, 1, st->out.len, stdout) != st->out.len)
        return verb_fail(st->args, EXIT_IO, "standard output cannot be written");
    return EXIT_OK;
}

static enum exit_code encode_line(void *arg, char *line, size_t len)
{
    struct state *st = arg;
    struct tm_err err = {0};
    if (!line_text(st->args, line, len, &st->text))
        return EXIT_DATA;
    if (tm_tokenizer_encode(st->tok, st->text.data != NULL ? st->text.data : "", st->text.len,
                            st->special, &st->enc, &err) != TM_OK)
        return verb_fail_err(st->args, &err);
    tm_buf_clear(&st->out);
    for (size_t i = 0; i < st->enc.n; i++)
        tm_buf_printf(&st->out, "%s%d", i == 0 ? "{\"ids\":[" : ",", st->enc.ids[i]);
    tm_buf_puts(&st->out, st->enc.n == 0 ? "{\"ids\":[]" : "]");
    for (size_t i = 0; i < st->enc.n; i++)
        tm_buf_printf(&st->out, "%s[%u,%u]", i == 0 ? ",\"offsets\":[" : ",", st->enc.offsets[i][0],
                      st->enc.offsets[i][1]);
    tm_buf_puts(&st->out, st->enc.n == 0 ? ",\"offsets\":[]}" : "]}");
    return put_line(st);
}

static enum exit_code decode_line(void *arg, char *line, size_t len)
{
    struct state *st = arg;
    struct tm_err err = {0};
    struct tm_json j;
    tm_json_init(&j, "line", line, len);
    tm_buf_clear(&st->text);
    enum tm_status s = read_ids(&j, &st->text, &err);
    tm_json_finish(&j);
    struct tm_buf plain = {.cap = 0};
    if (s == TM_OK)
        s = tm_tokenizer_decode(st->tok, (const int32_t *)(const void *)st->text.data,
                                st->text.len / sizeof(int32_t), !st->special, &plain, &err);
    tm_buf_clear(&st->out);
    tm_buf_json_string(&st->out, plain.data != NULL ? plain.data : "", plain.len);
    tm_buf_finish(&plain);
    return s == TM_OK ? put_line(st) : verb_fail_err(st->args, &err);
}

static enum exit_code run(const struct args *a)
{
    const char *name = args_get(a, "model");
    char folder[4096];
    struct tm_err err = {0};
    if (name == NULL)
        return verb_fail(a, EXIT_USAGE, "say which model folder: -m DIR");
    struct state st = {.args = a, .special = !args_has(a, "no-special")};
    if (tm_model_find(name, folder, sizeof folder, &err) != TM_OK)
        return verb_fail_err(a, &err);
    if (tm_tokenizer_open(folder, &st.tok, &err) != TM_OK) /* a bad file is a bad model */
        return verb_fail(a, err.status == TM_BADINPUT ? EXIT_NOINPUT : exit_code_of(err.status),
                         "%s", err.text);
    enum exit_code code = lines_each(a, args_has(a, "decode") ? decode_line : encode_line, &st);
    tm_encoding_finish(&st.enc);
    tm_buf_finish(&st.text);
    tm_buf_finish(&st.out);
    tm_tokenizer_close(st.tok);
    return code;
}

static const struct verb_option options[] = {
    {"model", 'm', "DIR", "Model folder, or a name in the model path"},
    {"decode", '\0', NULL, "From arrays of ids to JSON strings"},
    {"no-special", '\0', NULL, "Without special tokens (decode: leave them out of the text)"},
    {0},
};

const struct verb verb_tokenize = {
    .name = "tokenize",
    .summary = "Turn text into ids, or ids into text, line by line",
    .details = "Input: a JSON string, or plain text, a line. Output: "
               "{\"ids\":[...],\"offsets\":[[start,end],...]}\n"
               "a line, offsets in code points.",
    .options = options,
    .run = run,
};
