#ifndef REJOINDER_MILTER_POLICY_H
#define REJOINDER_MILTER_POLICY_H

#include "lib/base/config.h"
#include "lib/base/error.h"
#include "lib/base/secret.h"

/*
 * What is in force for a message: the configuration and the keys, read together
 * and never changed.  A reload makes another one; messages that are under way
 * finish under the policy that they began with.
 */

struct policy {
	struct config *config;
	struct keyring keys;
};

/* Holds the current policy, for many threads. */
struct policy_holder;

struct policy_holder *policy_holder_new(void);
void policy_holder_free(struct policy_holder *holder);

/*
 * Read configuration and keys and make them current.  On failure the policy in
 * force stays, every mistake has been logged, and -1 with *err comes back
 * (ERROR_CONFIG).  Troubles are logged, and what else there is becomes current.  Keys of an earlier policy are wiped when its last user is
 * done.
 */
int policy_load(struct policy_holder *holder, const char *path, struct error *err) MUST_CHECK;

/* Borrow the current policy until policy_release(); never NULL after a policy_load() that succeeded. */
const struct policy *policy_acquire(struct policy_holder *holder);
void policy_release(struct policy_holder *holder, const struct policy *policy);

#endif
