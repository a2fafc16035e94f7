#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/memory.h"
#include "lib/mail/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read must not break a field, and must be read alike when it is written again. */
static void check_address(const struct address *item)
{
	struct address_list again;
	char *field;

	if (strlen(item->address) > ADDRESS_MAX_BYTES || strchr(item->address, '@') == NULL ||
	    strpbrk(item->address, "\r\n") != NULL || strpbrk(item->phrase, "\r\n") != NULL)
		abort();
	field = address_format(item->phrase, item->address, strlen("Reply-To"));
	address_list_parse(&again, field, strlen(field), 2);
	if (again.count != 1 || strcmp(again.items[0].address, item->address) != 0)
		abort();
	address_list_release(&again);
	free(field);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmemdup0((const char *)data, size);
	struct address_list list;
	char *address;

	address_list_parse(&list, (const char *)data, size, 100);
	for (size_t i = 0; i < list.count; i++)
		check_address(&list.items[i]);
	address_list_release(&list);
	address = address_from_envelope(text);
	if (address != NULL && strlen(address) > ADDRESS_MAX_BYTES)
		abort();
	free(address);
	free(address_phrase(text));
	free(text);
	return 0;
}
