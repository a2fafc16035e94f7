#ifndef REJOINDER_STORE_PURGE_INTERNAL_H
#define REJOINDER_STORE_PURGE_INTERNAL_H

#include "lib/store/database.h"
#include "lib/store/purge.h"

/* What purge.c and purge_address.c share. */

/* How long it waits for the lock. */
#define PURGE_LOCK_MS 30000

/* Ids that a look-up gave. */
struct id_list {
	int64_t *items;
	size_t count;
};

void id_list_add(struct id_list *list, int64_t id);
void id_list_release(struct id_list *list); /* leaves {0} */

/* A write transaction, after a pause in which others get the lock. -1 also when it was told to stop. */
int purge_begin(struct store *store, struct error *err) MUST_CHECK;

/*
 * Inside one: remove at most *budget messages of a conversation, then the conversation
 * itself.  1 it is gone, 0 some of it is left, or -1.
 */
int purge_conversation(struct store *store, int64_t conversation, int64_t *budget,
                       struct purged *out, struct error *err) MUST_CHECK;

/* The ids that a query gives. text: for ?2, or NULL. */
int purge_list_ids(struct store *store, const char *sql, int64_t number, const char *text,
                   struct id_list *out, struct error *err) MUST_CHECK;

/* Remove those of these notices that tell of no wait any more. */
int purge_notices(struct store *store, const struct id_list *notices, struct error *err) MUST_CHECK;

/* End it as status says, which comes back; or -1. */
int purge_end(struct store *store, int status, struct error *err) MUST_CHECK;

/*
 * Remove the ids of messages that are gone, and those in which the address stands that
 * purge_names_begin() was told.
 */
int purge_ids(struct store *store, struct error *err) MUST_CHECK;

/* Whose texts are looked for. Strings borrowed: lower case, the domain in ASCII (lib/mail/idn.h). */
struct purge_names {
	const char *local, *domain;
	size_t local_length, domain_length;
};

enum purge_match {
	PURGE_ADDRESS, /* by itself: jim.bob@ and bob@example.org.uk are others than bob@example.org */
	PURGE_ID,      /* also behind a dot, as mail clients make ids: <77.bob@example.org> */
	PURGE_BYTES, /* anywhere in a file */
};

/* address: local@domain, lower case; *names points into it. */
void purge_names_set(struct purge_names *names, const char *address);
/* Does the address stand in the text, in any ASCII case and either spelling of its domain? */
bool purge_names_stand(const struct purge_names *names, const char *text, size_t length,
                       enum purge_match match);
/* How many bytes two pieces of one text must share for it to be found in one of them. */
size_t purge_names_overlap(void);
/*
 * Give the connection the SQL functions names_address(TEXT) and names_in_id(TEXT); names: NULL, or
 * what it looks for until the connection is closed or this is called again.
 */
int purge_names_begin(struct store *store, struct purge_names *names, struct error *err) MUST_CHECK;

/* Remove the rows that a statement (?1: id) removes, in small transactions. */
int purge_rows(struct store *store, const char *sql, const struct id_list *ids,
               struct error *err) MUST_CHECK;

/* Empty the WAL of what was removed. */
int purge_finish(struct store *store, struct purged *out, struct error *err) MUST_CHECK;

#endif
