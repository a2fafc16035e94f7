#include "lib/base/spelling.h"

#include <stdint.h>
#include <string.h>

size_t spelling_distance(const char *a, const char *b)
{
	size_t row[SPELLING_MAX_BYTES + 1];
	size_t a_length = strlen(a), b_length = strlen(b);

	if (a_length > SPELLING_MAX_BYTES || b_length > SPELLING_MAX_BYTES)
		return SIZE_MAX;
	for (size_t j = 0; j <= b_length; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b_length];
}
