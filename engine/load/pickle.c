/* A machine for pickles that can only build data.
 *
 * Called by pytorch.c while a set is opened. A pickle is a program for a stack machine, and in
 * Python it may call anything. Here the calls it may make are rows of `symbols`, each of which puts
 * together a shape; an opcode without a handler ends the reading. Nothing is walked recursively, so
 * that a value that contains itself is harmless. */
#include "pickle.h"
#include "bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct pickle_symbol symbols[] = {
    {"collections", "OrderedDict", SYMBOL_DICT, NULL, TENSOR_OTHER, 0},
    {"torch", "Size", SYMBOL_SIZE, NULL, TENSOR_OTHER, 0},
    {"torch._utils", "_rebuild_tensor", SYMBOL_TENSOR, NULL, TENSOR_OTHER, 0},
    {"torch._utils", "_rebuild_tensor_v2", SYMBOL_TENSOR, NULL, TENSOR_OTHER, 0},
    {"torch._utils", "_rebuild_parameter", SYMBOL_PARAMETER, NULL, TENSOR_OTHER, 0},
    {"torch", "FloatStorage", SYMBOL_STORAGE, "F32", TENSOR_F32, 4},
    {"torch", "HalfStorage", SYMBOL_STORAGE, "F16", TENSOR_F16, 2},
    {"torch", "BFloat16Storage", SYMBOL_STORAGE, "BF16", TENSOR_BF16, 2},
    {"torch", "DoubleStorage", SYMBOL_STORAGE, "F64", TENSOR_OTHER, 8},
    {"torch", "LongStorage", SYMBOL_STORAGE, "I64", TENSOR_OTHER, 8},
    {"torch", "IntStorage", SYMBOL_STORAGE, "I32", TENSOR_OTHER, 4},
    {"torch", "ShortStorage", SYMBOL_STORAGE, "I16", TENSOR_OTHER, 2},
    {"torch", "CharStorage", SYMBOL_STORAGE, "I8", TENSOR_OTHER, 1},
    {"torch", "ByteStorage", SYMBOL_STORAGE, "U8", TENSOR_OTHER, 1},
    {"torch", "BoolStorage", SYMBOL_STORAGE, "BOOL", TENSOR_OTHER, 1},
};

struct machine {
    const char *name;
    const uint8_t *data;
    size_t n, pos;
    size_t op; /* where the present opcode stands, for messages */
    struct tm_arena *arena;
    struct pickle_value **stack;
    size_t n_stack, room_stack;
    struct pickle_value **memo; /* numbered from 0 without gaps, as pickle numbers them */
    size_t n_memo, room_memo;
    bool stopped;
    struct tm_err *err;
};

__attribute__((format(printf, 2, 3))) static enum tm_status fail(const struct machine *m,
                                                                 const char *fmt, ...)
{
    char text[192];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return tm_err_set(m->err, TM_MODEL, "%s: byte %zu of the pickle: %s", m->name, m->op, text);
}

static enum tm_status no_memory(const struct machine *m)
{
    return tm_err_set(m->err, tm_arena_full(m->arena) ? TM_TOOLARGE : TM_NOMEM,
                      "%s: the pickle needs too much memory", m->name);
}

/* ---- operands, stack, memo ---- */

static enum tm_status take(struct machine *m, size_t n, const uint8_t **ret)
{
    *ret = m->data + m->pos;
    if (n > m->n - m->pos)
        return fail(m, "ends early");
    m->pos += n;
    return TM_OK;
}

static bool grow(struct pickle_value ***list, size_t n, size_t *room)
{
    if (n < *room)
        return true;
    size_t more = TM_MAX((size_t)64, 2 * *room);
    struct pickle_value **bigger = realloc(*list, more * sizeof(*bigger));
    if (bigger == NULL)
        return false;
    *list = bigger;
    *room = more;
    return true;
}

static enum tm_status push(struct machine *m, struct pickle_value *v)
{
    if (!grow(&m->stack, m->n_stack, &m->room_stack))
        return no_memory(m);
    m->stack[m->n_stack++] = v;
    return TM_OK;
}

static enum tm_status push_new(struct machine *m, struct pickle_value v)
{
    struct pickle_value *copy = tm_arena_alloc(m->arena, sizeof *copy);
    if (copy == NULL)
        return no_memory(m);
    *copy = v;
    return push(m, copy);
}

