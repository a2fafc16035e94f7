#include "lib/base/digest.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "lib/base/memory.h"

struct digest {
	EVP_MD_CTX *context;
};

static void abort_unless(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "rejoinder: error: OpenSSL failed: %s\n", what);
	abort();
}

struct digest *digest_new(void)
{
	struct digest *digest = xmalloc(sizeof(*digest));

	digest->context = EVP_MD_CTX_new();
	abort_unless(digest->context != NULL &&
	                     EVP_DigestInit_ex(digest->context, EVP_sha256(), NULL) == 1,
	             "EVP_DigestInit_ex");
	return digest;
}

void digest_add(struct digest *digest, const void *bytes, size_t length)
{
	abort_unless(EVP_DigestUpdate(digest->context, bytes, length) == 1, "EVP_DigestUpdate");
}

void digest_add_text(struct digest *digest, const char *text)
{
	if (text == NULL)
		text = "";
	digest_add(digest, text, strlen(text) + 1);
}

void digest_finish(struct digest *digest, unsigned char out[DIGEST_BYTES])
{
	abort_unless(EVP_DigestFinal_ex(digest->context, out, NULL) == 1, "EVP_DigestFinal_ex");
	EVP_MD_CTX_free(digest->context);
	free(digest);
}

void digest_hmac(const unsigned char *key, size_t key_length, const void *bytes, size_t length,
                 unsigned char out[DIGEST_BYTES])
{
	abort_unless(key_length <= INT_MAX && HMAC(EVP_sha256(), key, (int)key_length, bytes,
	                                           length, out, NULL) != NULL,
	             "HMAC");
}

void digest_random(unsigned char *out, size_t length)
{
	abort_unless(length <= INT_MAX && RAND_bytes(out, (int)length) == 1, "RAND_bytes");
}

bool digest_equal(const void *a, const void *b, size_t length)
{
	return CRYPTO_memcmp(a, b, length) == 0;
}

void digest_wipe(void *bytes, size_t length)
{
	OPENSSL_cleanse(bytes, length);
}

char base32_char(unsigned value)
{
	return "abcdefghijklmnopqrstuvwxyz234567"[value & 31];
}

int base32_value(char c)
{
	if (c >= 'a' && c <= 'z')
		return c - 'a';
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= '2' && c <= '7')
		return c - '2' + 26;
	return -1;
}

void base32_encode(const unsigned char *bytes, size_t length, char *out)
{
	unsigned window = 0, bits = 0;

	for (size_t i = 0; i < length; i++) {
		window = (window << 8 | bytes[i]) & 0xfff;
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = base32_char(window >> (bits - 5));
	}
	if (bits > 0)
		*out++ = base32_char(window << (5 - bits));
	*out = '\0';
}

int base32_decode(const char *text, size_t length, unsigned char *out, size_t out_size)
{
	size_t wanted = length / 8 * 5 + length % 8 * 5 / 8;
	unsigned window = 0, bits = 0;
	size_t written = 0;

	if (wanted > out_size || wanted > INT_MAX)
		return -1;
	for (size_t i = 0; i < length; i++) {
		int value = base32_value(text[i]);

		if (value < 0)
			return -1;
		window = (window << 5 | (unsigned)value) & 0xfff;
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			out[written++] = (unsigned char)(window >> bits);
		}
	}
	return (int)written;
}
