#include <errno.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/as_user.h"
#include "ctl/doctor.h"
#include "ctl/doctor_paths.h"
#include "ctl/probe.h"
#include "ctl/file.h"
#include "ctl/relay_map.h"
#include "lib/base/memory.h"

/* What Postfix does with Rejoinder: its sockets, its maps, its certificates. */

#define PROBE_MS 5000
#define START    "Start rejoinder-milter, and look in its log if it does not stay"
#define MODES                                                                                      \
	"Make the directory rejoinder:postfix with mode 2710, and the socket in it of group "      \
	"postfix with mode 0660"

static int greet(void *context, struct error *err)
{
	return probe_milter(context, PROBE_MS, err) == 0 ? 0 : errno;
}

static int connect_to(void *context, struct error *err)
{
	return probe_socket(context, PROBE_MS, err) == 0 ? 0 : errno;
}

static int read_access(void *context, struct error *err)
{
	if (access(context, R_OK) == 0)
		return 0;
	error_set(err, ERROR_CONFIG, "%s", strerror(errno));
	return 1;
}

int doctor_can_read(const char *user, const char *path, struct error *err)
{
	char *copy = xstrdup(path);
	int rc = as_user(user, read_access, copy, PROBE_MS, err);

	free(copy);
	return rc == 0 ? 0 : -1;
}

/* "drwx--S--- root:postfix" in numbers: "2700 root:postfix"; a heap string. */
static char *describe_mode(const char *path)
{
	const struct passwd *user;
	const struct group *group;
	struct stat status;

	if (stat(path, &status) != 0)
		return xstrdup(strerror(errno));
	user = getpwuid(status.st_uid);
	group = getgrgid(status.st_gid);
	return xasprintf("%04o %s:%s", (unsigned)(status.st_mode & 07777),
	                 user != NULL ? user->pw_name : "?", group != NULL ? group->gr_name : "?");
}

static void say_denied(struct doctor *doctor, const char *socket)
{
	const char *path = strchr(socket, ':') + 1;
	char *copy = xstrdup(path), *directory = dirname(copy);
	char *of_directory = describe_mode(directory), *of_socket = describe_mode(path);

	doctor_fail(doctor, MODES,
	            "user %s may not connect to %s: the directory is %s, the socket %s",
	            doctor->config->postfix_user, path, of_directory, of_socket);
	free(of_socket);
	free(of_directory);
	free(copy);
}

static void say_socket(struct doctor *doctor, const char *socket, int number,
                       const struct error *err)
{
	if (number == 0)
		doctor_ok(doctor, "the milter answers on %s", socket);
	else if (number == ENOENT)
		doctor_fail(doctor, START, "there is no socket %s: the milter does not run",
		            socket);
	else if (number == ECONNREFUSED)
		doctor_fail(doctor, START, "nobody listens on %s: the milter does not run", socket);
	else if (number == EACCES && strncmp(socket, "unix:/", 6) == 0)
		say_denied(doctor, socket);
	else if (number == EPROTO)
		doctor_fail(doctor, "Give milter_socket an address of its own", "%s: %s", socket,
		            err->text);
	else
		doctor_fail(doctor, "Restart rejoinder-milter", "%s: %s", socket, err->text);
}

static void check_open_to_all(struct doctor *doctor, const char *socket)
{
	char *copy;
	struct stat of_socket, of_directory;
	bool is_open;

	if (strncmp(socket, "unix:/", 6) != 0)
		return;
	copy = xstrdup(socket + 5);
	is_open = stat(copy, &of_socket) == 0 && (of_socket.st_mode & S_IWOTH) != 0 &&
	          stat(dirname(copy), &of_directory) == 0 && (of_directory.st_mode & S_IXOTH) != 0;
	free(copy);
	if (is_open)
		doctor_fail(doctor, MODES, "every user of this host can connect to %s", socket + 5);
}

