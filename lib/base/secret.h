#ifndef REJOINDER_BASE_SECRET_H
#define REJOINDER_BASE_SECRET_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/base/error.h"

/*
 * The key file, and reading a secret from a file.
 *
 * A key file is text, one key a line, the signing key first; all verify:
 *     k 2026-11-22 64-lower-case-hex-digits
 * with k the key id, one base32 character (a-z, 2-7), unique in the file; the
 * date when it was made; 32 random bytes.  Blank lines and lines that begin with
 * `#` are kept out.  A file that others than its owner and group can read is
 * refused.
 */

#define KEY_BYTES 32
#define KEYS_MAX  16

struct key {
	char id;          /* lower case */
	char made_on[11]; /* YYYY-MM-DD */
	unsigned char bytes[KEY_BYTES];
};

struct keyring {
	struct key keys[KEYS_MAX]; /* keys[0] signs */
	size_t count;
};

/* Read the key file. 0 or -1 (ERROR_CONFIG: absent, wrong mode, wrong line, no key). */
int keyring_load(struct keyring *keyring, const char *path, struct error *err) MUST_CHECK;

/*
 * Make a new key, put it first and write the file in place atomically (mode
 * 0640, owner and group as before; a new file gets those of its directory).
 * An absent file is created.  today: Unix seconds.  Fills *id_out.
 */
int keyring_add(const char *path, int64_t now, char *id_out, struct error *err) MUST_CHECK;

/*
 * Take the key with this id (any case) out of the file, which is written as keyring_add()
 * does; all else in it stays.  1, 0 if there is none, or -1 with *err (ERROR_PERMANENT: it
 * is the one that signs).
 */
int keyring_remove(const char *path, char id, struct error *err) MUST_CHECK;

/* The key with this id, or NULL. */
const struct key *keyring_find(const struct keyring *keyring, char id);

void keyring_wipe(struct keyring *keyring);

/*
 * Read a file of at most max_bytes whose content only owner and group may read.
 * *out is a NUL-terminated string of the caller's, wiped and freed with
 * secret_free().
 */
int secret_read_file(const char *path, size_t max_bytes, char **out, size_t *length_out,
                     struct error *err) MUST_CHECK;
void secret_free(char *secret, size_t length);

#endif
