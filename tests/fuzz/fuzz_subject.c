#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/mail/encoding.h"
#include "lib/mail/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *subject = subject_decode((const char *)data, size, 500);
	size_t length = strlen(subject);
	const char *stripped = subject_strip(subject);

	if (length > 500 || stripped < subject || stripped > subject + length)
		abort();
	for (size_t i = 0; i < length;) {
		size_t step = utf8_char_length(subject + i, length - i);

		if (step == 0 || (unsigned char)subject[i] < 0x20)
			abort();
		i += step;
	}
	free(subject);
	return 0;
}
