#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ctl/relay_map.h"
#include "ctl/setup_plan.h"
#include "lib/base/command.h"
#include "lib/base/memory.h"

/*
 * Does Postfix know an address?  Asked of its tables one by one, as smtpd(8) would: that
 * needs no Postfix that runs.
 */

#define QUERY_TIMEOUT_MS 10000
#define ANSWER_MAX_BYTES 65536
#define ACCOUNTS_MAX     100 /* more are left to `rejoinder doctor` */

struct query {
	const struct postconf *postconf;
	struct string_list *undecided;
	struct string_list *failed; /* tables, which are not asked again: each may take its time */
	const char *address, *domain; /* lower case; domain points behind the @ */
	char *local;
	bool is_bare; /* local alone names it too, as virtual(5) says */
};

enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

static void doubt(struct query *query, const char *why)
{
	string_list_take(query->undecided,
	                 xasprintf("whether Postfix takes mail for %s could not be found out: %s",
	                           query->address, why));
}

/* Its first line that is more than a warning: a table that fails is fatal. NULL if there is none. */
static const char *find_complaint(char *output)
{
	char *next = output, *line;

	while ((line = strsep(&next, "\n")) != NULL)
		if (*line != '\0' && strstr(line, ": warning: ") == NULL)
			return line;
	return NULL;
}

/* One key in one table. program: postmap, or postalias for tables in the form of aliases(5). */
static enum answer look_up(struct query *query, const char *program, const char *key,
                           const char *table)
{
	const char *argv[] = {program, "-c", postconf_directory(query->postconf), "-q", key,
	                      table,   NULL};
	enum answer answer = ANSWER_NO;
	struct error err = {0};
	const char *complaint;
	size_t length;
	char *output;

	if (string_list_has(query->failed, table))
		return ANSWER_UNKNOWN;
	/* The tables of proxymap(8) are asked directly: it may not run. */
	if (strncmp(table, "proxy:", 6) == 0)
		argv[5] = table + 6;
	if (command_output_argv(argv, COMMAND_STDERR_WITH_OUTPUT, QUERY_TIMEOUT_MS,
	                        ANSWER_MAX_BYTES, &output, &length, &err) == 0) {
		answer = ANSWER_YES;
	} else if ((complaint = output != NULL ? find_complaint(output) : err.text) != NULL) {
		doubt(query, complaint);
		string_list_add(query->failed, table);
		answer = ANSWER_UNKNOWN;
	}
	free(output);
	return answer;
}

static bool is_table(const char *element)
{
	return element[0] != '/' && strchr(element, ':') != NULL && element[0] != '[';
}

/* Is any of the keys in any table of the list? */
static enum answer look_up_all(struct query *query, const char *program, const char *const *keys,
                               const char *tables)
{
	struct string_list list = {0};
	enum answer answer = ANSWER_NO;

	postconf_list_split(tables, &list);
	for (size_t i = 0; i < list.count && answer == ANSWER_NO; i++)
		for (const char *const *key = keys; *key != NULL && answer == ANSWER_NO; key++)
			if (is_table(list.items[i]))
				answer = look_up(query, program, *key, list.items[i]);
	string_list_release(&list);
	return answer;
}

static enum answer look_up_address(struct query *query, const char *tables)
{
	const char *at = query->domain - 1;
	const char *const keys[] = {query->address, at, query->is_bare ? query->local : NULL, NULL};

	return look_up_all(query, "postmap", keys, tables);
}

/* Is it what Postfix completes addresses with?  A path: of a file that says it. */
static bool is_origin(const struct query *query)
{
	const char *origin = postconf_value(query->postconf, "myorigin");
	struct file_bytes bytes = {0};
	struct error ignored;
	bool is;

	if (*origin != '/')
		return strcasecmp(origin, query->domain) == 0;
	if (file_read(origin, &bytes, &ignored) <= 0)
		return false;
	bytes.data[strcspn(bytes.data, " \t\r\n")] = '\0';
	is = strcasecmp(bytes.data, query->domain) == 0;
	free(bytes.data);
	return is;
}

/* Is the domain named by a list such as mydestination? */
static enum answer has_domain(struct query *query, const char *parameter)
{
	const char *value = postconf_value(query->postconf, parameter);
	struct string_list list = {0};
	enum answer answer = ANSWER_NO;

	postconf_list_split(value, &list);
	for (size_t i = 0; i < list.count && answer == ANSWER_NO; i++) {
		if (strcasecmp(list.items[i], query->domain) == 0)
			answer = ANSWER_YES;
		else if (is_table(list.items[i]))
			answer = look_up(query, "postmap", query->domain, list.items[i]);
	}
	string_list_release(&list);
	return answer;
}

static enum answer knows_local(struct query *query)
{
	const char *maps = postconf_value(query->postconf, "local_recipient_maps");
	const char *const keys[] = {query->local, NULL};
	const char *const all[] = {query->local, query->address, NULL};
	enum answer answer;
	char *others;

