#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "fetcher/socketmap.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

struct read_row {
	const char *sentence;
	const char *bytes;
	int status;
	const char *name, *key;
	size_t left; /* bytes that the request does not take */
};

static const struct read_row read_rows[] = {
	{"a request as Postfix sends it", "19:relay a@example.org,", 1, "relay", "a@example.org",
         0},
	{"what comes after it is the next one's", "7:relay a,7:rel", 1, "relay", "a", 5},
	{"the key may hold blanks", "10:relay a  b,", 1, "relay", "a  b", 0},
	{"the key may be empty", "6:relay ,", 1, "relay", "", 0},
	{"the name may be empty", "2: a,", 1, "", "a", 0},
	{"the key may hold commas and colons", "10:relay 1:,,,", 1, "relay", "1:,,", 0},
	{"nothing yet", "", 0, NULL, NULL, 0},
	{"half a length", "1", 0, NULL, NULL, 0},
	{"the length alone", "19", 0, NULL, NULL, 0},
	{"the colon came last", "19:", 0, NULL, NULL, 0},
	{"half the bytes", "19:relay a@exa", 0, NULL, NULL, 0},
	{"all but the comma", "7:relay a", 0, NULL, NULL, 0},
	{"the largest one begins", "4096:relay ", 0, NULL, NULL, 0},
	{"one over the largest", "4097:relay ", -1, NULL, NULL, 0},
	{"a length of five digits", "10000", -1, NULL, NULL, 0},
	{"a zero before the length", "07:relay a,", -1, NULL, NULL, 0},
	{"no length", ":relay a,", -1, NULL, NULL, 0},
	{"a sign before the length", "-1:relay a,", -1, NULL, NULL, 0},
	{"a blank before the length", " 7:relay a,", -1, NULL, NULL, 0},
	{"another protocol", "GET / HTTP/1.0\r\n", -1, NULL, NULL, 0},
	{"another sign than the comma", "7:relay a;", -1, NULL, NULL, 0},
	{"bytes go on where the comma should be", "6:relay abc,", -1, NULL, NULL, 0},
	{"no blank between name and key", "5:relay,", -1, NULL, NULL, 0},
	{"nothing in it", "0:,", -1, NULL, NULL, 0},
};

static void requests_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(read_rows) / sizeof(read_rows[0]); i++) {
		const struct read_row *row = &read_rows[i];
		size_t length = strlen(row->bytes), taken = SIZE_MAX;
		/* Exactly as long, for tools that watch memory. */
		char *bytes = memcpy(xmalloc(length + 1), row->bytes, length);
		struct socketmap_request request;
		struct error err = {0};

		print_message("%s\n", row->sentence);
		bytes = xrealloc(bytes, length > 0 ? length : 1);
		assert_int_equal(socketmap_read(bytes, length, &request, &taken, &err),
		                 row->status);
		if (row->status < 0)
			assert_int_equal(err.kind, ERROR_PERMANENT);
		if (row->status > 0) {
			assert_int_equal(taken, length - row->left);
			assert_int_equal(request.name_length, strlen(row->name));
			assert_memory_equal(request.name, row->name, request.name_length);
			assert_int_equal(request.key_length, strlen(row->key));
			assert_memory_equal(request.key, row->key, request.key_length);
		}
		free(bytes);
	}
}

static void the_largest_request_fits_its_buffer(void **state)
{
	char bytes[SOCKETMAP_REQUEST_SIZE];
	struct socketmap_request request;
	struct error err;
	size_t taken;

	(void)state;
	memset(bytes, 'x', sizeof(bytes));
	memcpy(bytes, "4096:relay ", 11);
	bytes[sizeof(bytes) - 1] = ',';
	assert_int_equal(socketmap_read(bytes, sizeof(bytes) - 1, &request, &taken, &err), 0);
	assert_int_equal(socketmap_read(bytes, sizeof(bytes), &request, &taken, &err), 1);
	assert_int_equal(taken, sizeof(bytes));
	assert_int_equal(request.key_length, SOCKETMAP_REQUEST_BYTES - strlen("relay "));
}

struct write_row {
	const char *sentence;
	enum socketmap_status status;
	const char *text, *reply;
};

static const struct write_row write_rows[] = {
	{"a value", SOCKETMAP_OK, "jane:secret", "14:OK jane:secret,"},
	{"a value is not changed", SOCKETMAP_OK, "j\x01:\xc3\xa4\x7f", "9:OK j\x01:\xc3\xa4\x7f,"},
	{"nothing found, whatever the text", SOCKETMAP_NOTFOUND, "x", "9:NOTFOUND ,"},
	{"a failure that passes", SOCKETMAP_TEMP, "later", "10:TEMP later,"},
	{"a failure that stays", SOCKETMAP_PERM, "no such map", "16:PERM no such map,"},
	{"a failure without a reason", SOCKETMAP_TEMP, "", "5:TEMP ,"},
	{"a reason is one line", SOCKETMAP_TEMP, "a\r\nb\x7f", "10:TEMP a??b?,"},
};

static void replies_are_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(write_rows) / sizeof(write_rows[0]); i++) {
		const struct write_row *row = &write_rows[i];
		size_t length;
		char *reply = socketmap_write(row->status, row->text, strlen(row->text), &length);

		print_message("%s\n", row->sentence);
		assert_string_equal(reply, row->reply);
		assert_int_equal(length, strlen(row->reply));
		secret_free(reply, length);
	}
}

static void what_is_too_long_for_postfix_is_not_sent(void **state)
{
	size_t most = SOCKETMAP_REPLY_BYTES - strlen("OK "), length;
	char *text = xmalloc(most + 1), *reply;

	(void)state;
	memset(text, 'x', most + 1);
	reply = socketmap_write(SOCKETMAP_OK, text, most, &length);
	assert_int_equal(length, strlen("100000:") + SOCKETMAP_REPLY_BYTES + 1);
	assert_memory_equal(reply, "100000:OK xx", 12);
	secret_free(reply, length);

	reply = socketmap_write(SOCKETMAP_OK, text, most + 1, &length);
	assert_string_equal(reply, "38:TEMP the value is too long for Postfix,");
	secret_free(reply, length);

	reply = socketmap_write(SOCKETMAP_TEMP, text, most, &length);
	assert_int_equal(length, strlen("205:TEMP ,") + SOCKETMAP_REASON_BYTES);
	secret_free(reply, length);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_read),
		cmocka_unit_test(the_largest_request_fits_its_buffer),
		cmocka_unit_test(replies_are_written),
		cmocka_unit_test(what_is_too_long_for_postfix_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
