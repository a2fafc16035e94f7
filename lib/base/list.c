#include "lib/base/list.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/memory.h"

void string_list_take(struct string_list *list, char *text)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity > 0 ? list->capacity * 2 : 8;

		list->items = xreallocarray(list->items, capacity, sizeof(*list->items));
		list->capacity = capacity;
	}
	list->items[list->count++] = text;
}

void string_list_add(struct string_list *list, const char *text)
{
	string_list_take(list, xstrdup(text));
}

bool string_list_has(const struct string_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i], text) == 0)
			return true;
	return false;
}

bool string_list_has_nocase(const struct string_list *list, const char *text)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcasecmp(list->items[i], text) == 0)
			return true;
	return false;
}

void string_list_copy(struct string_list *list, const struct string_list *from)
{
	for (size_t i = 0; i < from->count; i++)
		string_list_add(list, from->items[i]);
}

void string_list_release(struct string_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct string_list){0};
}
