#include "lib/store/health.h"

#include <stdlib.h>
#include <string.h>

#include "lib/store/database.h"

int store_quick_check(struct store *store, int64_t deadline_ms, struct error *err)
{
	int64_t earlier_ms = store->deadline_ms;
	struct statement check;
	char *said = NULL;
	int status;

	store->doing = "look for damage";
	/* One look at all of it: what ends a read transaction after a second is left out. */
	store_set_deadline(store, deadline_ms);
	statement_begin(&check, store, "PRAGMA quick_check(1)");
	status = statement_step(&check, err);
	/* "*** in database main ***", and each damage on a line of its own */
	if (status > 0)
		said = column_copy(&check, 0);
	for (char *c = said; c != NULL && *c != '\0'; c++)
		*c = *c == '\n' ? ' ' : *c;
	statement_end(&check);
	store_set_deadline(store, earlier_ms);
	if (status < 0 && err->kind == ERROR_TEMPORARY && store_clock_ms() >= deadline_ms)
		status = 0;
	else if (status > 0 && (said == NULL || strcmp(said, "ok") != 0))
		status = error_set(err, ERROR_CORRUPT, "%s is damaged: %s", store->path,
		                   said != NULL ? said : "it says nothing");
	free(said);
	return status;
}

int store_newest_message(struct store *store, int64_t *at_out, struct error *err)
{
	int status;

	store->doing = "find the newest message";
	*at_out = 0;
	if (read_begin(store, err) < 0)
		return -1;
	/* Ids rise with time: the last of them are looked at. */
	status = read_number(store,
	                     "SELECT max(received_at) FROM (SELECT received_at FROM message"
	                     " ORDER BY id DESC LIMIT 1000)",
	                     at_out, err);
	read_end(store);
	return status;
}

int store_list_owners(struct store *store, size_t limit, struct string_list *out, struct error *err)
{
	struct statement query;
	int status;

	store->doing = "list owners";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT DISTINCT owner FROM (SELECT owner FROM conversation"
	                " WHERE state = 'open' ORDER BY updated_at DESC LIMIT 10000)"
	                " WHERE owner IS NOT NULL LIMIT ?1");
	bind_int(&query, 1, (int64_t)limit);
	while ((status = statement_step(&query, err)) > 0)
		string_list_take(out, column_copy(&query, 0));
	statement_end(&query);
	read_end(store);
	return status;
}
