#include "ctl/care.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ctl/output.h"
#include "lib/conversation/token.h"

/* With a reading connection first: a writing one may change the file before we know. */
int care_find(const struct invocation *invocation, const struct config *config,
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

int care_make(const struct config *config, int64_t conversation, care_change *change,
              const void *context)
{
	struct error err = {0};
	struct store *store = command_open_store(config, STORE_WRITE, &err);
	int rc = -1;

	if (store != NULL)
		rc = change(store, conversation, context, time(NULL),
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

void care_say(const struct conversation_row *row, const char *format, ...)
{
	char id[CONVERSATION_ID_SIZE];
	char *subject = output_clean(row->subject), *text, *clean;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	clean = output_clean(text);
	conversation_id_format(row->id, id);
	printf("%s %s: %s\n", id, clean, *subject == '\0' ? "(no subject)" : subject);
	free(clean);
	free(text);
	free(subject);
}
