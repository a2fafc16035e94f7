#include "lib/store/maildrop.h"

#include <stdlib.h>

#include "lib/store/database.h"
#include "lib/store/inbox.h"

#define NAME_BYTES 600 /* of user and host */

int store_get_maildrop(struct store *store, const char *account, struct maildrop *out,
                       struct error *err)
{
	struct statement query;
	int status;

	*out = (struct maildrop){0};
	store->doing = "read about a maildrop";
	if (read_begin(store, err) < 0)
		return -1;
	statement_begin(&query, store,
	                "SELECT name, old_before, is_chosen, broken_uidl, broken_count, broken_at"
	                " FROM maildrop WHERE account = ?1");
	bind_text(&query, 1, account, KEPT_NAME_BYTES);
	status = statement_step(&query, err);
	if (status > 0) {
		out->name = column_copy(&query, 0);
		out->old_before = column_int(&query, 1);
		out->is_chosen = column_int(&query, 2) != 0;
		out->broken_uidl = column_copy(&query, 3);
		out->broken_count = column_int(&query, 4);
		out->broken_at = column_int(&query, 5);
	}
	statement_end(&query);
	read_end(store);
	return status;
}

void maildrop_release(struct maildrop *maildrop)
{
	free(maildrop->name);
	free(maildrop->broken_uidl);
	*maildrop = (struct maildrop){0};
}

static int forget_uidls(struct store *store, const char *account, struct error *err)
{
	struct statement delete;

	statement_begin(&delete, store, "DELETE FROM uidl WHERE account = ?1");
	bind_text(&delete, 1, account, KEPT_NAME_BYTES);
	return statement_run(&delete, err);
}

static int put(struct store *store, const char *account, const struct maildrop *maildrop,
               struct error *err)
{
	struct statement insert;

	statement_begin(
		&insert, store,
		"INSERT OR REPLACE INTO maildrop (account, name, old_before, is_chosen,"
		" broken_uidl, broken_count, broken_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	bind_text(&insert, 1, account, KEPT_NAME_BYTES);
	bind_text(&insert, 2, maildrop->name, NAME_BYTES);
	bind_int(&insert, 3, maildrop->old_before);
	bind_int(&insert, 4, maildrop->is_chosen);
	bind_text(&insert, 5, maildrop->broken_uidl, UIDL_MAX_BYTES);
	bind_int(&insert, 6, maildrop->broken_count);
	bind_int(&insert, 7, maildrop->broken_at);
	return statement_run(&insert, err);
}

int store_put_maildrop(struct store *store, const char *account, const struct maildrop *maildrop,
                       bool is_another, int64_t deadline_ms, struct error *err)
{
	store->doing = "record about a maildrop";
	if (transaction_begin(store, deadline_ms, err) < 0)
		return -1;
	if ((is_another && forget_uidls(store, account, err) < 0) ||
	    put(store, account, maildrop, err) < 0) {
		transaction_rollback(store);
		return -1;
	}
	return transaction_commit(store, err);
}
