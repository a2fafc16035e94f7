/*
 * The milter's callbacks, called as libmilter calls them, in any order that it may
 * choose, with this file in libmilter's place.  What is asked of it must be what
 * Postfix would understand, and lawful: edits only at the end of a message, of
 * fields and recipients that are there, values without a line end that is none of
 * folding, no field of ours but those it put there itself.
 *
 * An input is a script, a line an event:
 *     N flags     negotiate, once at the beginning; flags as a number
 *     C address   connect: L local, I internal, else from outside
 *     A           what follows MAIL is authenticated
 *     M sender    R recipient    H name:value (a \ at its end: the next line goes on)
 *     .           end of header  B text: a piece of the body
 *     E n         end of message, the n-th edit of which fails; 0: none
 *     X           abort          Q  close
 * In all of them $T is a token, $M a mark of the fetcher, $A one of the scheduler.
 */

#include <arpa/inet.h>
#include <ctype.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/base/memory.h"
#include "lib/conversation/mark.h"
#include "lib/conversation/token.h"
#include "milter/server.h"

#define FIELDS_MAX 400
#define RCPTS_MAX  200
#define LINE_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model_field {
	char *name;
	bool is_ours; /* put there by the milter */
};

struct smfi_str {
	void *private;
	bool is_authenticated, is_ending;
	int edits_until_failure; /* 0: none fails */
	bool has_failed;
	unsigned long steps; /* agreed on */
	struct model_field fields[FIELDS_MAX];
	size_t field_count;
	char *rcpts[RCPTS_MAX];
	size_t rcpt_count;
};

static struct smfiDesc milter;
static char directory[] = "/tmp/rejoinder-fuzz-XXXXXX";
static struct policy_holder *policies;
static struct services services;
static char token[TOKEN_SIZE];

static const char configuration[] =
	"[rejoinder]\n"
	"domains = company.test\n"
	"senders = @company.test\n"
	"staff = @company.test\n"
	"internal_hosts = 127.0.0.0/8\n"
	"authserv_id = mx.company.test\n"
	"milter_socket = unix:/rejoinder-fuzz\n"
	"store = %s/store.db\n"
	"keys = %s/keys\n"
	"[account \"Replies\"]\n"
	"address = replies@company.test\n"
	"incoming = yes\noutgoing = yes\ndefault_incoming = yes\ndefault_outgoing = yes\n"
	"[account \"Sales\"]\n"
	"address = sales@company.test\n"
	"incoming = yes\noutgoing = yes\nfrom = account\ndeliver = both\nkeep_text = yes\n"
	"senders = bob@company.test\n"
	"[account \"Jobs\"]\n"
	"address = jobs@company.test\n"
	"incoming = yes\noutgoing = yes\nfrom = name\nreply_to = plain\ndeliver = none\n";

static void on_tick(void *context)
{
	(void)context;
}

static void stop_store(void)
{
	static const char *const names[] = {"rejoinder.conf", "keys",         "store.db",
	                                    "store.db-wal",   "store.db-shm", "store.db-lock"};
	struct committer_totals totals;

	committer_stop(services.committer, &totals);
	readers_free(services.readers);
	policy_holder_free(policies);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char path[80];

		snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
		unlink(path);
	}
	rmdir(directory);
}

/* Once a process: a configuration, keys and a store of its own. */
static void start(void)
{
	static char store_path[80];
	static struct committer_options options;
	char path[80], *keys, id;
	const struct policy *policy;
	struct error err;
	FILE *stream;

	log_open("fuzz_milter", LOG_TARGET_SYSLOG, LOG_LEVEL_ERROR);
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/rejoinder.conf", directory);
	snprintf(store_path, sizeof(store_path), "%s/store.db", directory);
	keys = xasprintf("%s/keys", directory);
	stream = fopen(path, "w");
	if (stream == NULL || fprintf(stream, configuration, directory, directory) < 0 ||
	    fclose(stream) != 0 || keyring_add(keys, time(NULL), &id, &err) != 0)
		abort();
	policies = policy_holder_new();
	if (policy_load(policies, path, &err) != 0) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	policy = policy_acquire(policies);
	token_make(token, &policy->keys, 4711, time(NULL), "company.test");
	policy_release(policies, policy);
	options = (struct committer_options){store_path, on_tick, NULL, NULL};
	services.policies = policies;
	services.committer = committer_start(&options);
	services.readers = readers_new(store_path);
	if (server_listen("unix:/rejoinder-fuzz", &services, &err) != 0)
		abort();
	free(keys);
	atexit(stop_store);
}

