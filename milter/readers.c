#include "milter/readers.h"

#include <pthread.h>
#include <stdlib.h>

#include "lib/base/memory.h"

#define KEPT_MAX 16

struct readers {
	const char *store_path;
	pthread_mutex_t mutex;
	struct store *kept[KEPT_MAX];
	size_t count;
};

struct readers *readers_new(const char *store_path)
{
	struct readers *readers = xzalloc(sizeof(*readers));

	readers->store_path = store_path;
	pthread_mutex_init(&readers->mutex, NULL);
	return readers;
}

void readers_free(struct readers *readers)
{
	if (readers == NULL)
		return;
	for (size_t i = 0; i < readers->count; i++)
		store_close(readers->kept[i]);
	pthread_mutex_destroy(&readers->mutex);
	free(readers);
}

struct store *readers_borrow(struct readers *readers, struct error *err)
{
	struct store *store = NULL;

	pthread_mutex_lock(&readers->mutex);
	if (readers->count > 0)
		store = readers->kept[--readers->count];
	pthread_mutex_unlock(&readers->mutex);

	if (store != NULL && !store_is_current(store)) {
		store_close(store);
		store = NULL;
	}
	return store != NULL ? store : store_open(readers->store_path, STORE_READ, err);
}

void readers_return(struct readers *readers, struct store *store, bool has_failed)
{
	if (!has_failed) {
		pthread_mutex_lock(&readers->mutex);
		if (readers->count < KEPT_MAX) {
			readers->kept[readers->count++] = store;
			store = NULL;
		}
		pthread_mutex_unlock(&readers->mutex);
	}
	store_close(store);
}
