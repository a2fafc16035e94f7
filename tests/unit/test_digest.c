#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/digest.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void to_hex(const unsigned char *bytes, size_t length, char *out)
{
	for (size_t i = 0; i < length; i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}

static void sha256_of_two_adds_is_that_of_the_whole(void **state)
{
	unsigned char out[DIGEST_BYTES];
	char hex[2 * DIGEST_BYTES + 1];
	struct digest *digest = digest_new();

	(void)state;
	digest_add(digest, "a", 1);
	digest_add(digest, "", 0);
	digest_add(digest, "bc", 2);
	digest_finish(digest, out);
	to_hex(out, sizeof(out), hex);
	/* FIPS 180-2, B.1 */
	assert_string_equal(hex,
	                    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void digest_of_texts(const char *first, const char *second, unsigned char *out)
{
	struct digest *digest = digest_new();

	digest_add_text(digest, first);
	digest_add_text(digest, second);
	digest_finish(digest, out);
}

static void texts_do_not_run_together(void **state)
{
	unsigned char one[DIGEST_BYTES], other[DIGEST_BYTES];

	(void)state;
	digest_of_texts("ab", "c", one);
	digest_of_texts("a", "bc", other);
	assert_memory_not_equal(one, other, DIGEST_BYTES);
	digest_of_texts("ab", NULL, one);
	digest_of_texts("ab", "", other);
	assert_memory_equal(one, other, DIGEST_BYTES);
}

/* RFC 4231 section 4; a key or text of one repeated byte is given by its length. */
struct hmac_row {
	const char *name;
	const char *key;
	size_t key_length;
	const char *text;
	size_t text_length;
	const char *mac; /* hex; case 5 has the first 128 bits only */
};

static const struct hmac_row hmac_rows[] = {
	{"RFC 4231 case 1: a key of 20 bytes", "\x0b", 20, "Hi There", 0,
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"RFC 4231 case 2: a key shorter than the MAC", "Jefe", 0, "what do ya want for nothing?",
         0, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"RFC 4231 case 3: key and text over 64 bytes together", "\xaa", 20, "\xdd", 50,
         "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{"RFC 4231 case 4: a key of 25 different bytes",
         "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15"
         "\x16\x17\x18\x19",
         0, "\xcd", 50, "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{"RFC 4231 case 5: a MAC that is cut", "\x0c", 20, "Test With Truncation", 0,
         "a3b6167473100ee06e0c796c2955552b"},
	{"RFC 4231 case 6: a key longer than a block", "\xaa", 131,
         "Test Using Larger Than Block-Size Key - Hash Key First", 0,
         "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{"RFC 4231 case 7: key and text longer than a block", "\xaa", 131,
         "This is a test using a larger than block-size key and a larger than block-size data. "
         "The key needs to be hashed before being used by the HMAC algorithm.",
         0, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static size_t expand(const char *text, size_t repeat, unsigned char out[200])
{
	if (repeat > 0) {
		memset(out, text[0], repeat);
		return repeat;
	}
	memcpy(out, text, strlen(text));
	return strlen(text);
}

static void hmac_is_as_published(void **state)
{
	const struct hmac_row *row = *state;
	unsigned char key[200], text[200], mac[DIGEST_BYTES];
	char hex[2 * DIGEST_BYTES + 1];
	size_t key_length = expand(row->key, row->key_length, key);
	size_t text_length = expand(row->text, row->text_length, text);

	digest_hmac(key, key_length, text, text_length, mac);
	to_hex(mac, strlen(row->mac) / 2, hex);
	assert_string_equal(hex, row->mac);
}

struct base32_row {
	const char *name;
	const char *bytes;
	const char *text;
};

/* RFC 4648 section 10, in lower case and without padding. */
static const struct base32_row base32_rows[] = {
	{"base32 of nothing", "", ""},
	{"base32 of one byte", "f", "my"},
	{"base32 of two bytes", "fo", "mzxq"},
	{"base32 of three bytes", "foo", "mzxw6"},
	{"base32 of four bytes", "foob", "mzxw6yq"},
	{"base32 of five bytes", "fooba", "mzxw6ytb"},
	{"base32 of six bytes", "foobar", "mzxw6ytboi"},
	{"base32 of bytes with all bits set", "\xff\xff\xff\xff\xff", "77777777"},
};

static void base32_goes_there_and_back(void **state)
{
	const struct base32_row *row = *state;
	size_t length = strlen(row->bytes);
	char text[32], upper[32] = "";
	unsigned char bytes[32];

	base32_encode((const unsigned char *)row->bytes, length, text);
	assert_string_equal(text, row->text);
	assert_int_equal(base32_decode(text, strlen(text), bytes, length), (int)length);
	assert_memory_equal(bytes, row->bytes, length);
	for (size_t i = 0; text[i] != '\0'; i++)
		upper[i] = (char)(text[i] >= 'a' ? text[i] - 'a' + 'A' : text[i]);
	assert_int_equal(base32_decode(upper, strlen(upper), bytes, sizeof(bytes)), (int)length);
	assert_memory_equal(bytes, row->bytes, length);
}

static void base32_knows_its_32_characters(void **state)
{
	int known = 0;

	(void)state;
	for (unsigned value = 0; value < 32; value++)
		assert_int_equal(base32_value(base32_char(value)), value);
	for (int c = -128; c < 128; c++)
		known += base32_value((char)c) >= 0;
	assert_int_equal(known, 26 + 26 + 6);
}

static void base32_decode_refuses(void **state)
{
	unsigned char bytes[4] = {1, 2, 3, 4};

	(void)state;
	assert_int_equal(base32_decode("mzxw6y0b", 8, bytes, 5), -1);
	assert_int_equal(base32_decode("mz=", 3, bytes, 4), -1);
	assert_int_equal(base32_decode("mzxw6ytb", 8, bytes, 4), -1);
	assert_int_equal(base32_decode("mz\0", 3, bytes, 4), -1);
	assert_int_equal(base32_decode("mzxw6yq", 7, bytes, 4), 4);
}

static void comparison_looks_at_every_byte(void **state)
{
	unsigned char a[16] = {0}, b[16] = {0};

	(void)state;
	assert_true(digest_equal(a, b, 16));
	for (int i = 0; i < 16; i++) {
		b[i] = 1;
		assert_false(digest_equal(a, b, 16));
		b[i] = 0;
	}
	b[15] = 1;
	assert_true(digest_equal(a, b, 15));
}

static void random_bytes_differ_and_wiped_ones_are_zero(void **state)
{
	unsigned char one[32] = {0}, other[32] = {0};
	static const unsigned char zero[32];

	(void)state;
	digest_random(one, sizeof(one));
	digest_random(other, sizeof(other));
	assert_memory_not_equal(one, other, sizeof(one));
	digest_wipe(one, sizeof(one));
	assert_memory_equal(one, zero, sizeof(one));
}

int main(void)
{
	struct CMUnitTest tests[6 + COUNT(hmac_rows) + COUNT(base32_rows)] = {
		cmocka_unit_test(sha256_of_two_adds_is_that_of_the_whole),
		cmocka_unit_test(texts_do_not_run_together),
		cmocka_unit_test(base32_knows_its_32_characters),
		cmocka_unit_test(base32_decode_refuses),
		cmocka_unit_test(comparison_looks_at_every_byte),
		cmocka_unit_test(random_bytes_differ_and_wiped_ones_are_zero),
	};
	size_t count = 6;

	for (size_t i = 0; i < COUNT(hmac_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = hmac_rows[i].name,
		                            .test_func = hmac_is_as_published,
		                            .initial_state = (void *)(uintptr_t)&hmac_rows[i]};
	for (size_t i = 0; i < COUNT(base32_rows); i++)
		tests[count++] =
			(struct CMUnitTest){.name = base32_rows[i].name,
		                            .test_func = base32_goes_there_and_back,
		                            .initial_state = (void *)(uintptr_t)&base32_rows[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
