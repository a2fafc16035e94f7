#include "lib/base/certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/buffer.h"

/* The file may hold a private key beside the certificate: wiped before it is freed. */
static void forget(struct buffer *bytes)
{
	explicit_bzero(bytes->data, bytes->length);
	buffer_release(bytes);
}

static int read_file(const char *path, struct buffer *out, struct error *err)
{
	char piece[4096];
	size_t got;
	FILE *stream = fopen(path, "re");
	int rc = 0;

	if (stream == NULL)
		return error_set(err, errno == ENOENT ? ERROR_CONFIG : ERROR_TEMPORARY,
		                 "read certificates in %s: %s", path, strerror(errno));
	while ((got = fread(piece, 1, sizeof(piece), stream)) > 0)
		buffer_append(out, piece, got);
	if (ferror(stream))
		rc = error_set(err, ERROR_TEMPORARY, "read certificates in %s: %s", path,
		               strerror(errno));
	else if (out->is_full)
		rc = error_set(err, ERROR_CONFIG, "read certificates in %s: it is too large", path);
	fclose(stream);
	explicit_bzero(piece, sizeof(piece));
	return rc;
}

/* Until when it is good. 0, or -1 if that is no time. */
static int end_of(const X509 *certificate, int64_t *out)
{
	struct tm when;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &when) != 1)
		return -1;
	*out = timegm(&when);
	return 0;
}

static void count(struct certificates *certificates, int64_t ends_at)
{
	if (certificates->count++ == 0)
		certificates->first_ends_at = certificates->earliest_ends_at =
			certificates->latest_ends_at = ends_at;
	if (ends_at < certificates->earliest_ends_at)
		certificates->earliest_ends_at = ends_at;
	if (ends_at > certificates->latest_ends_at)
		certificates->latest_ends_at = ends_at;
}

/* 0, or -1 if one of them is damaged. */
static int read_all(BIO *bytes, struct certificates *out)
{
	bool is_end;

	for (;;) {
		X509 *certificate = PEM_read_bio_X509(bytes, NULL, NULL, NULL);
		int64_t ends_at;

		if (certificate == NULL)
			break;
		if (end_of(certificate, &ends_at) == 0)
			count(out, ends_at);
		X509_free(certificate);
	}
	is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	return is_end ? 0 : -1;
}

int certificates_read(const char *path, struct certificates *out, struct error *err)
{
	struct buffer bytes;
	BIO *source;
	int rc;

	*out = (struct certificates){0};
	buffer_init(&bytes, CERTIFICATE_FILE_MAX_BYTES);
	rc = read_file(path, &bytes, err);
	if (rc == 0) {
		source = BIO_new_mem_buf(bytes.data, (int)bytes.length);
		if (source == NULL)
			abort(); /* no memory */
		if (read_all(source, out) < 0)
			rc = error_set(err, ERROR_CONFIG,
			               "read certificates in %s: one of them is damaged", path);
		else if (out->count == 0)
			rc = error_set(err, ERROR_CONFIG, "read certificates in %s: it holds none",
			               path);
		BIO_free(source);
	}
	forget(&bytes);
	return rc;
}
