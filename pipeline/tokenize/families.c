/* The table of tokenizer classes (families.h). Constant. */
#include "families.h"
#include <string.h>

#define BERT                                                                                       \
    {                                                                                              \
        [TM_SPECIAL_UNK] = "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"                            \
    }
#define XLMR                                                                                       \
    {                                                                                              \
        "<s>", "</s>", "<unk>", "</s>", "<pad>", "<s>", "<mask>"                                   \
    }
#define LLAMA                                                                                      \
    {                                                                                              \
        "<s>", "</s>", "<unk>"                                                                     \
    }
#define ENDTEXT "<|endoftext|>"

static const struct family rows[] = {
    {"Bert DistilBert Electra MobileBert ConvBert SqueezeBert ", "bert distilbert electra ",
     FRAME_BERT, IDS_NONE, LANGUAGES_NONE, CUT_NONE, JOINT_NONE, BERT},
    {"Roberta Bart LED Longformer ", "roberta bart led longformer ", FRAME_ROBERTA, IDS_NONE,
     LANGUAGES_NONE, CUT_GPT2, JOINT_NONE, XLMR},
    {"MPNet ",
     "mpnet ",
     FRAME_ROBERTA,
     IDS_NONE,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_NONE,
     {"<s>", "</s>", "[UNK]", "</s>", "<pad>", "<s>", "<mask>"}},
    {"Blenderbot ", "blenderbot ", FRAME_EOS, IDS_NONE, LANGUAGES_NONE, CUT_GPT2, JOINT_NONE, XLMR},
    {"GPT2 ",
     "gpt2 gptj gpt_neo gpt_neox ",
     FRAME_NONE,
     IDS_NONE,
     LANGUAGES_NONE,
     CUT_GPT2,
     JOINT_NONE,
     {ENDTEXT, ENDTEXT, ENDTEXT}},
    {"GPTNeoX ",
     "",
     FRAME_NONE,
     IDS_NONE,
     LANGUAGES_NONE,
     CUT_GPT2,
     JOINT_NONE,
     {ENDTEXT, ENDTEXT, ENDTEXT}},
    {"Qwen2 ",
     "qwen2 qwen3 ",
     FRAME_NONE,
     IDS_NONE,
     LANGUAGES_NONE,
     CUT_QWEN2,
     JOINT_NONE,
     {[TM_SPECIAL_EOS] = ENDTEXT, [TM_SPECIAL_UNK] = ENDTEXT, [TM_SPECIAL_PAD] = ENDTEXT}},
    {"T5 MT5 ",
     "t5 mt5 umt5 ",
     FRAME_EOS_EACH,
     IDS_T5,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_T5,
     {[TM_SPECIAL_EOS] = "</s>", [TM_SPECIAL_UNK] = "<unk>", [TM_SPECIAL_PAD] = "<pad>"}},
    {"Pegasus ",
     "pegasus pegasus_x bigbird_pegasus ",
     FRAME_EOS,
     IDS_PEGASUS,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_NONE,
     {[TM_SPECIAL_EOS] = "</s>",
      [TM_SPECIAL_UNK] = "<unk>",
      [TM_SPECIAL_PAD] = "<pad>",
      [TM_SPECIAL_MASK] = "<mask_2>"}},
    {"XLMRoberta ", "xlm-roberta xlm-roberta-xl ", FRAME_ROBERTA, IDS_FAIRSEQ, LANGUAGES_NONE,
     CUT_NONE, JOINT_TEXT, XLMR},
    {"Camembert ", "camembert ", FRAME_ROBERTA, IDS_CAMEMBERT, LANGUAGES_NONE, CUT_NONE, JOINT_T5,
     XLMR},
    {"DebertaV2 ",
     "deberta-v2 ",
     FRAME_BERT,
     IDS_DIRECT,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_T5,
     {"[CLS]", "[SEP]", "[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"}},
    {"MBart ", "", FRAME_LANG_LAST, IDS_FAIRSEQ, LANGUAGES_MBART, CUT_NONE, JOINT_TEXT, XLMR},
    {"MBart50 ", "mbart ", FRAME_LANG_FIRST, IDS_FAIRSEQ, LANGUAGES_MBART50, CUT_NONE, JOINT_T5,
     XLMR},
    {"Nllb ", "nllb-moe ", FRAME_LANG_FIRST, IDS_FAIRSEQ, LANGUAGES_NLLB, CUT_NONE, JOINT_TEXT,
     XLMR},
    {"M2M100 ",
     "m2m_100 ",
     FRAME_LANG_FIRST,
     IDS_VOCAB,
     LANGUAGES_M2M100,
     CUT_NONE,
     JOINT_NONE,
     {"<s>", "</s>", "<unk>", "</s>", "<pad>"}},
    {"Marian ",
     "marian ",
     FRAME_EOS,
     IDS_VOCAB,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_AFTER,
     {[TM_SPECIAL_EOS] = "</s>", [TM_SPECIAL_UNK] = "<unk>", [TM_SPECIAL_PAD] = "<pad>"}},
    {"Llama ", "llama mistral mixtral ", FRAME_BOS, IDS_DIRECT, LANGUAGES_NONE, CUT_NONE,
     JOINT_LLAMA, LLAMA},
    {"Gemma ",
     "gemma gemma2 gemma3_text ",
     FRAME_BOS,
     IDS_DIRECT,
     LANGUAGES_NONE,
     CUT_NONE,
     JOINT_SPM,
     {"<bos>", "<eos>", "<unk>", NULL, "<pad>"}},
};

/* Whether one of the words, each followed by a space, is these n bytes. */
static bool has_word(const char *words, const char *text, size_t n)
{
    for (const char *at = words, *end; (end = strchr(at, ' ')) != NULL; at = end + 1) {
        if ((size_t)(end - at) == n && memcmp(at, text, n) == 0)
            return true;
    }
    return false;
}

static size_t without_end(const char *text, size_t n, const char *end)
{
    size_t k = strlen(end);
    return n > k && memcmp(text + n - k, end, k) == 0 ? n - k : n;
}

/* Of a class's name, without "TokenizerFast". */
static size_t stem(const char *class_name)
{
    size_t n = without_end(class_name, strlen(class_name), "Fast");
    return without_end(class_name, n, "Tokenizer");
}

static const struct family *by_class(const char *class_name)
{
    for (size_t i = 0; i < TM_COUNTOF(rows); i++) {
        if (has_word(rows[i].classes, class_name, stem(class_name)))
            return &rows[i];
    }
    return NULL;
}

static const struct family *by_type(const char *model_type)
{
    for (size_t i = 0; i < TM_COUNTOF(rows); i++) {
        if (has_word(rows[i].model_types, model_type, strlen(model_type)))
            return &rows[i];
    }
    return NULL;
}

const struct family *tok_family(const char *class_name, const char *model_type)
{
    const struct family *found = class_name != NULL ? by_class(class_name) : NULL;
    return found == NULL && model_type != NULL ? by_type(model_type) : found;
}

const char *tok_stranger(const char *class_name, const char *model_type)
{
    static const char any[] = "PreTrained "; /* says nothing */
    if (class_name != NULL && !has_word(any, class_name, stem(class_name)))
        return by_class(class_name) == NULL ? class_name : NULL;
    return model_type != NULL && by_type(model_type) == NULL ? model_type : NULL;
}
