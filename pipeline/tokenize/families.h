/* What transformers' tokenizer classes know beside the files of a folder: special tokens, the frame
 * around a text, languages, how ids come from pieces. Implemented in families.c, languages.c. */
#ifndef TOKENIZE_FAMILIES_H
#define TOKENIZE_FAMILIES_H

#include "tm_tokenizer.h"

enum languages {
    LANGUAGES_NONE,
    LANGUAGES_M2M100,
    LANGUAGES_WMT21,
    LANGUAGES_NLLB,
    LANGUAGES_MBART,
    LANGUAGES_MBART50,
    LANGUAGES_COUNT
};
extern const char *const *const tok_languages[LANGUAGES_COUNT]; /* each ends with NULL */

enum frame {
    FRAME_NONE,       /* A; A B */
    FRAME_BERT,       /* cls A sep; cls A sep B sep, type 1 */
    FRAME_ROBERTA,    /* cls A sep; cls A sep sep B sep */
    FRAME_EOS,        /* A eos; A B eos */
    FRAME_EOS_EACH,   /* A eos; A eos B eos */
    FRAME_BOS,        /* bos A, eos where the folder asks for it */
    FRAME_LANG_FIRST, /* lang A eos; lang A B eos */
    FRAME_LANG_LAST,  /* A eos lang; A B eos lang */
};

/* How tokens come from the pieces of a sentencepiece model. */
enum ids {
    IDS_NONE,      /* no such model */
    IDS_DIRECT,    /* the same */
    IDS_T5,        /* the same, then <extra_id_99> … <extra_id_0> */
    IDS_FAIRSEQ,   /* <s> <pad> </s> <unk>, pieces from 3 on at one more, languages, <mask> */
    IDS_CAMEMBERT, /* <s>NOTUSED <pad> </s>NOTUSED <unk> <unk>NOTUSED, pieces from 1 on at four more
                    */
    IDS_PEGASUS,   /* <pad> </s> <mask_1> <mask_2> <unk_2> … <unk_102>, pieces at 103 more */
    IDS_VOCAB,     /* by vocab.json */
};

/* How a class puts pieces and special tokens together when it decodes. */
enum joint {
    JOINT_NONE,  /* stretches of pieces by sentencepiece; white space at both ends goes */
    JOINT_SPM,   /* the same, nothing goes */
    JOINT_T5,    /* as the first, with a space before each stretch that a special token ends */
    JOINT_AFTER, /* as the first, with a space after each special token */
    JOINT_TEXT,  /* the tokens' own texts; white space at both ends goes */
    JOINT_LLAMA, /* as T5, but nothing goes and the first token has no ▁ */
};

/* Where byte-level BPE cuts. */
enum cut { CUT_NONE, CUT_GPT2, CUT_QWEN2 };

struct family {
    const char *classes; /* names of classes without "Tokenizer" and "Fast", each with a space */
    const char *model_types; /* of config.json, when no class is named; each with a space */
    enum frame frame;
    enum ids ids;
    enum languages languages;
    enum cut cut; /* vocab.json with merges.txt */
    enum joint joint;
    const char *specials[TM_SPECIAL_COUNT];
};

/* By tokenizer_class or else model_type; either may be NULL. NULL: not known. */
const struct family *tok_family(const char *class_name, const char *model_type);
/* The class, or the model type where no class is named, when the table does not have it: a folder's
 * vocabulary alone does not say what such a class does. NULL: it is known, or nothing is named. */
const char *tok_stranger(const char *class_name, const char *model_type);

#endif