/* Connect to a socket as Postfix does, where user `postfix` looks for it. */
static void check_one_socket(struct doctor *doctor, const char *seen_at)
{
	char *copy = xstrdup(seen_at);
	struct error err = {0};
	int number = as_user(doctor->config->postfix_user, greet, copy, 3 * PROBE_MS, &err);

	if (number < 0)
		doctor_fail(doctor, "Say postfix_user in rejoinder.conf", "%s", err.text);
	else
		say_socket(doctor, seen_at, number, &err);
	if (number == 0)
		check_open_to_all(doctor, seen_at);
	free(copy);
}

static bool is_same_socket(const char *a, const char *b)
{
	struct stat of_a, of_b;

	if (strncmp(a, "unix:", 5) != 0 || strncmp(b, "unix:", 5) != 0)
		return true; /* paths_find() took it for ours by its port */
	if (strcmp(a, b) == 0)
		return true;
	return stat(a + 5, &of_a) == 0 && stat(b + 5, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static void say_elsewhere(struct doctor *doctor, const struct path *path)
{
	const char *ours = doctor->config->milter_socket;
	char *cure = xasprintf("Say milter_socket = %s in rejoinder.conf, and restart "
	                       "rejoinder-milter",
	                       path->seen_at);

	doctor_fail(doctor, cure, "%s%s looks for the milter at %s, but milter_socket is %s",
	            path->name, path->is_chrooted ? " is in a chroot and" : "", path->seen_at,
	            ours);
	free(cure);
}

static void check_socket(struct doctor *doctor)
{
	struct string_list looked = {0};
	struct paths paths = {0};

	if (!as_user_can(doctor->config->postfix_user))
		doctor_warn(doctor, "Run this as root",
		            "what user %s can do was not tried: you are somebody else",
		            doctor->config->postfix_user);
	if (doctor->postconf != NULL)
		paths_find(doctor->postconf, doctor->config, &paths);
	for (size_t i = 0; i < paths.count; i++) {
		const struct path *path = &paths.items[i];

		if (!path_is_ours(path) || string_list_has(&looked, path->seen_at))
			continue;
		string_list_add(&looked, path->seen_at);
		if (is_same_socket(path->seen_at, doctor->config->milter_socket))
			check_one_socket(doctor, path->seen_at);
		else
			say_elsewhere(doctor, path);
	}
	if (looked.count == 0)
		check_one_socket(doctor, doctor->config->milter_socket);
	string_list_release(&looked);
	paths_release(&paths);
}

static size_t count_relays(const struct config *config)
{
	struct string_list lines = {0};
	size_t count;

	relay_map_lines(config, &lines);
	count = lines.count;
	string_list_release(&lines);
	return count;
}

static size_t count_missing(const struct string_list *from, const struct string_list *in)
{
	size_t count = 0;

	for (size_t i = 0; i < from->count; i++)
		count += !string_list_has(in, from->items[i]);
	return count;
}

static void compare_map(struct doctor *doctor, const char *text)
{
	const char *path = doctor->config->transport_map;
	struct string_list wanted = {0}, found = {0};
	size_t missing, old;
	struct error err;

	relay_map_lines(doctor->config, &wanted);
	relay_map_split(text, &found);
	missing = count_missing(&wanted, &found);
	old = count_missing(&found, &wanted);
	if (missing + old > 0)
		doctor_fail(doctor, "Run: rejoinder postfix maps, and then postfix reload",
		            "%s is not as the configuration: %zu line%s missing, %zu too many",
		            path, missing, missing == 1 ? "" : "s", old);
	else if (doctor_can_read(doctor->config->postfix_user, path, &err) < 0)
		doctor_fail(doctor, "Make it readable: chmod 0644",
		            "%s: user %s cannot read it: %s", path, doctor->config->postfix_user,
		            err.text);
	else
		doctor_ok(doctor, "%s is as the configuration (%zu relay%s)", path, wanted.count,
		          wanted.count == 1 ? "" : "s");
	string_list_release(&wanted);
	string_list_release(&found);
}

static void check_map(struct doctor *doctor)
{
	const char *path = doctor->config->transport_map;
	const char *maps = doctor->postconf != NULL
	                           ? postconf_value(doctor->postconf,
	                                            "sender_dependent_default_transport_maps")
	                           : "";
	struct file_bytes map;
	struct error err;
	int found = file_read(path, &map, &err);

	if (found > 0)
		compare_map(doctor, map.data);
	else if (found < 0)
		doctor_warn(doctor, "Run this as root", "%s", err.text);
	else if (strstr(maps, path) != NULL)
		doctor_fail(doctor, "Run: rejoinder postfix maps",
		            "%s is missing: until it is there Postfix neither takes nor sends any "
		            "mail",
		            path);
	else if (count_relays(doctor->config) > 0)
		doctor_fail(doctor, "Run: rejoinder postfix maps",
		            "%s is missing: mail of accounts with a relay leaves by another way",
		            path);
	else
		doctor_none(doctor, "no account has a relay");
	free(map.data);
}

/* Where Postfix asks for the passwords of relays. */
static void check_passwords(struct doctor *doctor)
{
	char *socket = xasprintf("unix:%s", doctor->config->password_socket);
	struct error err = {0};
	int number;

	if (count_relays(doctor->config) == 0) {
		doctor_none(doctor, "no account has a relay");
		free(socket);
		return;
	}
	number = as_user(doctor->config->postfix_user, connect_to, socket, 2 * PROBE_MS, &err);
	if (number == 0)
		doctor_ok(doctor, "somebody answers on %s", socket);
	else if (number == ENOENT || number == ECONNREFUSED)
		doctor_fail(doctor, "Start rejoinder-fetcher",
		            "nobody listens on %s: mail of accounts with a relay waits", socket);
	else if (number == EACCES)
		say_denied(doctor, socket);
	else
		doctor_fail(doctor, "Restart rejoinder-fetcher", "%s: %s", socket, err.text);
	free(socket);
}

static void add_files(struct string_list *files, const char *value)
{
	struct string_list list = {0};

	postconf_list_split(value, &list);
	for (size_t i = 0; i < list.count; i++)
		if (list.items[i][0] == '/' && !string_list_has(files, list.items[i]))
			string_list_add(files, list.items[i]);
	string_list_release(&list);
}

static void check_certificates(struct doctor *doctor)
{
	static const char *const parameters[] = {"smtpd_tls_chain_files", "smtpd_tls_cert_file",
	                                         "smtpd_tls_eccert_file", "smtpd_tls_dcert_file"};
	const struct postconf *postconf = doctor->postconf;
	struct string_list files = {0};
	const char *bundle;

	for (size_t p = 0; postconf != NULL && p < sizeof parameters / sizeof parameters[0]; p++) {
		add_files(&files, postconf_value(postconf, parameters[p]));
		for (size_t i = 0; i < postconf_service_count(postconf); i++)
			if (postconf_service_own_value(postconf, i, parameters[p]) != NULL)
				add_files(&files,
				          postconf_service_value(postconf, i, parameters[p]));
	}
	for (size_t i = 0; i < files.count; i++)
		doctor_certificates(doctor, files.items[i], "Postfix's own", false);
	bundle = postconf != NULL ? postconf_value(postconf, "rejoinder_relay_CAfile") : "";
	if (*bundle != '\0' && count_relays(doctor->config) > 0)
		doctor_certificates(doctor, bundle, "of relays", true);
	else if (files.count == 0)
		doctor_none(doctor, "Postfix has no certificate");
	string_list_release(&files);
}

const struct doctor_check *doctor_postfix_checks(void)
{
	static const struct doctor_check checks[] = {
		{"socket", check_socket},
		{"map", check_map},
		{"passwords", check_passwords},
		{"certificates", check_certificates},
		{NULL, NULL},
	};

	return checks;
}
