#include "ctl/relay_map.h"

#include <string.h>

#include "lib/base/buffer.h"
#include "lib/base/memory.h"

/* Far over that of all accounts a configuration may have. */
#define MAP_MAX_BYTES (4L * 1024 * 1024)

static const char heading[] =
	"# Written by `rejoinder postfix maps`, which replaces it: which relay takes the mail\n"
	"# of a sender.  Postfix reads it as texthash, anew after `postfix reload`.\n";

void relay_map_lines(const struct config *config, struct string_list *out)
{
	static const char *const transports[] = {[RELAY_SCHEME_STARTTLS] = "rejoinder-relay",
	                                         [RELAY_SCHEME_TLS] = "rejoinder-relays"};

	for (size_t i = 0; i < config->account_count; i++) {
		const struct account *account = &config->accounts[i];
		char host[ENDPOINT_HOST_SIZE];
		enum relay_scheme scheme;
		uint16_t port;

		if (account->is_enabled && config_relay(account, &scheme, host, &port) == 1)
			string_list_take(out, xasprintf("%s %s:[%s]:%u", account->address,
			                                transports[scheme], host, (unsigned)port));
	}
}

char *relay_map_text(const struct config *config)
{
	struct string_list lines = {0};
	struct buffer text;

	relay_map_lines(config, &lines);
	buffer_init(&text, MAP_MAX_BYTES);
	buffer_append_text(&text, heading);
	for (size_t i = 0; i < lines.count; i++) {
		buffer_append_text(&text, lines.items[i]);
		buffer_append_char(&text, '\n');
	}
	string_list_release(&lines);
	return buffer_take(&text);
}

bool relay_map_is_ours(const char *text)
{
	struct string_list lines = {0};
	bool is_ours = strncmp(text, heading, strlen(heading)) == 0;

	relay_map_split(text, &lines);
	for (size_t i = 0; i < lines.count && is_ours; i++) {
		const char *transport = strchr(lines.items[i], ' ');

		is_ours = transport != NULL &&
		          (strncmp(transport + 1, "rejoinder-relay:[", 17) == 0 ||
		           strncmp(transport + 1, "rejoinder-relays:[", 18) == 0);
	}
	string_list_release(&lines);
	return is_ours;
}

void relay_map_split(const char *text, struct string_list *out)
{
	while (*text != '\0') {
		size_t length = strcspn(text, "\n"), end = length;
		const char *next = text + length + (text[length] == '\n');

		while (end > 0 && strchr(" \t\r", text[end - 1]) != NULL)
			end--;
		if (end > 0 && *text != '#')
			string_list_take(out, xmemdup0(text, end));
		text = next;
	}
}
