#include "lib/base/config_read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/command.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

#define PASSWORD_MAX_BYTES  65536
#define PASSWORD_COMMAND_MS 10000

static void check_password_file(const struct account *account, struct mistakes *troubles)
{
	const char *path = account->password_file;
	int line = config_account_line(account, "password_file");
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat status;

	if (fd < 0) {
		mistake_add(troubles, line,
		            "password_file: found \"%s\", expected a readable file: %s", path,
		            strerror(errno));
		return;
	}
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		mistake_add(troubles, line, "password_file: found \"%s\", expected a regular file",
		            path);
	else if ((status.st_mode & 007) != 0)
		mistake_add(troubles, line,
		            "password_file: found \"%s\" with mode %04o, expected nothing for "
		            "others: chmod o= it",
		            path, (unsigned)(status.st_mode & 07777));
	close(fd);
}

void config_check_password_files(const struct config *config, struct mistakes *troubles)
{
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (account->is_enabled && account->password_file != NULL &&
		    account->password == NULL && account->password_command == NULL &&
		    (account->pop3 != NULL || account->relay != NULL))
			check_password_file(account, troubles);
	}
}

static int get_password(const struct account *account, char **out, size_t *length_out,
                        struct error *err)
{
	*out = NULL;
	*length_out = 0;
	if (account->password != NULL) {
		*length_out = strlen(account->password);
		*out = xmemdup0(account->password, *length_out);
		return 0;
	}
	if (account->password_file != NULL)
		return secret_read_file(account->password_file, PASSWORD_MAX_BYTES, out, length_out,
		                        err);
	if (account->password_command != NULL)
		return command_output(account->password_command, PASSWORD_COMMAND_MS,
		                      PASSWORD_MAX_BYTES, out, length_out, err);
	return error_set(err, ERROR_CONFIG, "found no password in the configuration, expected one");
}

int config_password(const struct account *account, char **out, size_t *length_out,
                    struct error *err)
{
	size_t length;

	if (get_password(account, out, length_out, err) != 0)
		return error_prefix(err, "password");
	length = *length_out;
	if (length > 0 && (*out)[length - 1] == '\n')
		length--;
	if (length > 0 && length < *length_out && (*out)[length - 1] == '\r')
		length--;
	(*out)[length] = '\0';
	/* It will be sent in a line of its own: what ends a line would begin a command. */
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)(*out)[i] >= 0x20 && (*out)[i] != 0x7f)
			continue;
		secret_free(*out, *length_out);
		*out = NULL;
		*length_out = 0;
		return error_set(err, ERROR_CONFIG,
		                 "password: found control characters, expected one line of text");
	}
	if (length == 0) {
		secret_free(*out, *length_out);
		*out = NULL;
		*length_out = 0;
		return error_set(err, ERROR_CONFIG, "password: found nothing, expected one");
	}
	*length_out = length;
	return 0;
}

int config_pop3(const struct account *account, enum pop3_scheme *scheme_out,
                char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	/* Its form was checked when it was read. */
	return account->pop3 != NULL &&
	       endpoint_parse_pop3(account->pop3, scheme_out, host_out, port_out) == 0;
}

int config_relay(const struct account *account, enum relay_scheme *scheme_out,
                 char host_out[ENDPOINT_HOST_SIZE], uint16_t *port_out)
{
	return account->relay != NULL &&
	       endpoint_parse_relay(account->relay, scheme_out, host_out, port_out) == 0;
}
