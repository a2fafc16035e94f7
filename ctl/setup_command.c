#include "ctl/setup_command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "ctl/setup.h"

int setup_complain(const struct error *err)
{
	command_complain("%s", err->text);
	return err->kind == ERROR_CONFIG || err->kind == ERROR_CORRUPT ? EX_CONFIG : EX_TEMPFAIL;
}

int setup_lock(const char *directory, bool is_trial, struct error *err)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0 && access(directory, W_OK) == 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (!is_trial)
			setup_leftovers_remove(directory);
		return fd;
	}
	if (errno == EWOULDBLOCK)
		error_set(err, ERROR_TEMPORARY, "another setup is at work in %s", directory);
	else
		error_set(err, ERROR_TEMPORARY, "write in %s: %s", directory, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

void setup_unlock(int locked)
{
	close(locked);
}

int setup_reload_running(const struct setup_options *options, const char *directory,
                         bool *is_reloaded_out)
{
	struct error err;

	if (is_reloaded_out != NULL)
		*is_reloaded_out = false;
	if (options->leaves_reload) {
		puts("Postfix goes by it after: postfix reload");
		return 0;
	}
	if (setup_reload(directory, &err) < 0)
		return setup_complain(&err);
	puts("Postfix is reloaded.");
	if (is_reloaded_out != NULL)
		*is_reloaded_out = true;
	return 0;
}
