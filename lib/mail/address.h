#ifndef REJOINDER_MAIL_ADDRESS_H
#define REJOINDER_MAIL_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Address lists of header fields (RFC 5322 3.4) and envelope addresses, as they
 * are found and not as they should be: iterative, in one pass, never failing.
 * What cannot be read as an address is left out; groups are flattened; comments
 * are skipped at any depth; an obsolete route is dropped, and so is `mailto:` or
 * `smtp:` within the brackets.  A list that is one encoded word or several as a
 * whole, which RFC 2047 5 forbids and programs write, is read decoded.
 */

#define ADDRESS_MAX_BYTES 320 /* 64 + 1 + 255 (RFC 5321 4.5.3.1), longer ones are left out */

struct address {
	/*
	 * The display name exactly as written (folding unfolded), quotes and
	 * encoded words included, so that it can be used again in a field; ""
	 * when there is none.  A comment after a bare address is no name.
	 */
	char *phrase;
	char *address; /* local@domain, domain lower-cased and in ASCII (idn.h), local part as written without needless quotes */
};

struct address_list {
	struct address *items;
	size_t count;
};

/*
 * Read an address list. value: a field's value, folded or not (untrusted); at
 * most max_count addresses are kept.  The list is the caller's.
 */
void address_list_parse(struct address_list *list, const char *value, size_t length,
                        size_t max_count);
void address_list_release(struct address_list *list);

/*
 * Read an envelope address, with or without <>: a heap string local@domain like
 * address.address, "" for the null sender, NULL if it is none or over
 * ADDRESS_MAX_BYTES.  ESMTP parameters are not part of it.
 */
char *address_from_envelope(const char *text);

/* Whether two local@domain are the same mailbox as far as we go: ASCII case counts nowhere. NULL equals nothing. */
bool address_equal(const char *a, const char *b);

/* The part after the last @, or "" */
const char *address_domain(const char *address);

/*
 * Write `phrase <address>`, or the bare address when the phrase is empty, as a
 * field value for after a field name of name_length bytes, folded (LF before a
 * blank that is there) where a line would pass 78 columns and has a blank.  The
 * phrase is taken as already valid (from address_list_parse, address_phrase or
 * address_phrase_ascii).  Heap string.
 */
char *address_format(const char *phrase, const char *address, size_t name_length);

/*
 * Make a phrase of UTF-8 text: atoms as they are, quoted when specials need it,
 * RFC 2047 encoded words (UTF-8, B, each at most 60 columns) when it is not
 * ASCII.  Heap string.
 */
char *address_phrase(const char *utf8);

/*
 * The phrase of an address that was read, for a field that we write: as it
 * stands if it is ASCII, else its text (RFC 2047 decoded, without quotes) made a
 * phrase anew.  Heap string.
 */
char *address_phrase_ascii(const char *phrase);

/*
 * What a phrase that was read says to people: without quotes, RFC 2047 decoded, one line of
 * valid UTF-8 without control characters, at most max_bytes.  Heap string.
 */
char *address_phrase_text(const char *phrase, size_t max_bytes);

#endif
