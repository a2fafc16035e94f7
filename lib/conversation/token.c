#include "lib/conversation/token.h"

#include <string.h>
#include <strings.h>

#include "lib/base/digest.h"
#include "lib/conversation/action.h"

#define SECONDS_PER_DAY 86400
#define DAY_MAX         0xfffff /* 20 bits */
#define MAC_BYTES       10      /* 80 bits */

#define KEY_AT          0
#define CONVERSATION_AT 1
#define DAY_AT          (CONVERSATION_AT + CONVERSATION_ID_LENGTH)
#define DAY_LENGTH      4
#define MAC_AT          (DAY_AT + DAY_LENGTH)
#define MAC_LENGTH      16

static const char *const verdict_names[] = {
	[TOKEN_VALID] = "valid",         [TOKEN_MALFORMED] = "malformed",
	[TOKEN_CUT_SHORT] = "cut-short", [TOKEN_UNKNOWN_KEY] = "unknown-key",
	[TOKEN_FORGED] = "forged",       [TOKEN_EXPIRED] = "expired",
	[TOKEN_EARLY] = "early",
};

const char *token_verdict_name(enum token_verdict verdict)
{
	return verdict_names[verdict];
}

/* The lowest 5 * length bits of value, most significant first. */
static void write_base32(char *out, uint64_t value, size_t length)
{
	for (size_t i = length; i-- > 0; value >>= 5)
		out[i] = base32_char(value & 31);
}

/* Returns 1, or 0 if a character is none or the value needs more than 64 bits. */
static int read_base32(const char *text, size_t length, uint64_t *out)
{
	uint64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		int digit = base32_value(text[i]);
		if (digit < 0 || value >> 59)
			return 0;
		value = value << 5 | (unsigned)digit;
	}
	*out = value;
	return 1;
}

static size_t put_big_endian(unsigned char *out, uint64_t value, size_t bytes)
{
	for (size_t i = bytes; i-- > 0; value >>= 8)
		out[i] = value & 0xff;
	return bytes;
}

static void token_mac(char out[MAC_LENGTH + 1], const struct key *key, int64_t conversation,
                      uint64_t day, const char *domain)
{
	static const char version[] = "rejoinder-token-1"; /* its NUL is signed too */
	unsigned char text[sizeof(version) + 1 + 8 + 4 + 255];
	unsigned char digest[DIGEST_BYTES];
	size_t length = sizeof(version);

	memcpy(text, version, length);
	text[length++] = (unsigned char)key->id;
	length += put_big_endian(text + length, (uint64_t)conversation, 8);
	length += put_big_endian(text + length, day, 4);
	for (const char *c = domain; *c != '\0' && length < sizeof(text); c++)
		text[length++] = *c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c;

	digest_hmac(key->bytes, sizeof(key->bytes), text, length, digest);
	base32_encode(digest, MAC_BYTES, out);
}

void token_make(char out[TOKEN_SIZE], const struct keyring *keyring, int64_t conversation,
                int64_t issued_at, const char *domain)
{
	const struct key *key = &keyring->keys[0];
	uint64_t day = (uint64_t)(issued_at / SECONDS_PER_DAY) & DAY_MAX;

	out[KEY_AT] = key->id;
	write_base32(out + CONVERSATION_AT, (uint64_t)conversation, CONVERSATION_ID_LENGTH);
	write_base32(out + DAY_AT, day, DAY_LENGTH);
	token_mac(out + MAC_AT, key, conversation, day, domain);
}

/*
 * What is shorter still may be a word that people use for their own ends; what is as
 * long as the word of an action is one.
 */
static enum token_verdict verdict_of_part(const struct keyring *keyring, const char *text,
                                          size_t length)
{
	int64_t conversation;

	if (length < DAY_AT || length > TOKEN_LENGTH || length == ACTION_LENGTH ||
	    !conversation_id_parse(text + CONVERSATION_AT, CONVERSATION_ID_LENGTH, &conversation))
		return TOKEN_MALFORMED;
	for (size_t i = 0; i < length; i++)
		if (base32_value(text[i]) < 0)
			return TOKEN_MALFORMED;
	return keyring_find(keyring, base32_char((unsigned)base32_value(text[KEY_AT]))) != NULL
	               ? TOKEN_CUT_SHORT
	               : TOKEN_MALFORMED;
}

enum token_verdict token_verify(const struct keyring *keyring, const char *text, size_t length,
                                const char *domain, int64_t now, int64_t lifetime_s,
                                int64_t *conversation_out)
{
	const struct key *key;
	char lower[TOKEN_SIZE];
	char mac[MAC_LENGTH + 1];
	uint64_t conversation, day;
	int64_t today = now / SECONDS_PER_DAY;

	if (length != TOKEN_LENGTH)
		return verdict_of_part(keyring, text, length);
	for (size_t i = 0; i < length; i++) {
		int digit = base32_value(text[i]);
		if (digit < 0)
			return TOKEN_MALFORMED;
		lower[i] = base32_char((unsigned)digit);
	}
	if (!read_base32(lower + CONVERSATION_AT, CONVERSATION_ID_LENGTH, &conversation) ||
	    !read_base32(lower + DAY_AT, DAY_LENGTH, &day) || conversation == 0 ||
	    conversation > INT64_MAX)
		return TOKEN_MALFORMED;

	key = keyring_find(keyring, lower[KEY_AT]);
	if (key == NULL)
		return TOKEN_UNKNOWN_KEY;
	token_mac(mac, key, (int64_t)conversation, day, domain);
	if (!digest_equal(mac, lower + MAC_AT, MAC_LENGTH))
		return TOKEN_FORGED;

	if ((int64_t)day > today + 1)
		return TOKEN_EARLY;
	if ((int64_t)day + lifetime_s / SECONDS_PER_DAY + 1 < today)
		return TOKEN_EXPIRED;
	*conversation_out = (int64_t)conversation;
	return TOKEN_VALID;
}

enum token_verdict token_verify_msgid(const struct keyring *keyring, const char *msgid,
                                      char *const *domains, size_t domain_count, int64_t now,
                                      int64_t lifetime_s, int64_t *conversation_out)
{
	size_t length = strlen(msgid);
	const char *domain = msgid + 1 + TOKEN_LENGTH + 1;
	size_t domain_length;

	if (length < 1 + TOKEN_LENGTH + 1 + 1 + 1 || msgid[0] != '<' || msgid[length - 1] != '>' ||
	    domain[-1] != '@')
		return TOKEN_MALFORMED;
	domain_length = length - 1 - (size_t)(domain - msgid);
	for (size_t i = 0; i < domain_count; i++)
		if (strlen(domains[i]) == domain_length &&
		    strncasecmp(domains[i], domain, domain_length) == 0)
			return token_verify(keyring, msgid + 1, TOKEN_LENGTH, domains[i], now,
			                    lifetime_s, conversation_out);
	return TOKEN_MALFORMED;
}

void conversation_id_format(int64_t conversation, char out[CONVERSATION_ID_SIZE])
{
	write_base32(out, (uint64_t)conversation, CONVERSATION_ID_LENGTH);
	out[CONVERSATION_ID_LENGTH] = '\0';
}

int conversation_id_parse(const char *text, size_t length, int64_t *out)
{
	uint64_t value;

	if (length != CONVERSATION_ID_LENGTH || !read_base32(text, length, &value) || value == 0 ||
	    value > INT64_MAX)
		return 0;
	*out = (int64_t)value;
	return 1;
}
