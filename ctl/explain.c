#include "ctl/explain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/mail_file.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/mail/address.h"
#include "lib/store/rehearse.h"

#define FIELD_ADDRESSES_MAX MAIL_RCPTS_MAX
#define CLIENT_PORT         40000 /* any but 0, which is Postfix's own mail */
#define CLIENT_LOCAL        "local"

struct wishes {
	const char *sender; /* NULL: as the header says */
	const char *recipients[FLAG_VALUES_MAX];
	bool has_recipients, is_authenticated, is_json;
	const char *client; /* NULL: some host outside */
};

/* False: it is neither an address nor "local". */
static bool read_client(const char *text, struct sockaddr_storage *out)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	bool is_local = strcmp(text, CLIENT_LOCAL) == 0;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, is_local ? "127.0.0.1" : text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(is_local ? 0 : CLIENT_PORT);
		return true;
	}
	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(CLIENT_PORT);
		return true;
	}
	return false;
}

static void add_addresses(const struct header *header, const char *name, struct string_list *out)
{
	const struct field *field;

	for (unsigned i = 1; (field = header_field(header, name, i)) != NULL; i++) {
		struct address_list list = {0};

		address_list_parse(&list, field->value, field->length, FIELD_ADDRESSES_MAX);
		for (size_t j = 0; j < list.count; j++)
			if (!string_list_has_nocase(out, list.items[j].address))
				string_list_add(out, list.items[j].address);
		address_list_release(&list);
	}
}

/* What a delivery noted of the envelope comes before what the author wrote. */
static void assume_envelope(struct explanation *explanation, const struct buffer *bytes)
{
	struct string_list found = {0};
	struct header header;
	const char *noted;

	header_init(&header);
	header_parse(&header, bytes->data, bytes->length);
	noted = header_get(&header, "Return-Path");
	if (explanation->sender == NULL) {
		explanation->is_sender_assumed = true;
		if (mail_file_is_of_null_sender(bytes))
			explanation->sender = xstrdup("");
		else if (noted != NULL)
			explanation->sender = address_from_envelope(noted);
		if (explanation->sender == NULL) {
			add_addresses(&header, "From", &found);
			explanation->sender = xstrdup(found.count > 0 ? found.items[0] : "");
			string_list_release(&found);
		}
	}
	if (explanation->recipients.count == 0) {
		explanation->are_recipients_assumed = true;
		add_addresses(&header, "X-Original-To", &explanation->recipients);
	}
	if (explanation->recipients.count == 0) {
		add_addresses(&header, "To", &explanation->recipients);
		add_addresses(&header, "Cc", &explanation->recipients);
		add_addresses(&header, "Bcc", &explanation->recipients);
	}
	header_release(&header);
}

/* Lines ended as the milter protocol has them: LF in a header, CR LF in a body. */
static void end_lines(struct buffer *out, const char *bytes, size_t length, const char *line_end)
{
	buffer_init(out, length * 2 + 1);
	for (size_t i = 0; i < length; i++) {
		if (bytes[i] == '\r' && i + 1 < length && bytes[i + 1] == '\n')
			continue;
		if (bytes[i] == '\n')
			(void)buffer_append_text(out, line_end);
		else
			(void)buffer_append_char(out, bytes[i]);
	}
}

static void play(struct session *session, struct explanation *explanation,
                 const struct buffer *bytes, bool is_authenticated)
{
	struct buffer lines, body;
	size_t body_at;

	session_begin(session, explanation->sender, is_authenticated);
	for (size_t i = 0; i < explanation->recipients.count; i++)
		session_add_rcpt(session, explanation->recipients.items[i]);
	end_lines(&lines, bytes->data, bytes->length, "\n");
	body_at = session_add_header(session, lines.data, lines.length);
	end_lines(&body, lines.data + body_at, lines.length - body_at, "\r\n");
	explanation->outcome.is_accepted = true;
	if (session_end_header(session)) {
		(void)session_add_body(session, (const unsigned char *)body.data, body.length);
		session_end_message(session, NULL, &explanation->outcome);
	}
	session_decision(session, &explanation->decision);
	buffer_release(&body);
	buffer_release(&lines);
}

