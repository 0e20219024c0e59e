/* Unicode normalization form C of a paragraph, with its runs. */
#ifndef CLEAN_NFC_H
#define CLEAN_NFC_H

#include "tm_base.h"

struct tm_writer;

enum tm_status tm_nfc_open(const void **ret_nfc, struct tm_err *err);
/* Text with such a character may not be NFC. cp >= U+0300. */
bool tm_nfc_unsettled(uint32_t cp);
/* Normalizes the writer's present paragraph in place. */
void tm_nfc_settle(struct tm_writer *w);

#endif