static enum tm_status push_integer(struct machine *m, enum pickle_kind kind, int64_t n)
{
    return push_new(m, (struct pickle_value){.kind = kind, .integer = n});
}

static enum tm_status push_bytes(struct machine *m, enum pickle_kind kind, size_t n)
{
    const uint8_t *p;
    enum tm_status s = take(m, n, &p);
    if (s != TM_OK)
        return s;
    const char *text = tm_arena_strndup(m->arena, (const char *)p, n);
    return text == NULL ? no_memory(m)
                        : push_new(m, (struct pickle_value){.kind = kind, .string = {text, n}});
}

/* The n topmost values must be there and no mark among them. */
static enum tm_status need(struct machine *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (i >= m->n_stack || m->stack[m->n_stack - 1 - i]->kind == PICKLE_MARK)
            return fail(m, "takes a value from an empty stack");
    return TM_OK;
}

static struct pickle_value *top(const struct machine *m)
{
    return m->stack[m->n_stack - 1];
}

/* Where the values above the last mark begin. */
static enum tm_status find_mark(struct machine *m, size_t *ret_first)
{
    for (size_t i = m->n_stack; i > 0; i--) {
        if (m->stack[i - 1]->kind == PICKLE_MARK) {
            *ret_first = i;
            return TM_OK;
        }
    }
    return fail(m, "no mark on the stack");
}

static enum tm_status append(struct machine *m, struct pickle_value *list,
                             struct pickle_value *const *items, size_t n)
{
    if (n > list->list.room - list->list.n) {
        size_t room = TM_MAX(2 * list->list.room, list->list.n + n);
        struct pickle_value **more = tm_arena_array(m->arena, room, sizeof(*more));
        if (more == NULL)
            return no_memory(m);
        if (list->list.n > 0)
            memcpy(more, list->list.item, list->list.n * sizeof(*more));
        list->list.item = more;
        list->list.room = room;
    }
    if (n > 0)
        memcpy(list->list.item + list->list.n, items, n * sizeof(*items));
    list->list.n += n;
    return TM_OK;
}

/* The values from `first` on become one tuple, and what stands from `end` on is dropped with them.
 */
static enum tm_status fold(struct machine *m, size_t first, size_t end)
{
    struct pickle_value tuple = {.kind = PICKLE_TUPLE};
    enum tm_status s = append(m, &tuple, m->stack + first, m->n_stack - first);
    m->n_stack = end;
    return s == TM_OK ? push_new(m, tuple) : s;
}

/* The values above the last mark go into the list or dictionary below it. */
static enum tm_status op_pour(struct machine *m, int kind)
{
    size_t first = 0;
    enum tm_status s = find_mark(m, &first);
    if (s != TM_OK)
        return s;
    if (first < 2 || (int)m->stack[first - 2]->kind != kind ||
        (kind == PICKLE_DICT && (m->n_stack - first) % 2 != 0))
        return fail(m, "adds to something that is no %s", kind == PICKLE_DICT ? "dict" : "list");
    s = append(m, m->stack[first - 2], m->stack + first, m->n_stack - first);
    m->n_stack = first - 1;
    return s;
}

/* ---- tensors ---- */

static enum tm_status read_sizes(struct machine *m, const struct pickle_value *v, const char *what,
                                 int64_t out[TENSOR_RANK], int32_t *ret_n)
{
    if (v->kind != PICKLE_TUPLE || v->list.n > TENSOR_RANK)
        return fail(m, "%s of a tensor is no tuple of at most %d", what, TENSOR_RANK);
    for (size_t i = 0; i < v->list.n; i++) {
        if (v->list.item[i]->kind != PICKLE_INT || v->list.item[i]->integer < 0)
            return fail(m, "%s of a tensor holds something that is no size", what);
        out[i] = v->list.item[i]->integer;
    }
    *ret_n = (int32_t)v->list.n;
    return TM_OK;
}

/* Every element must lie within the storage, and there may not be more of them than it has: a
 * stride of 0 would make much out of little. */
static enum tm_status check_extent(struct machine *m, const struct pickle_tensor *t)
{
    int64_t has = t->storage->storage.elements, elements = 1, last = t->offset;
    bool overflow = false;
    for (int32_t i = 0; i < t->rank; i++) {
        int64_t step;
        overflow |= __builtin_mul_overflow(elements, t->shape[i], &elements);
        if (t->shape[i] > 0)
            overflow |= __builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &step) ||
                        __builtin_add_overflow(last, step, &last);
    }
    if (overflow || elements > has || (elements > 0 && last >= has))
        return fail(m, "a tensor reaches beyond its storage of %lld elements", (long long)has);
    return TM_OK;
}

