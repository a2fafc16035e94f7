#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"

#define NOW        ((int64_t)1800000000)
#define LIFETIME_S ((int64_t)400 * 86400)

static const struct keyring keys = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."}},
	.count = 1,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is believed is what we would have written on some day, whatever its case. */
static void check_token(const char *text, size_t length)
{
	char ours[TOKEN_SIZE], id[CONVERSATION_ID_SIZE];
	int64_t conversation = 0, parsed = 0;

	if (token_verify(&keys, text, length, "company.test", NOW, LIFETIME_S, &conversation) !=
	    TOKEN_VALID)
		return;
	conversation_id_format(conversation, id);
	if (length != TOKEN_LENGTH ||
	    conversation_id_parse(text + 1, CONVERSATION_ID_LENGTH, &parsed) != 1 ||
	    parsed != conversation)
		abort();
	for (int64_t day = NOW / 86400 + 1; day >= 0; day--) {
		size_t same = 0;

		token_make(ours, &keys, conversation, day * 86400, "company.test");
		while (same < length && base32_value(ours[same]) == base32_value(text[same]))
			same++;
		if (same == length)
			return;
	}
	abort();
}

/* The same bytes as a token, as a message id of ours, and as a mark. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char domain[] = "company.test";
	char *const domains[] = {domain};
	char *text = xmemdup0((const char *)data, size);
	char detail[MARK_DETAIL_BYTES + 1];
	enum mark_kind kind;
	int64_t conversation;

	check_token((const char *)data, size);
	if (token_verdict_name(token_verify_msgid(&keys, text, domains, 1, NOW, LIFETIME_S,
	                                          &conversation)) == NULL)
		abort();
	if (mark_verify(&keys, text, NOW, &kind, detail) && strlen(detail) > MARK_DETAIL_BYTES)
		abort();
	free(text);
	return 0;
}
