#include "lib/store/rows.h"

#include <string.h>

#include "lib/base/memory.h"

void *rows_add(void *rows, size_t *count, size_t row_bytes)
{
	size_t n = *count;
	char *grown = rows;

	if ((n & (n - 1)) == 0)
		grown = xreallocarray(rows, n == 0 ? 1 : n * 2, row_bytes);
	memset(grown + n * row_bytes, 0, row_bytes);
	*count = n + 1;
	return grown;
}
