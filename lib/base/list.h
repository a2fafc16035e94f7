#ifndef REJOINDER_BASE_LIST_H
#define REJOINDER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A growing array of strings that it owns. {0} is an empty list. */

struct string_list {
	char **items;
	size_t count;
	size_t capacity;
};

void string_list_add(struct string_list *list, const char *text); /* copies */
void string_list_take(struct string_list *list, char *text);      /* takes ownership */
bool string_list_has(const struct string_list *list, const char *text);
bool string_list_has_nocase(const struct string_list *list, const char *text); /* ASCII case */
void string_list_copy(struct string_list *list, const struct string_list *from);
void string_list_release(struct string_list *list); /* leaves {0} */

#endif
