#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/msgid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct string_list ids = {0};

	msgid_parse(&ids, (const char *)data, size, 50);
	if (ids.count > 50)
		abort();
	for (size_t i = 0; i < ids.count; i++) {
		size_t length = strlen(ids.items[i]);

		if (length < 3 || length > MSGID_MAX_BYTES || ids.items[i][0] != '<' ||
		    ids.items[i][length - 1] != '>' || strpbrk(ids.items[i], " \t\r\n") != NULL)
			abort();
	}
	string_list_release(&ids);
	free(msgid_first((const char *)data, size));
	return 0;
}
