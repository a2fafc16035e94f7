#include "lib/conversation/action.h"

#include <string.h>

#include "lib/base/digest.h"
#include "lib/conversation/token.h"

#define MAC_BYTES        10 /* 80 bits */
#define DOMAIN_MAX_BYTES 255

#define KEY_AT     0
#define ACTION_AT  1
#define NOTICE_AT  2
#define MAC_AT     (NOTICE_AT + CONVERSATION_ID_LENGTH)
#define MAC_LENGTH 16

static const char letters[ACTION_COUNT] = {
	[ACTION_CLOSE] = 'c', [ACTION_SNOOZE] = 's', [ACTION_TAKE_OVER] = 't'};

static const char *const names[ACTION_COUNT] = {
	[ACTION_CLOSE] = "close", [ACTION_SNOOZE] = "snooze", [ACTION_TAKE_OVER] = "take-over"};

static const char *const verdict_names[] = {
	[ACTION_VALID] = "valid",
	[ACTION_MALFORMED] = "malformed",
	[ACTION_UNKNOWN_KEY] = "unknown-key",
	[ACTION_FORGED] = "forged",
};

const char *action_name(enum action action)
{
	return names[action];
}

const char *action_verdict_name(enum action_verdict verdict)
{
	return verdict_names[verdict];
}

static void action_mac(char out[MAC_LENGTH + 1], const struct key *key, char letter, int64_t notice,
                       const char *domain)
{
	static const char version[] = "rejoinder-action-1"; /* its NUL is signed too */
	unsigned char text[sizeof(version) + 1 + 1 + 8 + DOMAIN_MAX_BYTES];
	unsigned char digest[DIGEST_BYTES];
	size_t length = sizeof(version);

	memcpy(text, version, length);
	text[length++] = (unsigned char)key->id;
	text[length++] = (unsigned char)letter;
	for (int shift = 56; shift >= 0; shift -= 8)
		text[length++] = (unsigned char)((uint64_t)notice >> shift & 0xff);
	for (const char *c = domain; *c != '\0' && length < sizeof(text); c++)
		text[length++] = (unsigned char)(*c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c);

	digest_hmac(key->bytes, sizeof(key->bytes), text, length, digest);
	base32_encode(digest, MAC_BYTES, out);
}

void action_make(char out[ACTION_SIZE], const struct keyring *keyring, enum action action,
                 int64_t notice, const char *domain)
{
	const struct key *key = &keyring->keys[0];

	out[KEY_AT] = key->id;
	out[ACTION_AT] = letters[action];
	conversation_id_format(notice, out + NOTICE_AT);
	action_mac(out + MAC_AT, key, letters[action], notice, domain);
}

enum action_verdict action_verify(const struct keyring *keyring, const char *text, size_t length,
                                  const char *domain, enum action *action_out, int64_t *notice_out)
{
	const struct key *key;
	const char *letter;
	char lower[ACTION_LENGTH];
	char mac[MAC_LENGTH + 1];
	int64_t notice;

	if (length != ACTION_LENGTH)
		return ACTION_MALFORMED;
	for (size_t i = 0; i < length; i++) {
		int digit = base32_value(text[i]);

		if (digit < 0)
			return ACTION_MALFORMED;
		lower[i] = base32_char((unsigned)digit);
	}
	letter = memchr(letters, lower[ACTION_AT], sizeof(letters));
	if (letter == NULL ||
	    !conversation_id_parse(lower + NOTICE_AT, CONVERSATION_ID_LENGTH, &notice))
		return ACTION_MALFORMED;

	key = keyring_find(keyring, lower[KEY_AT]);
	if (key == NULL)
		return ACTION_UNKNOWN_KEY;
	action_mac(mac, key, *letter, notice, domain);
	if (!digest_equal(mac, lower + MAC_AT, MAC_LENGTH))
		return ACTION_FORGED;

	*action_out = (enum action)(letter - letters);
	*notice_out = notice;
	return ACTION_VALID;
}
