#ifndef REJOINDER_BASE_DIGEST_H
#define REJOINDER_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SHA-256, HMAC, random bytes, comparison in constant time, and base32 as the
 * tokens use it.  The only user of OpenSSL beside secret.c and certificate.c.  A failure of
 * OpenSSL itself aborts: there is no mail to be tagged without it.
 */

#define DIGEST_BYTES 32

struct digest; /* a running SHA-256 */

struct digest *digest_new(void);
void digest_add(struct digest *digest, const void *bytes, size_t length);
/* Adds the text and its terminating NUL, so that ("ab","c") differs from ("a","bc"); NULL is "". */
void digest_add_text(struct digest *digest, const char *text);
void digest_finish(struct digest *digest, unsigned char out[DIGEST_BYTES]); /* frees digest */

/* HMAC-SHA256 (RFC 2104). Thread-safe. */
void digest_hmac(const unsigned char *key, size_t key_length, const void *bytes, size_t length,
                 unsigned char out[DIGEST_BYTES]);

void digest_random(unsigned char *out, size_t length);

/* Compares all the bytes whatever they are. */
bool digest_equal(const void *a, const void *b, size_t length);

/* Forget secret bytes in a way that the compiler keeps. */
void digest_wipe(void *bytes, size_t length);

/*
 * Base32 (RFC 4648 6) in lower case without padding: five bits a character,
 * most significant first.  Value of one character in any case, or -1.
 */
char base32_char(unsigned value); /* value 0..31 */
int base32_value(char c);
/* length bytes to ceil(length*8/5) characters and a NUL. */
void base32_encode(const unsigned char *bytes, size_t length, char *out);
/* Returns the number of bytes written (characters*5/8), or -1 on a wrong character or no room. */
int base32_decode(const char *text, size_t length, unsigned char *out, size_t out_size);

#endif
