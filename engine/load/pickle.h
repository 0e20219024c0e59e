/* Pickles as data: what torch.save writes, read without running anything.
 *
 * The opcodes of protocol 2 that such files use (Python's pickletools documents them) build values
 * in an arena; of all names a pickle may import, the few of pickle.c are known, and they only say
 * what shape a value has. Anything else is refused by name. */
#ifndef ENGINE_PICKLE_H
#define ENGINE_PICKLE_H

#include "tensors.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_LONG, /* more than 64 bits; text and len are its bytes, little-endian */
    PICKLE_FLOAT,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT, /* items: key, value, key, value … */
    PICKLE_SYMBOL,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_MARK, /* never in a finished value */
};

struct pickle_tensor {
    const struct pickle_value *storage;
    int64_t offset; /* in elements, as stride is */
    int32_t rank;
    int64_t shape[TENSOR_RANK], stride[TENSOR_RANK];
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer;
        struct {
            const char *text; /* NUL-terminated */
            size_t len;
        } string;
        struct {
            struct pickle_value **item;
            size_t n, room;
        } list;
        const struct pickle_symbol *symbol;
        struct {
            const char *key;
            const struct pickle_symbol *type;
            int64_t elements;
        } storage;
        struct pickle_tensor *tensor; /* its elements lie within its storage */
    };
};

struct pickle_symbol {
    const char *module, *name;
    enum { SYMBOL_DICT, SYMBOL_SIZE, SYMBOL_TENSOR, SYMBOL_PARAMETER, SYMBOL_STORAGE } what;
    const char *dtype; /* of SYMBOL_STORAGE: as safetensors calls it, and bytes of an element */
    enum tensor_type type;
    int32_t bytes;
};

/* Reads one pickle from the n bytes at data. name and what are for messages. ret_used: its bytes.
 */
enum tm_status pickle_read(const char *name, const uint8_t *data, size_t n, struct tm_arena *arena,
                           const struct pickle_value **ret_value, size_t *ret_used,
                           struct tm_err *err);

#endif
