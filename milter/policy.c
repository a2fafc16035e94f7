#include "milter/policy.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/log.h"
#include "lib/base/memory.h"

/* The public part comes first, so that a pointer to it is one to this. */
struct counted_policy {
	struct policy policy;
	unsigned users; /* the holder is one while it is current */
};

struct policy_holder {
	pthread_mutex_t mutex;
	struct counted_policy *current;
};

struct policy_holder *policy_holder_new(void)
{
	struct policy_holder *holder = xzalloc(sizeof(*holder));

	pthread_mutex_init(&holder->mutex, NULL);
	return holder;
}

static void drop(struct counted_policy *counted)
{
	if (counted == NULL || --counted->users > 0)
		return;
	config_free(counted->policy.config);
	keyring_wipe(&counted->policy.keys);
	free(counted);
}

void policy_holder_free(struct policy_holder *holder)
{
	if (holder == NULL)
		return;
	drop(holder->current);
	pthread_mutex_destroy(&holder->mutex);
	free(holder);
}

int policy_load(struct policy_holder *holder, const char *path, struct error *err)
{
	struct counted_policy *counted = xzalloc(sizeof(*counted));
	struct counted_policy *earlier;
	struct string_list mistakes = {0};
	int result = -1;

	counted->users = 1;
	if (config_load(path, &counted->policy.config, &mistakes) < 0) {
		for (size_t i = 0; i < mistakes.count; i++)
			log_error("%s", mistakes.items[i]);
		error_set(err, ERROR_CONFIG, "cannot use %s: %zu mistake%s", path, mistakes.count,
		          mistakes.count == 1 ? "" : "s");
		goto out;
	}
	for (size_t i = 0; i < counted->policy.config->troubles.count; i++)
		log_error("%s", counted->policy.config->troubles.items[i]);
	if (keyring_load(&counted->policy.keys, counted->policy.config->keys, err) < 0)
		goto out;

	pthread_mutex_lock(&holder->mutex);
	earlier = holder->current;
	holder->current = counted;
	drop(earlier);
	pthread_mutex_unlock(&holder->mutex);
	counted = NULL;
	result = 0;
out:
	drop(counted);
	string_list_release(&mistakes);
	return result;
}

const struct policy *policy_acquire(struct policy_holder *holder)
{
	struct counted_policy *counted;

	pthread_mutex_lock(&holder->mutex);
	counted = holder->current;
	counted->users++;
	pthread_mutex_unlock(&holder->mutex);
	return &counted->policy;
}

void policy_release(struct policy_holder *holder, const struct policy *policy)
{
	if (policy == NULL)
		return;
	pthread_mutex_lock(&holder->mutex);
	drop((struct counted_policy *)policy);
	pthread_mutex_unlock(&holder->mutex);
}