static int rehearse(void *context, const struct record *record, struct recorded *out,
                    struct error *err)
{
	const struct explanation *explanation = context;

	return store_rehearse(explanation->store, record, out, err);
}

static void explain(struct policy_holder *policies, struct explanation *explanation,
                    const struct wishes *wishes, const struct buffer *bytes,
                    const struct sockaddr *client)
{
	const struct policy *policy = policy_acquire(policies);
	const struct rehearsal rehearsal = {rehearse, explanation};
	const struct services services = {.policies = policies,
	                                  .readers = readers_new(policy->config->store),
	                                  .rehearsal = &rehearsal};
	struct session *session = session_new(&services);

	explanation->config = policy->config;
	explanation->store =
		command_open_store(policy->config, STORE_READ, &explanation->store_error);
	assume_envelope(explanation, bytes);
	session_set_client(session, client);
	play(session, explanation, bytes, wishes->is_authenticated);
	if (wishes->is_json)
		explain_print_json(explanation);
	else
		explain_print_text(explanation);

	edit_list_release(&explanation->outcome.edits);
	session_free(session);
	readers_free(services.readers);
	store_close(explanation->store);
	policy_release(policies, policy);
}

static int run(struct invocation *invocation, const struct wishes *wishes)
{
	struct explanation explanation = {.file = invocation->argv[0]};
	struct policy_holder *policies = policy_holder_new();
	struct sockaddr_storage client;
	struct buffer bytes = {0};
	struct error err;
	int status = 0;

	if (wishes->client != NULL && !read_client(wishes->client, &client)) {
		status = command_usage_error(
			invocation, "\"%s\" is neither an IP address nor \"" CLIENT_LOCAL "\"",
			wishes->client);
		goto out;
	}
	if (wishes->sender != NULL) {
		explanation.sender = address_from_envelope(wishes->sender);
		if (explanation.sender == NULL) {
			status = command_usage_error(invocation, "\"%s\" is no address",
			                             wishes->sender);
			goto out;
		}
	}
	for (size_t i = 0; i < FLAG_VALUES_MAX && wishes->recipients[i] != NULL; i++)
		string_list_add(&explanation.recipients, wishes->recipients[i]);
	if (mail_file_read(explanation.file, &bytes) < 0) {
		command_complain("%s: cannot be read: %s", explanation.file, strerror(errno));
		status = EX_NOINPUT;
		goto out;
	}
	/* What the milter warns of stands in the explanation. */
	log_open("rejoinder", LOG_TARGET_STDERR, LOG_LEVEL_ERROR);
	if (policy_load(policies, invocation->config_path, &err) < 0) {
		command_complain("%s", err.text);
		status = EX_CONFIG;
		goto out;
	}
	explain(policies, &explanation, wishes, &bytes,
	        wishes->client != NULL ? (const struct sockaddr *)&client : NULL);
out:
	policy_holder_free(policies);
	buffer_release(&bytes);
	string_list_release(&explanation.recipients);
	free(explanation.sender);
	return status;
}

int command_explain(struct invocation *invocation)
{
	struct wishes wishes = {0};
	const struct flag flags[] = {{"from", 'f', NULL, &wishes.sender},
	                             {"rcpt", 'r', &wishes.has_recipients, wishes.recipients},
	                             {"authenticated", 'a', &wishes.is_authenticated, NULL},
	                             {"client", 0, NULL, &wishes.client},
	                             {"json", 'j', &wishes.is_json, NULL},
	                             {NULL, 0, NULL, NULL}};
	int status;

	if (!command_arguments(invocation, flags, 1, 1, &status))
		return status;
	return run(invocation, &wishes);
}
