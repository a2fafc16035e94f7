#include <stdlib.h>
#include <string.h>

#include "ctl/setup_lists.h"
#include "ctl/setup_plan.h"
#include "lib/base/memory.h"

/* Where the milter is, and how long Postfix waits for it: rejoinder_milter in main.cf. */

#define MILTER_OPTIONS                                                                             \
	"default_action=tempfail, connect_timeout=5s, command_timeout=15s, content_timeout=%ds"
#define CONTENT_TIMEOUT_S 60 /* and more if commit_timeout comes near it */
#define CONTENT_MARGIN_S  30

/* A path as a chrooted daemon of Postfix must be told it, or NULL if it is not below. */
static const char *below(const char *directory, const char *path)
{
	size_t length = strlen(directory);

	while (length > 0 && directory[length - 1] == '/')
		length--;
	if (length == 0 || strncmp(path, directory, length) != 0 || path[length] != '/')
		return NULL;
	path += length;
	return path + strspn(path, "/");
}

static bool has_chroot(const struct postconf *postconf)
{
	for (size_t i = 0; i < postconf_service_count(postconf); i++) {
		const struct postconf_service *service = postconf_service(postconf, i);

		if (service->is_chrooted && (strcmp(service->command, "smtpd") == 0 ||
		                             strcmp(service->command, "cleanup") == 0 ||
		                             strcmp(service->command, "smtp") == 0))
			return true;
	}
	return false;
}

char *setup_socket_path(const struct postconf *postconf, const char *key, const char *path,
                        struct error *err)
{
	const char *queue = postconf_value(postconf, "queue_directory"),
		   *inside = below(queue, path);

	if (inside != NULL)
		return xstrdup(inside);
	if (!has_chroot(postconf))
		return xstrdup(path);
	error_set(
		err, ERROR_CONFIG,
		"%s of rejoinder.conf, %s, is out of reach for Postfix, which runs chrooted in %s",
		key, path, queue);
	return NULL;
}

int setup_find_endpoints(struct plan_work *work, struct error *err)
{
	const char *spelling = work->config->milter_socket, *at;
	const char *path = strchr(spelling, ':');
	char *inside;

	if (strncmp(spelling, "inet", 4) == 0 && path != NULL &&
	    (at = strchr(spelling, '@')) != NULL) {
		string_list_take(&work->endpoints,
		                 xasprintf(strchr(at + 1, ':') != NULL && at[1] != '['
		                                   ? "inet:[%s]:%.*s"
		                                   : "inet:%s:%.*s",
		                           at + 1, (int)(at - path - 1), path + 1));
		return 0;
	}
	path = path != NULL ? path + 1 : spelling;
	inside = setup_socket_path(work->postconf, "milter_socket", path, err);
	if (inside == NULL)
		return -1;
	string_list_take(&work->endpoints, xasprintf("unix:%s", inside));
	string_list_take(&work->endpoints, xasprintf("unix:%s", path));
	free(inside);
	return 0;
}

/* In seconds, as postconf(5) writes it: 90, 90s, 2m. */
static int64_t time_s(const char *text)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = {{'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
	char *end;
	int64_t count = strtoll(text, &end, 10);

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*end == units[i].unit)
			return count * units[i].seconds;
	return count;
}

/* What is longer already, or not said there, stays. */
static void raise_content_timeout(struct plan_work *work, int64_t least_s, int wanted_s)
{
	static const char name[] = "content_timeout";
	const char *now = setup_own(work, "rejoinder_milter"), *at = strstr(now, name);
	char *value;

	if (at == NULL)
		return;
	at += strlen(name);
	at += strspn(at, " \t=");
	if (time_s(at) >= least_s || strspn(at, "0123456789") == 0)
		return;
	value = xasprintf("%.*s%ds%s", (int)(at - now), now, wanted_s, at + strcspn(at, " \t,}"));
	setup_set_main(work, "rejoinder_milter", value,
	               "commit_timeout of rejoinder.conf needs more time than it gave the milter");
	free(value);
}

void setup_plan_milter(struct plan_work *work)
{
	int64_t commit_s = work->config->commit_timeout_ms / 1000;
	int content_s = commit_s + CONTENT_MARGIN_S > CONTENT_TIMEOUT_S
	                        ? (int)commit_s + CONTENT_MARGIN_S
	                        : CONTENT_TIMEOUT_S;
	char *value;

	if (setup_list_has_endpoint(work->postconf, setup_own(work, "rejoinder_milter"),
	                            &work->endpoints)) {
		raise_content_timeout(work, commit_s + CONTENT_MARGIN_S, content_s);
		return;
	}
	value = xasprintf("{ %s, " MILTER_OPTIONS " }", work->endpoints.items[0], content_s);
	setup_set_main(work, "rejoinder_milter", value,
	               "where the milter is; while it is down the sender tries again later");
	free(value);
}
