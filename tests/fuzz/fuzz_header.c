#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/auth.h"
#include "lib/mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header header;

	header_init(&header);
	if (header_parse(&header, (const char *)data, size) > size)
		abort();
	for (size_t i = 0; i < header.count; i++) {
		const struct field *field = &header.fields[i];
		char *line = header_unfold(field->value, field->length);

		if (header_field(&header, field->name, field->index) != field ||
		    header_count(&header, field->name) < field->index ||
		    strpbrk(line, "\r\n") != NULL)
			abort();
		free(line);
	}
	auth_verdict(&header, "mx.company.test");
	header_release(&header);
	return 0;
}
