#include "milter/hourly.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/digest.h"
#include "lib/base/memory.h"

#define HOUR_S 3600
#define SETS   256
#define WAYS   4 /* senders in a set */

struct entry {
	unsigned char name[DIGEST_BYTES];
	int64_t at; /* 0: free */
};

struct hourly {
	pthread_mutex_t mutex;
	struct entry entries[SETS][WAYS];
};

struct hourly *hourly_new(void)
{
	struct hourly *hourly = xzalloc(sizeof(*hourly));

	pthread_mutex_init(&hourly->mutex, NULL);
	return hourly;
}

void hourly_free(struct hourly *hourly)
{
	if (hourly == NULL)
		return;
	pthread_mutex_destroy(&hourly->mutex);
	free(hourly);
}

/* A digest, so that nobody chooses whose place he takes or how much is kept of him. */
static void digest_sender(const char *sender, unsigned char out[DIGEST_BYTES])
{
	char *lower = xstrdup(sender);
	struct digest *digest = digest_new();

	for (char *c = lower; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	digest_add_text(digest, lower);
	digest_finish(digest, out);
	free(lower);
}

static bool take(struct entry set[WAYS], const unsigned char name[DIGEST_BYTES], int64_t now)
{
	struct entry *place = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].at != 0 && memcmp(set[i].name, name, DIGEST_BYTES) == 0) {
			place = &set[i];
			/* A clock that was set back ends it too. */
			if (now >= place->at && now - place->at < HOUR_S)
				return false;
			break;
		}
		if (set[i].at < place->at)
			place = &set[i];
	}
	memcpy(place->name, name, DIGEST_BYTES);
	place->at = now;
	return true;
}

bool hourly_is_due(struct hourly *hourly, const char *sender, int64_t now)
{
	unsigned char name[DIGEST_BYTES];
	bool is_due;

	if (hourly == NULL)
		return true;
	digest_sender(sender, name);
	pthread_mutex_lock(&hourly->mutex);
	is_due = take(hourly->entries[name[0] % SETS], name, now);
	pthread_mutex_unlock(&hourly->mutex);
	return is_due;
}
