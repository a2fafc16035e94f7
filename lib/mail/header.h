#ifndef REJOINDER_MAIL_HEADER_H
#define REJOINDER_MAIL_HEADER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The header of a message as the milter protocol gives it: one field after
 * another.  Only fields whose names the project reads (the table in header.c,
 * and every Rejoinder-*) are kept; the rest is forgotten on arrival, so a
 * message of 10,000 foreign fields costs nothing.
 *
 * Limits: a value is kept to HEADER_VALUE_MAX bytes, all values together to
 * HEADER_TOTAL_MAX, at most HEADER_FIELDS_MAX fields.  Fields past the limits are
 * counted, so that the index of a field of that name stays right, and
 * is_truncated is set.  The first HEADER_OURS_MAX Rejoinder-* fields are outside
 * these limits, so that no flood hides one: values to HEADER_OURS_VALUE_MAX bytes.
 */

#define HEADER_VALUE_MAX  65535
#define HEADER_TOTAL_MAX  (512 * 1024)
#define HEADER_FIELDS_MAX 2000

#define HEADER_OURS_MAX       200
#define HEADER_OURS_VALUE_MAX 1000

struct field {
	char *name;  /* as written */
	char *value; /* untrusted; leading blank removed, folding kept, NUL-terminated */
	size_t length;
	unsigned index; /* 1-based among the fields of this name, as chgheader counts */
};

struct header {
	struct field *fields; /* in order of arrival */
	size_t count;
	size_t total_bytes;
	bool is_truncated;
	bool is_flooded; /* more Rejoinder-* fields than are remembered: not all can be removed */
	struct header_count *counts; /* private: how many of each known name were seen */
};

void header_init(struct header *header);
void header_release(struct header *header);

/* Add a field as it arrives. name and value are copied where they are kept. */
void header_add(struct header *header, const char *name, const char *value, size_t length);

/* The index-th (1-based) field of that name (any case), or NULL. */
const struct field *header_field(const struct header *header, const char *name, unsigned index);
/* The value of the first field of that name, or NULL. */
const char *header_get(const struct header *header, const char *name);
/* How many fields of that name (a known one) arrived, kept or not. */
unsigned header_count(const struct header *header, const char *name);

/*
 * Read a header from raw bytes (the part returned in a bounce, a file): fields
 * up to the first empty line, LF or CRLF.  Returns the offset where the body
 * begins.  A line that is no field ends the header too.
 */
size_t header_parse(struct header *header, const char *bytes, size_t length);

/* Unfold a value into one line of single blanks where it was folded, trimmed. Heap string. */
char *header_unfold(const char *value, size_t length);

/* Is name one of ours: begins with "Rejoinder-" or is "Rejoinder", any case. */
bool header_is_ours(const char *name);

#endif