/* _rebuild_tensor(storage, offset, size, stride, …) */
static enum tm_status make_tensor(struct machine *m, const struct pickle_value *args)
{
    int32_t n = 0;
    struct pickle_value *const *a = args->list.item;
    if (args->list.n < 4 || a[0]->kind != PICKLE_STORAGE || a[1]->kind != PICKLE_INT ||
        a[1]->integer < 0)
        return fail(m, "a tensor without storage and offset");
    struct pickle_tensor *t = tm_arena_alloc(m->arena, sizeof *t);
    if (t == NULL)
        return no_memory(m);
    *t = (struct pickle_tensor){.storage = a[0], .offset = a[1]->integer};
    enum tm_status s = read_sizes(m, a[2], "size", t->shape, &t->rank);
    if (s == TM_OK)
        s = read_sizes(m, a[3], "stride", t->stride, &n);
    if (s == TM_OK && n != t->rank)
        s = fail(m, "size and stride of a tensor differ in length");
    if (s == TM_OK)
        s = check_extent(m, t);
    return s == TM_OK ? push_new(m, (struct pickle_value){.kind = PICKLE_TENSOR, .tensor = t}) : s;
}

/* ---- opcodes; arg is the row's ---- */

static enum tm_status op_proto(struct machine *m, int arg)
{
    const uint8_t *p;
    enum tm_status s = take(m, 1, &p);
    return s == TM_OK && *p != arg ? fail(m, "protocol %d, only %d is read", *p, arg) : s;
}

static enum tm_status op_stop(struct machine *m, int arg)
{
    (void)arg;
    m->stopped = true;
    return need(m, 1);
}

/* None, a mark, an empty tuple, list or dict. */
static enum tm_status op_empty(struct machine *m, int kind)
{
    return push_new(m, (struct pickle_value){.kind = (enum pickle_kind)kind});
}

static enum tm_status op_bool(struct machine *m, int value)
{
    return push_integer(m, PICKLE_BOOL, value);
}

static enum tm_status op_int(struct machine *m, int bytes)
{
    const uint8_t *p;
    enum tm_status s = take(m, (size_t)bytes, &p);
    if (s != TM_OK)
        return s;
    return push_integer(m, PICKLE_INT, bytes == 4 ? (int32_t)le32(p) : bytes == 2 ? le16(p) : *p);
}

static enum tm_status op_long1(struct machine *m, int arg)
{
    (void)arg;
    const uint8_t *p;
    enum tm_status s = take(m, 1, &p);
    if (s != TM_OK || *p > 8)
        return s != TM_OK ? s : push_bytes(m, PICKLE_LONG, *p);
    size_t n = *p;
    s = take(m, n, &p);
    if (s != TM_OK)
        return s;
    uint64_t v = n > 0 && (p[n - 1] & 0x80) != 0 ? UINT64_MAX : 0;
    for (size_t i = n; i > 0; i--)
        v = v << 8 | p[i - 1];
    return push_integer(m, PICKLE_INT, (int64_t)v);
}

/* The value is not kept: no size or place in a file of weights is one of these. */
static enum tm_status op_float(struct machine *m, int bytes)
{
    const uint8_t *p;
    enum tm_status s = take(m, (size_t)bytes, &p);
    return s == TM_OK ? op_empty(m, PICKLE_FLOAT) : s;
}

static enum tm_status op_string(struct machine *m, int bytes)
{
    const uint8_t *p; /* the length */
    enum tm_status s = take(m, (size_t)bytes, &p);
    return s == TM_OK ? push_bytes(m, PICKLE_STRING, bytes == 4 ? le32(p) : *p) : s;
}

static enum tm_status op_tuple(struct machine *m, int arg)
{
    (void)arg;
    size_t first = 0;
    enum tm_status s = find_mark(m, &first);
    return s == TM_OK ? fold(m, first, first - 1) : s;
}

static enum tm_status op_tuple_n(struct machine *m, int n)
{
    enum tm_status s = need(m, (size_t)n);
    return s == TM_OK ? fold(m, m->n_stack - (size_t)n, m->n_stack - (size_t)n) : s;
}

