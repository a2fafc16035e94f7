#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/output.h"
#include "lib/conversation/token.h"
#include "lib/store/query.h"

/* Find it with a reading connection first: a writing one may change the file before we know. */
static int find(struct invocation *invocation, const struct config *config,
                struct conversation_row *row_out)
{
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_READ, &err);
	int64_t id;
	int status;

	if (store == NULL) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	status = command_resolve(invocation, store, invocation->argv[0], &id);
	if (status == 0) {
		int rc = store_get_conversation(store, id, row_out, &err);

		if (rc < 0) {
			command_complain("%s", err.text);
			status = EX_TEMPFAIL;
		} else if (rc == 0) {
			command_complain("the conversation is gone");
			status = EXIT_NO_RESULT;
		}
	}
	store_close(store);
	return status;
}

static int set_closed(const struct config *config, int64_t conversation, bool is_closed)
{
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_WRITE, &err);
	int rc = -1;

	if (store != NULL)
		rc = store_set_closed(store, conversation, is_closed, time(NULL),
		                      store_clock_ms() + config->commit_timeout_ms, &err);
	store_close(store);
	if (rc < 0) {
		command_complain("%s", err.text);
		return EX_TEMPFAIL;
	}
	if (rc == 0) {
		command_complain("the conversation is gone");
		return EXIT_NO_RESULT;
	}
	return 0;
}

static int run(struct invocation *invocation, bool is_closed)
{
	const char *word = is_closed ? "closed" : "open";
	struct conversation_row row = {0};
	struct config *config;
	int status;

	if (!command_arguments(invocation, NULL, 1, 1, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	status = find(invocation, config, &row);
	if (status == 0 && row.is_closed != is_closed)
		status = set_closed(config, row.id, is_closed);
	if (status == 0) {
		char id[CONVERSATION_ID_SIZE];
		char *subject = output_clean(row.subject);

		conversation_id_format(row.id, id);
		printf("%s %s %s: %s\n", id, row.is_closed == is_closed ? "was already" : "is now",
		       word, *subject == '\0' ? "(no subject)" : subject);
		free(subject);
	}
	conversation_row_release(&row);
	config_free(config);
	return status;
}

int command_close(struct invocation *invocation)
{
	return run(invocation, true);
}

int command_reopen(struct invocation *invocation)
{
	return run(invocation, false);
}