	if (*maps == '\0' || *postconf_value(query->postconf, "luser_relay") != '\0')
		return ANSWER_YES;
	errno = 0;
	if (strstr(maps, "unix:passwd.byname") != NULL && getpwnam(query->local) != NULL)
		return ANSWER_YES;
	answer = look_up_all(query, "postalias", keys,
	                     postconf_value(query->postconf, "alias_maps"));
	if (answer != ANSWER_NO || strstr(maps, "unix:passwd.byname") != NULL)
		return answer;
	others = xstrdup(maps);
	answer = look_up_all(query, "postmap", all, others);
	free(others);
	return answer;
}

/* Maps of whom Postfix delivers to; none: everybody. */
static enum answer knows_by(struct query *query, const char *parameter)
{
	const char *maps = postconf_value(query->postconf, parameter);

	return *maps == '\0' ? ANSWER_YES : look_up_address(query, maps);
}

static enum answer knows(struct query *query)
{
	static const struct {
		const char *domains, *maps;
	} classes[] = {{"virtual_mailbox_domains", "virtual_mailbox_maps"},
	               {"relay_domains", "relay_recipient_maps"}};
	enum answer is_local = has_domain(query, "mydestination"), answer;

	query->is_bare = is_local == ANSWER_YES || is_origin(query);
	answer = look_up_address(query, postconf_value(query->postconf, "virtual_alias_maps"));
	if (answer != ANSWER_NO)
		return answer;
	answer = is_local;
	if (answer == ANSWER_YES)
		return knows_local(query);
	for (size_t i = 0; i < 2 && answer == ANSWER_NO; i++) {
		answer = has_domain(query, classes[i].domains);
		if (answer == ANSWER_YES)
			return knows_by(query, classes[i].maps);
	}
	if (answer == ANSWER_NO)
		answer = has_domain(query, "virtual_alias_domains");
	if (answer == ANSWER_YES)
		return ANSWER_NO; /* an alias it would have to be, and is not */
	if (answer == ANSWER_NO)
		doubt(query, "it is the server of no such domain (mydestination, "
		             "virtual_mailbox_domains, relay_domains)");
	return ANSWER_UNKNOWN;
}

static enum answer ask(const struct postconf *postconf, const char *address,
                       struct string_list *undecided, struct string_list *failed)
{
	const char *at = strrchr(address, '@');
	struct query query = {
		.postconf = postconf, .undecided = undecided, .failed = failed, .address = address};
	enum answer answer;

	if (at == NULL)
		return ANSWER_UNKNOWN;
	query.domain = at + 1;
	query.local = xmemdup0(address, (size_t)(at - address));
	answer = knows(&query);
	free(query.local);
	return answer;
}

static char *read_replies_map(const char *path)
{
	struct file_bytes bytes = {0};
	struct error err;

	return file_read(path, &bytes, &err) > 0 ? bytes.data : NULL;
}

static bool are_same(const struct string_list *a, const struct string_list *b)
{
	bool are = a->count == b->count;

	for (size_t i = 0; i < a->count && are; i++)
		are = strcmp(a->items[i], b->items[i]) == 0;
	return are;
}

/* The map of relays: what it holds, and whether `rejoinder postfix maps` would write the same. */
static void find_transport_map(const struct config *config, struct setup_facts *out)
{
	struct string_list wanted = {0}, found = {0};
	struct file_bytes bytes = {0};
	struct error err;
	int rc = file_read(config->transport_map, &bytes, &err);

	if (rc > 0) {
		out->transport_map = bytes.data;
		relay_map_lines(config, &wanted);
		relay_map_split(bytes.data, &found);
		out->has_transport_map = are_same(&wanted, &found);
	} else {
		/* What is there and cannot be read is not ours to replace. */
		out->has_transport_map = rc < 0;
	}
	string_list_release(&wanted);
	string_list_release(&found);
}

void setup_facts_find(const struct postconf *postconf, const struct config *config,
                      struct setup_facts *out)
{
	struct string_list failed = {0};
	size_t asked = 0;

	*out = (struct setup_facts){0};
	for (size_t i = 0; i < config->account_count && asked < ACCOUNTS_MAX; i++) {
		const struct account *account = &config->accounts[i];
		const char *address = account->pop3 != NULL ? account->mailbox : account->address;

		if (!account->is_enabled || !account->is_incoming || address == NULL ||
		    strrchr(address, '@') == NULL ||
		    !config_has_domain(config, strrchr(address, '@') + 1) ||
		    string_list_has(&out->unknown, address))
			continue;
		asked++;
		if (ask(postconf, address, &out->undecided, &failed) == ANSWER_NO)
			string_list_add(&out->unknown, address);
	}
	if (out->unknown.count > 0 &&
	    ask(postconf, config->operator_address, &out->undecided, &failed) == ANSWER_NO)
		string_list_take(
			&out->undecided,
			xasprintf("Postfix does not know %s either, whom mail goes to that "
		                  "nobody owns: set operator in rejoinder.conf",
		                  config->operator_address));
	string_list_release(&failed);
	out->replies_map_path = xasprintf("%s/" SETUP_REPLIES_MAP, postconf_directory(postconf));
	out->replies_map = read_replies_map(out->replies_map_path);
	find_transport_map(config, out);
	out->handover_fault = setup_handover_try(postconf, config);
}
