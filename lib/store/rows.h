#ifndef REJOINDER_STORE_ROWS_H
#define REJOINDER_STORE_ROWS_H

#include <stddef.h>

/*
 * Arrays of rows that look-ups return.  Inside lib/store only.
 */

/* Room for one more in an array that starts as NULL and doubles; the new one is zeroed. */
void *rows_add(void *rows, size_t *count, size_t row_bytes);

#endif
