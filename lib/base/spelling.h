#ifndef REJOINDER_BASE_SPELLING_H
#define REJOINDER_BASE_SPELLING_H

#include <stddef.h>

/*
 * What somebody may have meant: for the hints in error messages.
 */

#define SPELLING_MAX_BYTES 31
#define SPELLING_NEAR      2 /* a distance up to this is worth a hint */

/*
 * Levenshtein's distance: insertions, deletions and changes of one byte that lead
 * from one name to the other; SIZE_MAX if one is over SPELLING_MAX_BYTES.
 */
size_t spelling_distance(const char *a, const char *b);

#endif
