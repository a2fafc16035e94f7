#ifndef REJOINDER_STORE_MAILDROP_H
#define REJOINDER_STORE_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/error.h"
#include "lib/store/store.h"

/*
 * What the fetcher remembers of the maildrop (RFC 1939 3) of an account as a whole: which
 * one it is, how far it has decided what of the mail there is too old to fetch, and at
 * which message it broke off.
 */

struct maildrop {
	char *name;         /* user@host; NULL: not known */
	int64_t old_before; /* Unix seconds: until is_chosen, what came before is left; 0: nothing */
	bool is_chosen;     /* every message that was there then has been judged */
	char *broken_uidl;  /* where the last poll broke off, or NULL */
	int64_t broken_count; /* times in a row */
	int64_t broken_at;    /* the last time */
};

/* 1 and *out, which maildrop_release() lets go of, 0 if nothing is known (*out is empty), -1 with *err. */
int store_get_maildrop(struct store *store, const char *account, struct maildrop *out,
                       struct error *err) MUST_CHECK;
void maildrop_release(struct maildrop *maildrop);

/*
 * Store it as it is, in one transaction that is on disk when this returns 0.
 * is_another: it is not the one that was known, whose UIDLs are forgotten.
 */
int store_put_maildrop(struct store *store, const char *account, const struct maildrop *maildrop,
                       bool is_another, int64_t deadline_ms, struct error *err) MUST_CHECK;

#endif
