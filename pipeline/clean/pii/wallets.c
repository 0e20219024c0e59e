/* The recogniser of wallet addresses, by their checksums: base58check (double SHA-256) and bech32
 * (BIP 173 and 350). A pure function for pii.c. */
#include "recognisers.h"
#include "tm_pipeline.h"

#include <string.h>

static size_t word_length(struct pii_text t, size_t at)
{
    size_t n = 0;
    while (pii_is_digit(pii_at(t, at + n)) || pii_is_letter(pii_at(t, at + n)))
        n++;
    return n;
}

static unsigned hex_value(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a') + 10;
}

static void sha256(const unsigned char *bytes, size_t n, unsigned char out[32])
{
    char hex[65];
    tm_sha256_hex(bytes, n, hex);
    for (size_t i = 0; i < 32; i++)
        out[i] = (unsigned char)(hex_value(hex[2 * i]) << 4 | hex_value(hex[2 * i + 1]));
}

/* 25 bytes in base 58, the last four of which are the beginning of the hash of the rest. */
static bool is_base58(const char *s, size_t n)
{
    static const char digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    unsigned char bytes[25] = {0}, hash[32];
    for (size_t i = 0; i < n; i++) {
        const char *digit = strchr(digits, s[i]);
        if (digit == NULL)
            return false;
        unsigned carry = (unsigned)(digit - digits);
        for (size_t k = sizeof bytes; k-- > 0; carry >>= 8) {
            carry += 58u * bytes[k];
            bytes[k] = (unsigned char)carry;
        }
        if (carry != 0)
            return false;
    }
    sha256(bytes, 21, hash);
    sha256(hash, 32, hash);
    return memcmp(hash, bytes + 21, 4) == 0;
}

static uint32_t polymod(uint32_t c, unsigned value)
{
    static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd,
                                         0x2a1462b3};
    uint32_t top = c >> 25;
    c = (c & 0x1ffffff) << 5 ^ value;
    for (unsigned i = 0; i < TM_COUNTOF(generator); i++)
        c ^= top >> i & 1 ? generator[i] : 0;
    return c;
}

static bool is_bech32(const char *s, size_t n)
{
    static const char digits[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    uint32_t c = polymod(polymod(polymod(polymod(polymod(1, 3), 3), 0), 'b' & 31), 'c' & 31);
    for (size_t i = 3; i < n; i++) { /* after "bc1" */
        const char *digit = strchr(digits, s[i] | 32);
        if (digit == NULL)
            return false;
        c = polymod(c, (unsigned)(digit - digits));
    }
    return c == 1 || c == 0x2bc830a3;
}

bool pii_crypto(struct pii_text t, size_t at, struct pii_match *ret)
{
    size_t n = word_length(t, at);
    if (n < 26 || n > 90)
        return false;
    const char *s = t.s + at;
    bool bech32 = (s[0] | 32) == 'b' && (s[1] | 32) == 'c' && s[2] == '1';
    if (!(bech32 ? is_bech32(s, n) : (s[0] == '1' || s[0] == '3') && n <= 35 && is_base58(s, n)))
        return false;
    *ret = (struct pii_match){at, at + n, 1};
    return true;
}