/*
 * In libmilter's place
 */

int smfi_register(struct smfiDesc description)
{
	milter = description;
	return MI_SUCCESS;
}

int smfi_setconn(char *name)
{
	(void)name;
	return MI_SUCCESS;
}

int smfi_setbacklog(int length)
{
	(void)length;
	return MI_SUCCESS;
}

size_t smfi_setmaxdatasize(size_t size)
{
	return size;
}

int smfi_opensocket(bool removes)
{
	(void)removes;
	return MI_SUCCESS;
}

int smfi_main(void)
{
	return MI_SUCCESS;
}

int smfi_setsymlist(SMFICTX *ctx, int where, char *list)
{
	(void)ctx;
	(void)where;
	(void)list;
	return MI_SUCCESS;
}

int smfi_setpriv(SMFICTX *ctx, void *private)
{
	ctx->private = private;
	return MI_SUCCESS;
}

void *smfi_getpriv(SMFICTX *ctx)
{
	return ctx->private;
}

char *smfi_getsymval(SMFICTX *ctx, char *name)
{
	static char queue_id[] = "4XYZ0123", login[] = "jane";

	if (strcmp(name, "i") == 0)
		return queue_id;
	return ctx->is_authenticated ? login : NULL;
}

int smfi_setreply(SMFICTX *ctx, char *code, char *status, char *text)
{
	(void)ctx;
	if (strlen(code) != 3 || (code[0] != '4' && code[0] != '5') || status[0] != code[0] ||
	    status[1] != '.' || strpbrk(text, "\r\n%") != NULL)
		abort();
	return MI_SUCCESS;
}

/* Is an edit lawful now, and will it succeed? */
static bool begin_edit(SMFICTX *ctx)
{
	if (!ctx->is_ending || ctx->has_failed)
		abort();
	if (ctx->edits_until_failure > 0 && --ctx->edits_until_failure == 0)
		ctx->has_failed = true;
	return !ctx->has_failed;
}

static void check_field(const char *name, const char *value)
{
	if (name[0] == '\0')
		abort();
	for (const char *c = name; *c != '\0'; c++)
		if (!isgraph((unsigned char)*c) || *c == ':')
			abort();
	for (const char *c = value; *c != '\0'; c++)
		if (*c == '\r' || (*c == '\n' && c[1] != ' ' && c[1] != '\t'))
			abort();
}

int smfi_insheader(SMFICTX *ctx, int index, char *name, char *value)
{
	check_field(name, value);
	if (index < 0)
		abort();
	if (!begin_edit(ctx))
		return MI_FAILURE;
	if (ctx->field_count == FIELDS_MAX)
		return MI_SUCCESS;
	memmove(&ctx->fields[1], &ctx->fields[0], ctx->field_count * sizeof(ctx->fields[0]));
	ctx->fields[0] = (struct model_field){xstrdup(name), true};
	ctx->field_count++;
	return MI_SUCCESS;
}

int smfi_chgheader(SMFICTX *ctx, char *name, int index, char *value)
{
	size_t at = 0;

	check_field(name, value != NULL ? value : "");
	/* A change of what is not there would add it. */
	for (; at < ctx->field_count; at++)
		if (strcasecmp(ctx->fields[at].name, name) == 0 && --index == 0)
			break;
	if (at == ctx->field_count)
		abort();
	if (!begin_edit(ctx))
		return MI_FAILURE;
	if (value != NULL)
		return MI_SUCCESS;
	free(ctx->fields[at].name);
	ctx->field_count--;
	memmove(&ctx->fields[at], &ctx->fields[at + 1],
	        (ctx->field_count - at) * sizeof(ctx->fields[0]));
	return MI_SUCCESS;
}

static void check_address(const char *address)
{
	if (address[0] == '\0' || strpbrk(address, "\r\n") != NULL)
		abort();
}

int smfi_addrcpt(SMFICTX *ctx, char *rcpt)
{
	check_address(rcpt);
	if (!begin_edit(ctx))
		return MI_FAILURE;
	if (ctx->rcpt_count < RCPTS_MAX)
		ctx->rcpts[ctx->rcpt_count++] = xstrdup(rcpt);
	return MI_SUCCESS;
}

