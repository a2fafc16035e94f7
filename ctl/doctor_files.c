#include <errno.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>

#include "ctl/as_user.h"
#include "ctl/doctor.h"
#include "ctl/output.h"
#include "lib/base/memory.h"
#include "lib/base/secret.h"

/* What lies on this host and is not Postfix's: files, certificates, space, the clock. */

#define MEGABYTE         (UINT64_C(1024) * 1024)
#define INODES_LEAST     1000
#define DIRECTORIES_MOST 3

const char *doctor_service_user(const struct doctor *doctor, char name_out[DOCTOR_NAME_SIZE])
{
	char *copy = xstrdup(doctor->config->store);
	const struct passwd *user = NULL;
	struct stat status;

	if (stat(dirname(copy), &status) == 0)
		user = getpwuid(status.st_uid);
	free(copy);
	if (user == NULL || strlen(user->pw_name) >= DOCTOR_NAME_SIZE)
		return NULL;
	return strcpy(name_out, user->pw_name);
}

static void check_configuration(struct doctor *doctor)
{
	const struct string_list *troubles = &doctor->config->troubles;

	for (size_t i = 0; i < troubles->count; i++)
		doctor_fail(doctor, "Give that file to the configuration, its mode 0640", "%s",
		            troubles->items[i]);
	if (troubles->count == 0)
		doctor_ok(doctor, "%s", doctor->config->path);
}

static void check_keys(struct doctor *doctor)
{
	const char *path = doctor->config->keys;
	struct keyring keyring;
	struct stat status;
	struct error err;
	char *cure;

	if (keyring_load(&keyring, path, &err) == 0) {
		doctor_ok(doctor, "%zu in %s", keyring.count, path);
		keyring_wipe(&keyring);
		return;
	}
	if (stat(path, &status) != 0)
		cure = xstrdup(errno == ENOENT ? "Run: rejoinder keys add" : "Run this as root");
	else if ((status.st_mode & 07) != 0)
		cure = xasprintf("Run: chmod o= %s; and if somebody may have read it: rejoinder "
		                 "keys add",
		                 path);
	else
		cure = xstrdup("Put back the copy of your backup, or make a new one: rejoinder "
		               "keys add");
	doctor_fail(doctor, cure, "%s", err.text);
	free(cure);
}

static void check_reader(struct doctor *doctor, const char *user, const char *what,
                         const char *path, size_t *bad)
{
	struct error err;
	char *cure;

	/* One that is missing is another check's. */
	if (path == NULL || doctor_can_read(user, path, &err) == 0 ||
	    strcmp(err.text, strerror(ENOENT)) == 0)
		return;
	(*bad)++;
	cure = xasprintf("Run: chgrp %s %s; chmod g+r %s", user, path, path);
	doctor_fail(doctor, cure, "%s %s: user %s, whom the services run as, cannot read it: %s",
	            what, path, user, err.text);
	free(cure);
}

/* What the services read, as the user they run as. */
static void check_readers(struct doctor *doctor)
{
	const struct config *config = doctor->config;
	char name[DOCTOR_NAME_SIZE];
	const char *user = doctor_service_user(doctor, name);
	size_t bad = 0;

	if (user == NULL || !as_user_can(user)) {
		doctor_skip(doctor, "%s",
		            user == NULL ? "the directory of the store is missing"
		                         : "only root can try what the services can read");
		return;
	}
	check_reader(doctor, user, "configuration", config->path, &bad);
	check_reader(doctor, user, "keys", config->keys, &bad);
	check_reader(doctor, user, "staff_file", config->staff_file, &bad);
	check_reader(doctor, user, "ca_file", config->ca_file, &bad);
	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];

		if (!account->is_enabled)
			continue;
		check_reader(doctor, user, "password_file", account->password_file, &bad);
		check_reader(doctor, user, "acknowledge", account->acknowledge, &bad);
	}
	if (bad == 0)
		doctor_ok(doctor, "user %s can read what the services need", user);
}

static void check_certificates(struct doctor *doctor)
{
	if (doctor->config->ca_file != NULL)
		doctor_certificates(doctor, doctor->config->ca_file, "ca_file", true);
	else
		doctor_none(doctor, "POP3 servers are verified by the system's authorities");
}

static void check_space(struct doctor *doctor, const char *what, const char *directory)
{
	struct statvfs status;
	uint64_t free_bytes;
	const char *cure = "Make room, or give it a larger disk";

	if (statvfs(directory, &status) != 0) {
		doctor_fail(doctor, "Make it, or name another", "%s %s: %s", what, directory,
		            strerror(errno));
		return;
	}
	free_bytes = (uint64_t)status.f_bavail * status.f_frsize;
	switch (doctor_judge_space(free_bytes, (uint64_t)status.f_blocks * status.f_frsize)) {
	case FINDING_PROBLEM:
		doctor_fail(doctor, cure, "%s: %llu MB are left in %s", what,
		            (unsigned long long)(free_bytes / MEGABYTE), directory);
		break;
	case FINDING_WARNING:
		doctor_warn(doctor, cure, "%s: under 5 %% are left in %s, %llu MB", what, directory,
		            (unsigned long long)(free_bytes / MEGABYTE));
		break;
	default:
		doctor_ok(doctor, "%s: %llu MB are left", what,
		          (unsigned long long)(free_bytes / MEGABYTE));
	}
	if (status.f_files > 0 && status.f_favail < INODES_LEAST)
		doctor_fail(doctor, "Remove files there", "%s: no more than %lu files fit in %s",
		            what, (unsigned long)status.f_favail, directory);
}

/* Each file system once. */
static void check_disk(struct doctor *doctor)
{
	char *store = xstrdup(doctor->config->store);
	const struct {
		const char *what, *directory;
	} places[DIRECTORIES_MOST] = {
		{"store", dirname(store)},
		{"queue", doctor->postconf != NULL
	                          ? postconf_value(doctor->postconf, "queue_directory")
	                          : ""},
		{"backup", doctor->config->backups > 0 ? doctor->config->backup_directory : ""},
	};
	dev_t seen[DIRECTORIES_MOST];
	size_t seen_count = 0;

	for (size_t i = 0; i < DIRECTORIES_MOST; i++) {
		struct stat status;
		bool is_seen = false;

		/* The first nightly backup makes its directory. */
		if (*places[i].directory == '\0' ||
		    (stat(places[i].directory, &status) != 0 && i == DIRECTORIES_MOST - 1))
			continue;
		for (size_t j = 0; j < seen_count; j++)
			is_seen = is_seen || seen[j] == status.st_dev;
		if (is_seen)
			continue;
		seen[seen_count++] = status.st_dev;
		check_space(doctor, places[i].what, places[i].directory);
	}
	free(store);
}

static void check_synchronised(struct doctor *doctor)
{
	struct timex state = {0};
	int rc = adjtimex(&state);

	if (rc < 0)
		doctor_skip(doctor, "the system does not say whether it is synchronised");
	else if (rc == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
		doctor_warn(doctor, "Run a time service: timedatectl set-ntp true",
		            "nothing keeps this host's clock right: alerts and tokens go by it");
	else
		doctor_ok(doctor, "it is synchronised");
}

const struct doctor_check *doctor_files_checks(void)
{
	static const struct doctor_check checks[] = {
		{"configuration", check_configuration},
		{"keys", check_keys},
		{"readers", check_readers},
		{"ca_file", check_certificates},
		{"disk", check_disk},
		{"time", check_synchronised},
		{NULL, NULL},
	};

	return checks;
}
