#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/mail/date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t out = 0;

	/* The seconds of 1969 are possible by a zone east of UTC, and those of 10000 by one west. */
	if (date_parse((const char *)data, size, &out) == 1 &&
	    (out < -4 * 86400 || out > INT64_C(253402300800) + 5 * 86400))
		abort();
	(void)date_of_message((const char *)data, size, &out);
	return 0;
}
