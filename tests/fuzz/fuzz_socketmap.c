#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fetcher/socketmap.h"
#include "lib/base/secret.h"

/* The input is what a client sends: requests one after another, however they are split. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What fits the buffer of a client decides: fewer bytes may want more, never say otherwise. */
static void read_in_steps(const char *bytes, size_t length, int status, size_t taken)
{
	struct socketmap_request request;
	struct error err;
	size_t other = 0;

	for (size_t cut = 0; cut < length; cut += 1 + cut / 16) {
		int early = socketmap_read(bytes, cut, &request, &other, &err);

		if (early != 0 && early != status)
			abort();
		if (early == 1 && other != taken)
			abort();
	}
}

static void write_back(const struct socketmap_request *request)
{
	static const enum socketmap_status all[] = {SOCKETMAP_OK, SOCKETMAP_NOTFOUND,
	                                            SOCKETMAP_TEMP, SOCKETMAP_PERM};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct socketmap_request reply;
		size_t length, taken;
		struct error err;
		char *bytes = socketmap_write(all[i], request->key, request->key_length, &length);

		/* A reply has the form of a request: a word, a blank, a value. */
		if (bytes[length] != '\0')
			abort();
		if (length <= SOCKETMAP_REQUEST_BYTES &&
		    (socketmap_read(bytes, length, &reply, &taken, &err) != 1 || taken != length))
			abort();
		secret_free(bytes, length);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data;

	while (size > 0) {
		size_t length = size < SOCKETMAP_REQUEST_SIZE ? size : SOCKETMAP_REQUEST_SIZE;
		struct socketmap_request request;
		struct error err;
		size_t taken = 0;
		int status = socketmap_read(bytes, length, &request, &taken, &err);

		read_in_steps(bytes, length, status, taken);
		if (status == 0 && length == SOCKETMAP_REQUEST_SIZE)
			abort(); /* a client would wait for bytes that have no room */
		if (status != 1)
			break;
		if (taken > length || request.key < bytes ||
		    request.key + request.key_length >= bytes + taken ||
		    memchr(request.name, ' ', request.name_length) != NULL)
			abort();
		write_back(&request);
		bytes += taken;
		size -= taken;
	}
	return 0;
}
