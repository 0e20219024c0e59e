/* SHA-256 and its HMAC in hex over libcrypto. Called by sources (identity of files), by models_open
 * and by the redaction of clean.
 *
 * Any thread; a context belongs to its caller. libcrypto fails here only when memory is short or
 * the algorithm is switched off, after which no identity would be right: that is not input. */
#include "tm_pipeline.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

struct tm_sha256 {
    EVP_MD_CTX *ctx;
};

struct tm_sha256 *tm_sha256_create(void)
{
    struct tm_sha256 *h = malloc(sizeof *h);
    if (h == NULL)
        return NULL;
    h->ctx = EVP_MD_CTX_new();
    if (h->ctx == NULL || EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) != 1) {
        EVP_MD_CTX_free(h->ctx);
        free(h);
        return NULL;
    }
    return h;
}

void tm_sha256_update(struct tm_sha256 *h, const void *bytes, size_t n)
{
    tm_assert(EVP_DigestUpdate(h->ctx, bytes, n) == 1);
}

static void to_hex(const unsigned char *digest, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[64] = '\0';
}

void tm_sha256_finish(struct tm_sha256 *h, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    tm_assert(EVP_DigestFinal_ex(h->ctx, digest, &n) == 1 && n == 32);
    to_hex(digest, out);
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void tm_sha256_hex(const void *bytes, size_t n, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    tm_assert(EVP_Digest(bytes, n, digest, NULL, EVP_sha256(), NULL) == 1);
    to_hex(digest, out);
}

void tm_hmac_hex(const void *key, size_t key_len, const void *bytes, size_t n, char out[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    tm_assert(HMAC(EVP_sha256(), key == NULL ? "" : key, (int)key_len, bytes, n, digest, &len) !=
                  NULL &&
              len == 32);
    to_hex(digest, out);
}