int smfi_delrcpt(SMFICTX *ctx, char *rcpt)
{
	size_t at = 0;

	while (at < ctx->rcpt_count && strcmp(ctx->rcpts[at], rcpt) != 0)
		at++;
	if (at == ctx->rcpt_count)
		abort();
	if (!begin_edit(ctx))
		return MI_FAILURE;
	free(ctx->rcpts[at]);
	ctx->rcpts[at] = ctx->rcpts[--ctx->rcpt_count];
	return MI_SUCCESS;
}

int smfi_chgfrom(SMFICTX *ctx, char *sender, char *arguments)
{
	(void)arguments;
	check_address(sender);
	return begin_edit(ctx) ? MI_SUCCESS : MI_FAILURE;
}

/*
 * In Postfix's place
 */

static void forget_message(SMFICTX *ctx)
{
	while (ctx->field_count > 0)
		free(ctx->fields[--ctx->field_count].name);
	while (ctx->rcpt_count > 0)
		free(ctx->rcpts[--ctx->rcpt_count]);
}

static void check_answer(const SMFICTX *ctx, sfsistat answer, unsigned long step)
{
	if (answer == SMFIS_NOREPLY ? (ctx->steps & step) == 0
	                            : answer != SMFIS_CONTINUE && answer != SMFIS_TEMPFAIL)
		abort();
}

static bool is_ours(const char *name)
{
	return strcasecmp(name, "Rejoinder") == 0 || strncasecmp(name, "Rejoinder-", 10) == 0;
}

static void end_message(SMFICTX *ctx, const char *argument, size_t given_rcpts)
{
	sfsistat answer;

	ctx->edits_until_failure = atoi(argument);
	ctx->has_failed = false;
	ctx->is_ending = true;
	answer = milter.xxfi_eom(ctx);
	ctx->is_ending = false;
	if (answer != SMFIS_ACCEPT && answer != SMFIS_TEMPFAIL && answer != SMFIS_REJECT &&
	    answer != SMFIS_DISCARD)
		abort();
	/* Half of the edits must not go through. */
	if (ctx->has_failed && answer != SMFIS_TEMPFAIL)
		abort();
	if (answer != SMFIS_ACCEPT)
		return;
	for (size_t i = 0; i < ctx->field_count; i++)
		if (is_ours(ctx->fields[i].name) && !ctx->fields[i].is_ours)
			abort();
	/* Postfix would drop it without a word. */
	if (given_rcpts > 0 && ctx->rcpt_count == 0)
		abort();
}

static void connect_as(SMFICTX *ctx, const char *argument)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25000)};
	char name[] = "client.example.org";

	inet_pton(AF_INET, argument[0] == 'L' || argument[0] == 'I' ? "127.0.0.1" : "192.0.2.1",
	          &address.sin_addr);
	if (argument[0] == 'L')
		address.sin_port = 0;
	check_answer(ctx, milter.xxfi_connect(ctx, name, (struct sockaddr *)&address),
	             SMFIP_NR_CONN);
}

/* name:value into a field as Postfix hands it over: without line ends but LF in folds. */
static void give_field(SMFICTX *ctx, char *text)
{
	char *value = strchr(text, ':');
	size_t length = strcspn(text, ":");

	if (value == NULL || length == 0 || ctx->field_count == FIELDS_MAX)
		return;
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)text[i]))
			return;
	*value++ = '\0';
	while (*value == ' ')
		value++;
	ctx->fields[ctx->field_count++] = (struct model_field){xstrdup(text), false};
	check_answer(ctx, milter.xxfi_header(ctx, text, value), SMFIP_NR_HDR);
}

/* $T, $M and $A replaced; NUL ends it, as it does in Postfix. */
static void expand(char out[LINE_BYTES], const char *line, size_t length)
{
	const struct policy *policy = policy_acquire(policies);
	char mark[MARK_SIZE];
	size_t at = 0;

	for (size_t i = 0; i < length && line[i] != '\0' && at < LINE_BYTES - MARK_SIZE - 1; i++) {
		const char *word = mark;

		if (line[i] != '$' || i + 1 == length || strchr("TMA", line[i + 1]) == NULL) {
			out[at++] = line[i];
			continue;
		}
		if (line[i + 1] == 'T')
			word = token;
		else
			mark_make(mark, &policy->keys,
			          line[i + 1] == 'M' ? MARK_FETCHED : MARK_ALERT, "Jobs",
			          time(NULL));
		strcpy(out + at, word);
		at += strlen(word);
		i++;
	}
	out[at] = '\0';
	policy_release(policies, policy);
}

