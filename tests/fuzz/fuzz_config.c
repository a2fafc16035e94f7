#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A configuration that loads must also print and answer; one that does not must say why. */
static void use(const struct config *config)
{
	FILE *stream = fopen("/dev/null", "w");
	const char *detail;
	size_t length;

	if (stream == NULL)
		abort();
	config_print(config, stream);
	fclose(stream);
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled &&
		    config_account_by_address(config, account->address) != account)
			abort();
		if (account->is_enabled && account->is_incoming &&
		    config_incoming_for_rcpt(config, account->address, &detail, &length) != account)
			abort();
		(void)config_default_outgoing(config, account->domain);
		(void)config_is_staff(config, account->address);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct string_list mistakes = {0};
	struct config *config;
	char path[32];
	int fd = memfd_create("config", MFD_CLOEXEC);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (config_load(path, &config, &mistakes) == 0) {
		use(config);
		config_free(config);
	} else if (mistakes.count == 0) {
		abort();
	}
	string_list_release(&mistakes);
	close(fd);
	return 0;
}
