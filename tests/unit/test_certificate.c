#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/certificate.h"
#include "lib/base/memory.h"

/* Until when certificates in a file are good. */

/* Until 2036-11-19 22:34:15 and until 2046-11-17 22:34:15 UTC. */
#define EARLY_ENDS_AT INT64_C(2110746855)
#define LATE_ENDS_AT  INT64_C(2426106855)

static const char early[] = "-----BEGIN CERTIFICATE-----\n"
			    "MIIBEjCBuQIUfI0Z0jHnl5LBJn2oxrCbSPwkt7QwCgYIKoZIzj0EAwIwDDEKMAgG\n"
			    "A1UEAwwBeDAeFw0yNjExMjIyMjM0MTVaFw0zNjExMTkyMjM0MTVaMAwxCjAIBgNV\n"
			    "BAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATFzUynIFy64ZVdjt79Uuoi\n"
			    "AEeZA5HWIKQuruiE3WzwF+dfBNhF+0K2NtRkq+Vk5Cf5Ir5PlIZg21QeUE+hnhey\n"
			    "MAoGCCqGSM49BAMCA0gAMEUCIQChDp7k91RXqCS6eMhZ5gYkUezVv0N52zdJNqrm\n"
			    "PzLWOAIgRbUpEEOFl+Jk/gAz1aktxdCk+qOq7rlTjiJhYUNTliA=\n"
			    "-----END CERTIFICATE-----\n";
static const char late[] = "-----BEGIN CERTIFICATE-----\n"
			   "MIIBEzCBuQIUemXuQLsLIVkKzoIRd7U3EKfj+gEwCgYIKoZIzj0EAwIwDDEKMAgG\n"
			   "A1UEAwwBeDAeFw0yNjExMjIyMjM0MTVaFw00NjExMTcyMjM0MTVaMAwxCjAIBgNV\n"
			   "BAMMAXgwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATFzUynIFy64ZVdjt79Uuoi\n"
			   "AEeZA5HWIKQuruiE3WzwF+dfBNhF+0K2NtRkq+Vk5Cf5Ir5PlIZg21QeUE+hnhey\n"
			   "MAoGCCqGSM49BAMCA0kAMEYCIQCntNp0Xud2gYD17p6BuLjCCbKqZ6Dxj9n+i/fv\n"
			   "F3OMRgIhAL4hYbG7NriA0R0M86SHnS521QATOr/9cNKyviCo6wcv\n"
			   "-----END CERTIFICATE-----\n";
static const char key[] = "-----BEGIN PRIVATE KEY-----\n"
			  "MC4CAQAwBQYDK2VwBCIEIHdlIGRvIG5vdCByZWFkIHdoYXQgaXMgaW4gaGVyZSEh\n"
			  "-----END PRIVATE KEY-----\n";
static const char damaged[] = "-----BEGIN CERTIFICATE-----\n"
			      "MIIBEjCBuQIUfI0Z0jHnl5LBJn2oxrCbSPwkt7QwCgYIKoZIzj0EAwIwDDEKMAgG\n"
			      "-----END CERTIFICATE-----\n";

static const struct row {
	const char *name;
	const char *parts[3];
	size_t count; /* 0: it is refused */
	int64_t first, earliest, latest;
} rows[] = {
	{"one certificate", {early}, 1, EARLY_ENDS_AT, EARLY_ENDS_AT, EARLY_ENDS_AT},
	{"the first is the server's own",
         {late, early},
         2,
         LATE_ENDS_AT,
         EARLY_ENDS_AT,
         LATE_ENDS_AT},
	{"that may be the one that ends first",
         {early, late},
         2,
         EARLY_ENDS_AT,
         EARLY_ENDS_AT,
         LATE_ENDS_AT},
	{"a key before it is passed over",
         {key, early},
         1,
         EARLY_ENDS_AT,
         EARLY_ENDS_AT,
         EARLY_ENDS_AT},
	{"so is a key after it, and text between",
         {early, "# the other one\n", key},
         1,
         EARLY_ENDS_AT,
         EARLY_ENDS_AT,
         EARLY_ENDS_AT},
	{"an empty file holds none", {""}, 0, 0, 0, 0},
	{"a key alone is none", {key}, 0, 0, 0, 0},
	{"a damaged one is refused", {damaged}, 0, 0, 0, 0},
	{"also behind a good one", {early, damaged}, 0, 0, 0, 0},
	{"and so is one that is cut", {early, "-----BEGIN CERTIFICATE-----\nMIIB\n"}, 0, 0, 0, 0},
};

static void certificates_are_counted_by_their_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct row *row = &rows[i];
		char path[] = "/tmp/rejoinder-test-XXXXXX";
		struct certificates found;
		struct error err = {0};
		int fd = mkstemp(path), rc;

		assert_true(fd >= 0);
		for (size_t part = 0; part < 3 && row->parts[part] != NULL; part++)
			assert_int_equal(write(fd, row->parts[part], strlen(row->parts[part])),
			                 strlen(row->parts[part]));
		close(fd);
		rc = certificates_read(path, &found, &err);
		unlink(path);
		if ((rc == 0) != (row->count > 0) || (rc < 0 && err.kind != ERROR_CONFIG))
			fail_msg("%s: %d, %s", row->name, rc, err.text);
		if (rc == 0 && (found.count != row->count || found.first_ends_at != row->first ||
		                found.earliest_ends_at != row->earliest ||
		                found.latest_ends_at != row->latest))
			fail_msg("%s: %zu: %lld, %lld, %lld", row->name, found.count,
			         (long long)found.first_ends_at, (long long)found.earliest_ends_at,
			         (long long)found.latest_ends_at);
	}
}

static void a_file_that_is_not_there_is_the_admins_to_make(void **state)
{
	struct certificates found;
	struct error err = {0};

	(void)state;
	assert_int_equal(certificates_read("/nonexistent/cert.pem", &found, &err), -1);
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_non_null(strstr(err.text, "/nonexistent/cert.pem: No such file"));
}

static void a_file_over_the_limit_is_refused(void **state)
{
	char path[] = "/tmp/rejoinder-test-XXXXXX";
	struct certificates found;
	struct error err = {0};
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, early, sizeof(early) - 1), sizeof(early) - 1);
	assert_int_equal(ftruncate(fd, CERTIFICATE_FILE_MAX_BYTES + 1), 0);
	close(fd);
	assert_int_equal(certificates_read(path, &found, &err), -1);
	unlink(path);
	assert_non_null(strstr(err.text, "too large"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_counted_by_their_end),
		cmocka_unit_test(a_file_that_is_not_there_is_the_admins_to_make),
		cmocka_unit_test(a_file_over_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