/* Where in a message the script is: libmilter lets no event come at another place. */
enum place { AT_START, IN_ENVELOPE, IN_HEADER, IN_BODY };

static bool run_event(SMFICTX *ctx, enum place *place, size_t *given_rcpts, char *event)
{
	char *argument = event[0] != '\0' && event[1] == ' ' ? event + 2 : event + 1;
	char *arguments[2] = {argument, NULL};
	sfsistat answer;

	switch (event[0]) {
	case 'A':
		ctx->is_authenticated = true;
		return true;
	case 'M':
		forget_message(ctx);
		*given_rcpts = 0;
		*place = IN_ENVELOPE;
		check_answer(ctx, milter.xxfi_envfrom(ctx, arguments), SMFIP_NR_MAIL);
		return true;
	case 'R':
		if (*place != IN_ENVELOPE || argument[0] == '\0' || ctx->rcpt_count == RCPTS_MAX)
			return true;
		ctx->rcpts[ctx->rcpt_count++] = xstrdup(argument);
		(*given_rcpts)++;
		check_answer(ctx, milter.xxfi_envrcpt(ctx, arguments), SMFIP_NR_RCPT);
		return true;
	case 'H':
		if (*place == AT_START || *place == IN_BODY)
			return true;
		*place = IN_HEADER;
		give_field(ctx, argument);
		return true;
	case '.':
		if (*place == AT_START || *place == IN_BODY)
			return true;
		answer = milter.xxfi_eoh(ctx);
		if (answer != SMFIS_CONTINUE && answer != SMFIS_ACCEPT && answer != SMFIS_TEMPFAIL)
			abort();
		*place = answer == SMFIS_CONTINUE ? IN_BODY : AT_START;
		return true;
	case 'B':
		if (*place == IN_BODY) {
			answer = milter.xxfi_body(ctx, (unsigned char *)argument, strlen(argument));
			if (answer != SMFIS_CONTINUE && answer != SMFIS_TEMPFAIL &&
			    !(answer == SMFIS_SKIP && ctx->steps & SMFIP_SKIP))
				abort();
		}
		return true;
	case 'E':
		if (*place == IN_BODY)
			end_message(ctx, argument, *given_rcpts);
		*place = AT_START;
		return true;
	case 'X':
		milter.xxfi_abort(ctx);
		*place = AT_START;
		return true;
	case 'Q':
		return false;
	default:
		return true;
	}
}

static void negotiate(SMFICTX *ctx, const char *argument)
{
	unsigned long wanted = strtoul(argument, NULL, 0);
	unsigned long actions = 0, none2 = 0, none3 = 0;

	if (wanted == 0)
		wanted = SMFIP_SKIP | SMFIP_NR_CONN | SMFIP_NR_MAIL | SMFIP_NR_RCPT | SMFIP_NR_HDR;
	if (milter.xxfi_negotiate(ctx, 0x1ff, wanted, 0, 0, &actions, &ctx->steps, &none2,
	                          &none3) != SMFIS_CONTINUE ||
	    (ctx->steps & ~wanted) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char event[LINE_BYTES];
	const char *at = (const char *)data, *end = at + size;
	struct smfi_str ctx = {0};
	enum place place = AT_START;
	size_t given_rcpts = 0;
	bool goes_on = true, is_connected = false;

	if (policies == NULL)
		start();
	while (at < end && goes_on) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));

		/* A field whose line ends in \ goes on: its line end stands in the value. */
		while (line_end != NULL && *at == 'H' && line_end > at && line_end[-1] == '\\' &&
		       line_end + 1 < end && (line_end[1] == ' ' || line_end[1] == '\t'))
			line_end = memchr(line_end + 1, '\n', (size_t)(end - line_end - 1));
		expand(event, at, line_end != NULL ? (size_t)(line_end - at) : (size_t)(end - at));
		at = line_end != NULL ? line_end + 1 : end;
		if (event[0] == 'N' && !is_connected && ctx.private == NULL)
			negotiate(&ctx, event + 1);
		else if (event[0] == 'C' && !is_connected)
			connect_as(&ctx, event + 1 + (event[1] == ' ')), is_connected = true;
		else
			goes_on = run_event(&ctx, &place, &given_rcpts, event);
	}
	milter.xxfi_close(&ctx);
	forget_message(&ctx);
	if (ctx.private != NULL)
		abort();
	return 0;
}