static enum tm_status op_append(struct machine *m, int arg)
{
    (void)arg;
    enum tm_status s = need(m, 2);
    if (s == TM_OK && m->stack[m->n_stack - 2]->kind != PICKLE_LIST)
        s = fail(m, "adds to something that is no list");
    if (s == TM_OK)
        s = append(m, m->stack[m->n_stack - 2], m->stack + m->n_stack - 1, 1);
    m->n_stack -= s == TM_OK;
    return s;
}

static enum tm_status op_setitem(struct machine *m, int arg)
{
    (void)arg;
    enum tm_status s = need(m, 3);
    if (s == TM_OK && m->stack[m->n_stack - 3]->kind != PICKLE_DICT)
        s = fail(m, "adds to something that is no dict");
    if (s == TM_OK)
        s = append(m, m->stack[m->n_stack - 3], m->stack + m->n_stack - 2, 2);
    m->n_stack -= s == TM_OK ? 2 : 0;
    return s;
}

static enum tm_status op_get(struct machine *m, int bytes)
{
    const uint8_t *p;
    enum tm_status s = take(m, (size_t)bytes, &p);
    if (s != TM_OK)
        return s;
    size_t i = bytes == 1 ? *p : le32(p);
    return i < m->n_memo ? push(m, m->memo[i])
                         : fail(m, "asks for value %zu before it is there", i);
}

static enum tm_status op_put(struct machine *m, int bytes)
{
    const uint8_t *p;
    enum tm_status s = take(m, (size_t)bytes, &p);
    if (s == TM_OK)
        s = need(m, 1);
    if (s != TM_OK)
        return s;
    size_t i = bytes == 1 ? *p : le32(p);
    if (i > m->n_memo)
        return fail(m, "keeps value %zu, the next number is %zu", i, m->n_memo);
    if (!grow(&m->memo, m->n_memo, &m->room_memo))
        return no_memory(m);
    m->memo[i] = top(m);
    m->n_memo += i == m->n_memo;
    return TM_OK;
}

/* "module\nname\n" */
static enum tm_status op_global(struct machine *m, int arg)
{
    (void)arg;
    const char *line[2];
    int length[2];
    for (int i = 0; i < 2; i++) {
        line[i] = (const char *)m->data + m->pos;
        const char *end = memchr(line[i], '\n', m->n - m->pos);
        if (end == NULL)
            return fail(m, "ends early");
        length[i] = (int)TM_MIN(end - line[i], (ptrdiff_t)64);
        m->pos += (size_t)(end - line[i]) + 1;
    }
    for (size_t i = 0; i < TM_COUNTOF(symbols); i++)
        if (strlen(symbols[i].module) == (size_t)length[0] &&
            memcmp(symbols[i].module, line[0], (size_t)length[0]) == 0 &&
            strlen(symbols[i].name) == (size_t)length[1] &&
            memcmp(symbols[i].name, line[1], (size_t)length[1]) == 0)
            return push_new(m, (struct pickle_value){.kind = PICKLE_SYMBOL, .symbol = &symbols[i]});
    return fail(m, "it asks for %.*s.%.*s, which files of weights do not need", length[0], line[0],
                length[1], line[1]);
}

/* ("storage", type, key, location, elements[, view]) */
static enum tm_status op_binpersid(struct machine *m, int arg)
{
    (void)arg;
    enum tm_status s = need(m, 1);
    if (s != TM_OK)
        return s;
    const struct pickle_value *id = m->stack[--m->n_stack];
    if (id->kind != PICKLE_TUPLE || id->list.n < 5 || id->list.n > 6)
        return fail(m, "names something that is no storage");
    struct pickle_value *const *a = id->list.item;
    if (a[0]->kind != PICKLE_STRING || strcmp(a[0]->string.text, "storage") != 0 ||
        a[1]->kind != PICKLE_SYMBOL || a[1]->symbol->what != SYMBOL_STORAGE ||
        a[2]->kind != PICKLE_STRING || strlen(a[2]->string.text) != a[2]->string.len ||
        a[4]->kind != PICKLE_INT || a[4]->integer < 0 || a[4]->integer > INT64_MAX / 8)
        return fail(m, "names something that is no storage");
    if (id->list.n == 6 && a[5]->kind != PICKLE_NONE)
        return fail(m, "a view of storage %s is not supported", a[2]->string.text);
    return push_new(m, (struct pickle_value){.kind = PICKLE_STORAGE,
                                             .storage = {.key = a[2]->string.text,
                                                         .type = a[1]->symbol,
                                                         .elements = a[4]->integer}});
}

