#include "lib/conversation/mark.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/digest.h"

#define SECONDS_PER_DAY 86400
#define DAYS_BELIEVED   2
#define MAC_BYTES       10
#define MAC_LENGTH      16
#define NONCE_BYTES     8
#define NONCE_LENGTH    13
#define TEXT_MAX        1000 /* of what is signed */

static const char *const kind_names[] = {[MARK_FETCHED] = "fetched", [MARK_ALERT] = "alert"};

static void mark_mac(char out[MAC_LENGTH + 1], const struct key *key, enum mark_kind kind,
                     const char *day, const char *nonce, const char *detail)
{
	const char *const parts[] = {"rejoinder-mark-1", kind_names[kind], day, nonce, detail};
	unsigned char digest[DIGEST_BYTES];
	struct buffer text;

	buffer_init(&text, TEXT_MAX);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		buffer_append_cut(&text, parts[i], strlen(parts[i]) + 1);
	digest_hmac(key->bytes, sizeof(key->bytes), text.data, text.length, digest);
	buffer_release(&text);
	base32_encode(digest, MAC_BYTES, out);
}

void mark_make(char out[MARK_SIZE], const struct keyring *keyring, enum mark_kind kind,
               const char *detail, int64_t now)
{
	const struct key *key = &keyring->keys[0];
	char mac[MAC_LENGTH + 1], nonce[NONCE_LENGTH + 1], day[24];
	unsigned char random[NONCE_BYTES];

	snprintf(day, sizeof(day), "%" PRId64, now / SECONDS_PER_DAY);
	digest_random(random, sizeof(random));
	base32_encode(random, sizeof(random), nonce);
	mark_mac(mac, key, kind, day, nonce, detail);
	snprintf(out, MARK_SIZE, "%s %s %c %s %s %.*s", kind_names[kind], day, key->id, nonce, mac,
	         MARK_DETAIL_BYTES, detail);
}

/* Cut the next word off the text; NULL if there is none followed by a blank. */
static char *next_word(char **rest)
{
	char *word = *rest;
	char *end = strchr(word, ' ');

	if (end == NULL || end == word)
		return NULL;
	*end = '\0';
	*rest = end + 1;
	return word;
}

static int day_from_text(const char *text, int64_t *day_out)
{
	char *end;

	errno = 0;
	*day_out = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' && text[0] >= '0' && text[0] <= '9';
}

int mark_verify(const struct keyring *keyring, const char *value, int64_t now,
                enum mark_kind *kind_out, char detail_out[MARK_DETAIL_BYTES + 1])
{
	char copy[MARK_SIZE], expected[MAC_LENGTH + 1];
	char *rest = copy, *kind_name, *day_text, *key_id, *nonce, *mac;
	int64_t day, today = now / SECONDS_PER_DAY;
	const struct key *key;
	enum mark_kind kind;

	if (strlen(value) >= sizeof(copy))
		return 0;
	strcpy(copy, value);
	kind_name = next_word(&rest);
	day_text = kind_name != NULL ? next_word(&rest) : NULL;
	key_id = day_text != NULL ? next_word(&rest) : NULL;
	nonce = key_id != NULL ? next_word(&rest) : NULL;
	mac = nonce != NULL ? next_word(&rest) : NULL;
	if (mac == NULL || strlen(key_id) != 1 || strlen(mac) != MAC_LENGTH ||
	    strlen(rest) > MARK_DETAIL_BYTES || !day_from_text(day_text, &day))
		return 0;

	if (strcmp(kind_name, kind_names[MARK_FETCHED]) == 0)
		kind = MARK_FETCHED;
	else if (strcmp(kind_name, kind_names[MARK_ALERT]) == 0)
		kind = MARK_ALERT;
	else
		return 0;
	key = keyring_find(keyring, key_id[0]);
	if (key == NULL || day > today + 1 || day + DAYS_BELIEVED < today)
		return 0;
	mark_mac(expected, key, kind, day_text, nonce, rest);
	if (!digest_equal(expected, mac, MAC_LENGTH))
		return 0;
	*kind_out = kind;
	strcpy(detail_out, rest);
	return 1;
}
