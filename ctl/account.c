#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/command.h"
#include "ctl/fetcher.h"
#include "ctl/finding.h"
#include "ctl/json.h"
#include "lib/base/memory.h"
#include "lib/base/spelling.h"

#define LINE_MAX_BYTES 4096

struct report {
	json_t *checks; /* NULL: they are printed as they come */
	bool is_coloured;
	size_t count, failures;
};

static const struct account *find_account(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->account_count; i++)
		if (strcasecmp(config->accounts[i].name, name) == 0)
			return &config->accounts[i];
	return NULL;
}

static char *lower_copy(const char *text)
{
	char *copy = xstrdup(text);

	for (char *c = copy; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	return copy;
}

/* The account whose name was mistyped, or begun, or whose address was given; or NULL. */
static const struct account *find_nearest(const struct config *config, const char *name)
{
	const struct account *nearest = NULL;
	size_t nearest_distance = SPELLING_NEAR + 1;
	char *lower = lower_copy(name);

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		char *other = lower_copy(account->name);
		size_t distance = spelling_distance(lower, other);

		if (strcmp(lower, account->address) == 0 ||
		    (strlen(lower) >= 2 && strncmp(lower, other, strlen(lower)) == 0))
			distance = 0;
		if (distance < nearest_distance) {
			nearest = account;
			nearest_distance = distance;
		}
		free(other);
	}
	free(lower);
	return nearest;
}

static int say_none(const struct config *config, const char *name)
{
	const struct account *nearest = find_nearest(config, name);

	if (nearest != NULL)
		command_complain("there is no account \"%s\"; did you mean \"%s\"?", name,
		                 nearest->name);
	else
		command_complain("there is no account \"%s\"; see: rejoinder accounts", name);
	return EX_USAGE;
}

/* "state TAB check TAB text TAB advice"; 0, or -1 if it is no such line. */
static int take_line(struct report *report, char *line)
{
	char *state = strsep(&line, "\t"), *check = strsep(&line, "\t");
	char *text = strsep(&line, "\t"), *advice = line;
	struct finding finding = {.check = check, .text = text, .advice = advice};

	if (advice == NULL)
		return -1;
	if (strcmp(state, "ok") == 0)
		finding.state = FINDING_OK;
	else if (strcmp(state, "failed") == 0)
		finding.state = FINDING_FAILED;
	else if (strcmp(state, "none") == 0)
		finding.state = FINDING_NONE;
	else
		return -1;
	report->count++;
	report->failures += finding.state == FINDING_FAILED;
	if (report->checks != NULL)
		json_array_append_new(report->checks, finding_json(&finding));
	else
		finding_print(&finding, report->is_coloured);
	fflush(stdout);
	return 0;
}

static int read_lines(struct report *report, int fd)
{
	FILE *stream = fdopen(fd, "r");
	char line[LINE_MAX_BYTES];
	int rc = 0;

	if (stream == NULL)
		abort(); /* no memory */
	while (rc == 0 && fgets(line, sizeof line, stream) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		rc = take_line(report, line);
	}
	fclose(stream);
	return rc;
}

/* Run the fetcher's own test and read what it says. 0, or an exit code after a sentence. */
static int run_fetcher(const struct invocation *invocation, const char *name, struct report *report)
{
	const char *argv[] = {
		FETCHER_PROGRAM, "-c", invocation->config_path, "--test", "--", name, NULL};
	int ends[2], status = 0, rc;
	pid_t pid;

	fflush(stdout);
	if (pipe(ends) != 0 || (pid = fork()) < 0) {
		command_complain("%s cannot be run: %s", FETCHER_PROGRAM, strerror(errno));
		return EX_OSERR;
	}
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		_exit(fetcher_exec(argv));
	}
	close(ends[1]);
	rc = read_lines(report, ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	if (rc == 0 && WIFEXITED(status) && WEXITSTATUS(status) <= 1 && report->count > 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) > 1)
		return WEXITSTATUS(status); /* its sentence is on stderr */
	command_complain("%s did not end its test", FETCHER_PROGRAM);
	return EX_SOFTWARE;
}

static int test(const struct invocation *invocation, const struct account *account, bool is_json)
{
	struct report report = {.checks = is_json ? json_array() : NULL,
	                        .is_coloured = finding_wants_colour()};
	int status = run_fetcher(invocation, account->name, &report);
	json_t *document;

	if (status != 0) {
		json_decref(report.checks);
		return status;
	}
	if (is_json) {
		document = json_object();
		json_object_set_new(document, "account", json_text(account->name));
		json_object_set_new(document, "ok", json_boolean(report.failures == 0));
		json_object_set_new(document, "checks", report.checks);
		json_print(document);
	}
	return report.failures == 0 ? 0 : EXIT_NO_RESULT;
}

int command_account(struct invocation *invocation)
{
	bool is_json = false;
	const struct flag flags[] = {{"json", 'j', &is_json, NULL}, {NULL, 0, NULL, NULL}};
	const struct account *account;
	struct config *config;
	int status;

	if (!command_arguments(invocation, flags, 2, 2, &status))
		return status;
	if (strcmp(invocation->argv[0], "test") != 0)
		return command_usage_error(invocation, "unexpected argument \"%s\"",
		                           invocation->argv[0]);
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	account = find_account(config, invocation->argv[1]);
	if (account != NULL)
		status = test(invocation, account, is_json);
	else
		status = say_none(config, invocation->argv[1]);
	config_free(config);
	return status;
}
