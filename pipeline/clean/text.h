/* Plain text: paragraphs between blank lines. */
#ifndef CLEAN_TEXT_H
#define CLEAN_TEXT_H

#include "writer.h"

/* s: valid UTF-8, itself the source that runs point into. Line ends stay. prose: but not those that
 * only cut lines at a width, and a first line that stands alone like a title is a heading. */
void tm_text_write(struct tm_writer *w, const char *s, size_t n, bool prose);

/* Whether a plain text is Markdown, by its name or type; either may be NULL. */
bool tm_markdown_is(const char *path, const char *content_type);
/* The same for Markdown (markdown.c). */
void tm_markdown_write(struct tm_writer *w, const char *s, size_t n);

/* What bytes are, for documents that do not say. */
enum tm_sniffed { TM_SNIFFED_TEXT, TM_SNIFFED_HTML, TM_SNIFFED_XML };
/* path and content_type may be NULL. Names and types win over looks. */
enum tm_sniffed tm_text_sniff(const char *s, size_t n, const char *path, const char *content_type);
/* "a PDF file", "a zip archive", "binary data"; NULL when it may be text. decoded: as UTF-8. */
const char *tm_text_binary_magic(const char *data, size_t n);
bool tm_text_is_binary(const char *decoded, size_t n, uint32_t replaced);

#endif
