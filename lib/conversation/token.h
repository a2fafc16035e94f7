#ifndef REJOINDER_CONVERSATION_TOKEN_H
#define REJOINDER_CONVERSATION_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/secret.h"

/*
 * The token: a signed, expiring name of a conversation, short enough for the
 * detail of an address.  34 characters of lower-case base32, read in any case:
 *
 *     key id      1 character
 *     conversation 13 characters: 65 bits, the id in the low 64, the top bit 0
 *     issue day   4 characters: 20 bits, days since 1970-01-01
 *     mac         16 characters: the first 80 bits of HMAC-SHA256 over
 *                 "rejoinder-token-1" NUL, key id (1 byte), conversation (8 bytes, big
 *                 endian), day (4 bytes, big endian), domain (lower case)
 *
 * The domain is that of the replies address, so that a token of one company on
 * a host is not one of another.  As a message id it is `<token@domain>`.
 */

#define TOKEN_LENGTH           34
#define TOKEN_SIZE             (TOKEN_LENGTH + 1)
#define CONVERSATION_ID_LENGTH 13
#define CONVERSATION_ID_SIZE   (CONVERSATION_ID_LENGTH + 1)

enum token_verdict {
	TOKEN_VALID,
	TOKEN_MALFORMED,   /* not 34 base32 characters, or spare bits set: not a token */
	TOKEN_CUT_SHORT,   /* less, but it begins with a key of ours and a conversation */
	TOKEN_UNKNOWN_KEY, /* signed by a key this host lacks */
	TOKEN_FORGED,      /* the mac is wrong */
	TOKEN_EXPIRED,
	TOKEN_EARLY, /* issued later than tomorrow: a clock is wrong */
};

const char *token_verdict_name(enum token_verdict verdict);

/* Write the token of a conversation, signed with the first key on the day of issued_at (Unix seconds). */
void token_make(char out[TOKEN_SIZE], const struct keyring *keyring, int64_t conversation,
                int64_t issued_at, const char *domain);

/*
 * Verify a token.
 *
 * text: the candidate, length bytes (untrusted).  now: Unix seconds; lifetime_s:
 * how long after its day a token is believed, a day of grace added.
 * *conversation_out is written only for TOKEN_VALID.
 */
enum token_verdict token_verify(const struct keyring *keyring, const char *text, size_t length,
                                const char *domain, int64_t now, int64_t lifetime_s,
                                int64_t *conversation_out);

/*
 * Verify a message id of ours, `<token@domain>`: the domain is read from the id
 * and must be one of the domain_count domains (any case), else TOKEN_MALFORMED.
 */
enum token_verdict token_verify_msgid(const struct keyring *keyring, const char *msgid,
                                      char *const *domains, size_t domain_count, int64_t now,
                                      int64_t lifetime_s, int64_t *conversation_out);

/* A conversation's id as people see it: 13 characters, the same as in its tokens. */
void conversation_id_format(int64_t conversation, char out[CONVERSATION_ID_SIZE]);
/* 1 and *out, or 0 if the text is none. Any case. */
int conversation_id_parse(const char *text, size_t length, int64_t *out);

#endif
