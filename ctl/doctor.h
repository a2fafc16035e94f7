#ifndef REJOINDER_CTL_DOCTOR_H
#define REJOINDER_CTL_DOCTOR_H

#include <stdbool.h>
#include <stdint.h>

#include "ctl/finding.h"
#include "ctl/postconf.h"
#include "lib/base/config.h"
#include "lib/store/store.h"

/*
 * What the checks of `rejoinder doctor` share.  A check looks at one thing and says
 * what it found, once or for each part of that thing; it changes nothing.
 */

#define DOCTOR_NAME_SIZE 64

struct doctor {
	const struct config *config;
	const char *config_path;         /* as it was given */
	const struct postconf *postconf; /* NULL: *postconf_error says why */
	struct error postconf_error;
	struct store *store; /* NULL: *store_error says why */
	struct error store_error;
	bool is_online; /* servers outside may be asked too */
	int64_t now;

	const char *part, *check; /* what is looked at now */
	/* Gets each finding, its strings borrowed for that long. */
	void (*take)(struct doctor *doctor, const struct finding *finding);
	void *context; /* of take() */
};

struct doctor_check {
	const char *name; /* one word */
	void (*run)(struct doctor *doctor);
};

/* Tables, each ended by an entry without a name. */
const struct doctor_check *doctor_wiring_checks(void);   /* what Postfix's configuration says */
const struct doctor_check *doctor_postfix_checks(void);  /* what it does */
const struct doctor_check *doctor_known_checks(void);    /* whom it knows */
const struct doctor_check *doctor_files_checks(void);    /* keys, secrets, certificates, disk */
const struct doctor_check *doctor_store_checks(void);    /* the store and the daemons */
const struct doctor_check *doctor_accounts_checks(void); /* accounts and their servers */

/* Run a table, its findings under the name of a part. */
void doctor_run(struct doctor *doctor, const char *part, const struct doctor_check *checks);

/*
 * Say something of the check that runs: it is well; there is nothing to look at; it was not
 * looked at; and it is not well, with what to do in one sentence.
 */
void doctor_ok(struct doctor *doctor, const char *format, ...) PRINTF_LIKE(2, 3);
void doctor_none(struct doctor *doctor, const char *format, ...) PRINTF_LIKE(2, 3);
void doctor_skip(struct doctor *doctor, const char *format, ...) PRINTF_LIKE(2, 3);
void doctor_warn(struct doctor *doctor, const char *cure, const char *format, ...)
	PRINTF_LIKE(3, 4);
void doctor_fail(struct doctor *doctor, const char *cure, const char *format, ...)
	PRINTF_LIKE(3, 4);

/*
 * Say until when certificates in a file are good, in whose name: `what`.  A server's
 * file is bad as soon as one of it is, a bundle of authorities when all of it are.
 */
void doctor_certificates(struct doctor *doctor, const char *path, const char *what, bool is_bundle);

/* Can a user read a file? 0, -1 with *err if not. Somebody else than root asks for himself. */
int doctor_can_read(const char *user, const char *path, struct error *err) MUST_CHECK;

/* The user whom the directory of the store belongs to: the services run as that one. NULL: it is not there. */
const char *doctor_service_user(const struct doctor *doctor, char name_out[DOCTOR_NAME_SIZE]);

/* Is so much free space enough? */
enum finding_state doctor_judge_space(uint64_t free_bytes, uint64_t total_bytes);

#endif
