#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/mail/idn.h"
#include "lib/store/purge_internal.h"

/* Longer than any address is, in either spelling of its domain. */
#define OVERLAP_BYTES 1024

/* RFC 5322 3.2.3: of a dot-atom, which an address without quotes is made of. */
static bool is_atext(char byte)
{
	return isalnum((unsigned char)byte) || (byte & 0x80) != 0 ||
	       (byte != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", byte) != NULL);
}

static bool is_of_domain(char byte)
{
	return isalnum((unsigned char)byte) || byte == '-' || byte == '.' || (byte & 0x80) != 0;
}

/* Is it the domain, in either spelling? */
static bool is_domain(const struct purge_names *names, const char *text, size_t length)
{
	struct buffer ascii;
	bool is_same;

	if (length == names->domain_length && strncasecmp(text, names->domain, length) == 0)
		return true;
	buffer_init(&ascii, OVERLAP_BYTES);
	is_same = idn_append_ascii(&ascii, text, length) == 0 &&
	          ascii.length == names->domain_length &&
	          memcmp(ascii.data, names->domain, ascii.length) == 0;
	buffer_release(&ascii);
	return is_same;
}

static bool has_other_spelling(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((text[i] & 0x80) != 0)
			return true;
	return false;
}

/* Does the domain stand there?  What was cut off in the middle of it names it as well. */
static bool begins_with_domain(const struct purge_names *names, const char *text, size_t length,
                               enum purge_match match)
{
	size_t run = 0, end;

	while (run < length && run < OVERLAP_BYTES / 2 && is_of_domain(text[run]))
		run++;
	if (match == PURGE_BYTES) {
		/* Another text may follow without anything between. */
		if (run >= names->domain_length &&
		    strncasecmp(text, names->domain, names->domain_length) == 0)
			return true;
		for (end = 1; end <= run && has_other_spelling(text, run); end++)
			if (is_domain(names, text, end))
				return true;
		return false;
	}
	if (run > 0 && run == length && run < names->domain_length &&
	    strncasecmp(text, names->domain, run) == 0)
		return true;
	for (end = run; end > 0 && (text[end - 1] == '.' || text[end - 1] == '-');)
		end--;
	return end > 0 && is_domain(names, text, end);
}

bool purge_names_stand(const struct purge_names *names, const char *text, size_t length,
                       enum purge_match match)
{
	const char *end = text + length, *at = text;

	while ((at = memchr(at, '@', (size_t)(end - at))) != NULL) {
		const char *begin = at++ - names->local_length;

		if (begin < text || strncasecmp(begin, names->local, names->local_length) != 0)
			continue;
		if (match != PURGE_BYTES && begin > text &&
		    (is_atext(begin[-1]) || (begin[-1] == '.' && match == PURGE_ADDRESS)))
			continue;
		if (begins_with_domain(names, at, (size_t)(end - at), match))
			return true;
	}
	return false;
}

size_t purge_names_overlap(void)
{
	return OVERLAP_BYTES;
}

static void find(sqlite3_context *context, sqlite3_value *value, enum purge_match match)
{
	const struct purge_names *names = sqlite3_user_data(context);
	const char *text = (const char *)sqlite3_value_text(value);

	sqlite3_result_int(
		context,
		names != NULL && text != NULL &&
			purge_names_stand(names, text, (size_t)sqlite3_value_bytes(value), match));
}

static void names_address(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	find(context, values[0], PURGE_ADDRESS);
}

static void names_in_id(sqlite3_context *context, int count, sqlite3_value **values)
{
	(void)count;
	find(context, values[0], PURGE_ID);
}

int purge_names_begin(struct store *store, struct purge_names *names, struct error *err)
{
	int code = sqlite3_create_function_v2(store->db, "names_address", 1, SQLITE_UTF8, names,
	                                      names_address, NULL, NULL, NULL);

	if (code == SQLITE_OK)
		code = sqlite3_create_function_v2(store->db, "names_in_id", 1, SQLITE_UTF8, names,
		                                  names_in_id, NULL, NULL, NULL);
	return code == SQLITE_OK ? 0 : store_fail(store, code, err);
}

void purge_names_set(struct purge_names *names, const char *address)
{
	const char *at = strrchr(address, '@');

	*names = (struct purge_names){0};
	names->local = address;
	names->local_length = at != NULL ? (size_t)(at - address) : strlen(address);
	names->domain = at != NULL ? at + 1 : "";
	names->domain_length = strlen(names->domain);
}