/* A call, of one of the symbols. */
static enum tm_status op_reduce(struct machine *m, int arg)
{
    (void)arg;
    enum tm_status s = need(m, 2);
    if (s != TM_OK)
        return s;
    const struct pickle_value *args = m->stack[m->n_stack - 1], *f = m->stack[m->n_stack - 2];
    m->n_stack -= 2;
    if (f->kind != PICKLE_SYMBOL || args->kind != PICKLE_TUPLE)
        return fail(m, "calls something that is no name");
    switch (f->symbol->what) {
    case SYMBOL_DICT:
        return args->list.n == 0 ? op_empty(m, PICKLE_DICT)
                                 : fail(m, "an OrderedDict with arguments");
    case SYMBOL_SIZE:
        return args->list.n == 1 && args->list.item[0]->kind == PICKLE_TUPLE
                   ? push(m, args->list.item[0])
                   : fail(m, "a Size of something that is no tuple");
    case SYMBOL_TENSOR:
        return make_tensor(m, args);
    case SYMBOL_PARAMETER:
        return args->list.n > 0 && args->list.item[0]->kind == PICKLE_TENSOR
                   ? push(m, args->list.item[0])
                   : fail(m, "a parameter of something that is no tensor");
    case SYMBOL_STORAGE:
        break;
    }
    return fail(m, "calls %s.%s", f->symbol->module, f->symbol->name);
}

/* Attributes of an OrderedDict: PyTorch's _metadata, which is not needed. */
static enum tm_status op_build(struct machine *m, int arg)
{
    (void)arg;
    enum tm_status s = need(m, 2);
    if (s == TM_OK && m->stack[m->n_stack - 2]->kind != PICKLE_DICT)
        s = fail(m, "sets attributes of something that is no dict");
    m->n_stack -= s == TM_OK;
    return s;
}

/* By opcode. What is not here is refused: NEWOBJ, INST, OBJ, EXT and whatever else makes objects.
 */
/* clang-format off */
static const struct {
    enum tm_status (*run)(struct machine *m, int arg);
    int arg;
} ops[256] = {
    [0x80] = {op_proto, 2},
    ['.'] = {op_stop, 0},
    ['('] = {op_empty, PICKLE_MARK},
    ['N'] = {op_empty, PICKLE_NONE},
    [')'] = {op_empty, PICKLE_TUPLE},
    [']'] = {op_empty, PICKLE_LIST},
    ['}'] = {op_empty, PICKLE_DICT},
    [0x88] = {op_bool, true},
    [0x89] = {op_bool, false},
    ['J'] = {op_int, 4},
    ['M'] = {op_int, 2},
    ['K'] = {op_int, 1},
    [0x8a] = {op_long1, 0},
    ['G'] = {op_float, 8},
    ['X'] = {op_string, 4},
    ['U'] = {op_string, 1},
    ['t'] = {op_tuple, 0},
    [0x85] = {op_tuple_n, 1},
    [0x86] = {op_tuple_n, 2},
    [0x87] = {op_tuple_n, 3},
    ['a'] = {op_append, 0},
    ['e'] = {op_pour, PICKLE_LIST},
    ['s'] = {op_setitem, 0},
    ['u'] = {op_pour, PICKLE_DICT},
    ['h'] = {op_get, 1},
    ['j'] = {op_get, 4},
    ['q'] = {op_put, 1},
    ['r'] = {op_put, 4},
    ['c'] = {op_global, 0},
    ['Q'] = {op_binpersid, 0},
    ['R'] = {op_reduce, 0},
    ['b'] = {op_build, 0},
};
/* clang-format on */

enum tm_status pickle_read(const char *name, const uint8_t *data, size_t n, struct tm_arena *arena,
                           const struct pickle_value **ret_value, size_t *ret_used,
                           struct tm_err *err)
{
    struct machine m = {.name = name, .data = data, .n = n, .arena = arena, .err = err};
    enum tm_status s = TM_OK;
    while (s == TM_OK && !m.stopped) {
        const uint8_t *code;
        m.op = m.pos;
        s = take(&m, 1, &code);
        if (s == TM_OK)
            s = ops[*code].run != NULL ? ops[*code].run(&m, ops[*code].arg)
                                       : fail(&m, "opcode 0x%02x is refused", *code);
    }
    if (s == TM_OK) {
        *ret_value = top(&m);
        *ret_used = m.pos;
    }
    free(m.stack);
    free(m.memo);
    return s;
}
