#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/conversation/action.h"

static const struct keyring keys = {
	.keys = {{.id = 'c', .made_on = "2026-02-02", .bytes = "the newest key signs, 32 bytes.."}},
	.count = 1,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is believed is what we would have written, whatever its case. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum action action;
	int64_t notice;
	char ours[ACTION_SIZE];
	enum action_verdict verdict =
		action_verify(&keys, (const char *)data, size, "company.test", &action, &notice);

	if (action_verdict_name(verdict) == NULL)
		abort();
	if (size != ACTION_LENGTH && verdict != ACTION_MALFORMED)
		abort();
	if (verdict == ACTION_VALID) {
		action_make(ours, &keys, action, notice, "company.test");
		for (size_t i = 0; i < ACTION_LENGTH; i++) {
			if (base32_value(ours[i]) != base32_value((char)data[i]))
				abort();
		}
	}
	return 0;
}
