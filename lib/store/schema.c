#include "lib/store/schema.h"

#include <stdio.h>

#include "lib/store/database.h"

#define APPLICATION_ID 0x526a6e72 /* "Rjnr" */

static const char schema_1[] =
	"CREATE TABLE conversation (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0), -- 42 bits of ms, 6 of node, 15 of a counter\n"
	"    created_at INTEGER NOT NULL,           -- Unix seconds, as every ..._at\n"
	"    updated_at INTEGER NOT NULL,           -- of its newest message or change\n"
	"    subject TEXT,                          -- of its first message\n"
	"    reference TEXT,                        -- business document: Sales Order SO-0001\n"
	"    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),\n"
	"    owner TEXT,                            -- address of the last human staff sender\n"
	"    is_owner_pinned INTEGER NOT NULL DEFAULT 0 CHECK (is_owner_pinned IN (0, 1)),\n"
	"    account TEXT                           -- name of the account it began under\n"
	") STRICT;\n"
	"CREATE INDEX conversation_by_activity ON conversation (updated_at, account);\n"
	"CREATE TABLE message (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    conversation INTEGER NOT NULL REFERENCES conversation (id),\n"
	"    dedupe_key BLOB NOT NULL UNIQUE CHECK (length(dedupe_key) = 32), -- SHA-256\n"
	"    direction TEXT NOT NULL CHECK (direction IN ('out', 'in', 'internal')),\n"
	"    class TEXT NOT NULL CHECK (class IN ('human', 'auto-reply', 'bounce', 'receipt',\n"
	"        'complaint', 'list', 'spam', 'notification')),\n"
	"    rule TEXT,                 -- that decided the class\n"
	"    match TEXT NOT NULL CHECK (match IN ('token', 'own-id', 'in-reply-to',\n"
	"        'references', 'named', 'report', 'new')), -- how the conversation was found\n"
	"    msgid TEXT,                -- Message-ID with its brackets\n"
	"    from_address TEXT,         -- as found in From\n"
	"    subject TEXT,\n"
	"    received_at INTEGER NOT NULL,\n"
	"    account TEXT,              -- name of the account; NULL: tracked only\n"
	"    auth TEXT CHECK (auth IN ('pass', 'fail', 'none')), -- Authentication-Results\n"
	"    text TEXT,                 -- its first KiB of new text, where an account keeps it\n"
	"    is_known_sender INTEGER NOT NULL CHECK (is_known_sender IN (0, 1)),\n"
	"                               -- From was a participant before this message\n"
	"    owner TEXT,                -- of the conversation when this was recorded\n"
	"    related INTEGER            -- another conversation that it points to\n"
	") STRICT;\n"
	"CREATE INDEX message_by_conversation ON message (conversation, received_at);\n"
	"CREATE TABLE recipient (\n"
	"    message INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,\n"
	"    address TEXT NOT NULL COLLATE NOCASE, -- of the envelope, at most 200 of a message\n"
	"    PRIMARY KEY (message, address)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE message_id (\n"
	"    msgid TEXT NOT NULL,       -- with its brackets\n"
	"    relation TEXT NOT NULL CHECK (relation IN ('has', 'names')),\n"
	"    message INTEGER NOT NULL,  -- that has this id, or names it; may be purged\n"
	"    PRIMARY KEY (msgid, relation, message)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE participant (\n"
	"    conversation INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,\n"
	"    address TEXT NOT NULL,     -- lower case\n"
	"    PRIMARY KEY (conversation, address)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE delivery (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    message INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,\n"
	"    arrival TEXT NOT NULL CHECK (arrival IN ('smtp', 'local', 'fetch')),\n"
	"    queue_id TEXT,             -- of Postfix\n"
	"    client TEXT,               -- address of the SMTP client\n"
	"    account TEXT,              -- it came for\n"
	"    received_at INTEGER NOT NULL,\n"
	"    UNIQUE (message, queue_id) -- a NULL is like no other\n"
	") STRICT;\n"
	"CREATE TABLE wait (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    conversation INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,\n"
	"    customer TEXT NOT NULL,    -- From of the message that started it, lower case\n"
	"    reply_to TEXT,             -- where he wants the answer, lower case\n"
	"    started_at INTEGER NOT NULL,\n"
	"    started_by INTEGER NOT NULL, -- message\n"
	"    ended_at INTEGER,          -- NULL: it runs\n"
	"    ended_by INTEGER           -- message that answered\n"
	") STRICT;\n"
	"CREATE UNIQUE INDEX wait_running ON wait (conversation, customer)\n"
	"    WHERE ended_at IS NULL;\n"
	"CREATE INDEX wait_by_start ON wait (started_at) WHERE ended_at IS NULL;\n"
	"CREATE INDEX wait_by_answer ON wait (ended_by) WHERE ended_by IS NOT NULL;\n"
	"CREATE INDEX wait_by_conversation ON wait (conversation, ended_at);\n"
	"CREATE TABLE failure (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    message INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,\n"
	"                               -- outbound, that a report speaks of\n"
	"    recipient TEXT NOT NULL COLLATE NOCASE, -- '' if the report does not say\n"
	"    action TEXT NOT NULL CHECK (action IN ('failed', 'delayed', 'delivered', 'relayed',\n"
	"        'expanded', 'unknown')), -- RFC 3464 2.3.3\n"
	"    status TEXT,               -- RFC 3463: 5.1.1\n"
	"    diagnostic TEXT,\n"
	"    reported_by INTEGER NOT NULL, -- message: the report\n"
	"    reported_at INTEGER NOT NULL\n"
	") STRICT;\n"
	"CREATE INDEX failure_by_message ON failure (message, action);\n"
	"CREATE TABLE relation (\n"
	"    conversation INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,\n"
	"    other INTEGER NOT NULL REFERENCES conversation (id) ON DELETE CASCADE,\n"
	"                               -- that a message of the first one points to as well\n"
	"    PRIMARY KEY (conversation, other),\n"
	"    CHECK (conversation <> other)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX relation_by_other ON relation (other);\n"
	"CREATE TABLE counter (\n"
	"    name TEXT NOT NULL PRIMARY KEY,\n"
	"    value INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n";

/*
 * Waits of closed conversations were planned for never, by triggers, since whoever
 * closes a conversation often leaves a "thank you" unanswered: nothing that
 * looked for the next due wait should meet them.
 */
static const char schema_2[] =
	"CREATE TABLE uidl (\n"
	"    account TEXT NOT NULL,     -- name of the account whose inbox it stands in\n"
	"    uidl TEXT NOT NULL CHECK (uidl <> ''), -- of the server, never cut\n"
	"    state TEXT NOT NULL CHECK (state IN ('delivered', 'skipped', 'too-large',\n"
	"        'refused')),\n"
	"    done_at INTEGER NOT NULL,  -- when it came to that state\n"
	"    PRIMARY KEY (account, uidl)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE inbox (\n"
	"    account TEXT NOT NULL PRIMARY KEY,\n"
	"    polled_at INTEGER NOT NULL,    -- start of the last poll, 0: never\n"
	"    succeeded_at INTEGER NOT NULL, -- end of the last one that did all, 0: never\n"
	"    next_poll_at INTEGER NOT NULL, -- 0: now\n"
	"    failure_count INTEGER NOT NULL CHECK (failure_count >= 0), -- in a row\n"
	"    backlog INTEGER NOT NULL CHECK (backlog >= 0),     -- not dealt with yet\n"
	"    on_server INTEGER NOT NULL CHECK (on_server >= 0), -- messages\n"
	"    delivered_total INTEGER NOT NULL CHECK (delivered_total >= 0),\n"
	"    error TEXT                     -- of the last poll, in words\n"
	") STRICT, WITHOUT ROWID;\n"
	"-- when the level is passed; NULL: not computed yet; the greatest integer: never\n"
	"ALTER TABLE wait ADD COLUMN due_at INTEGER;\n"
	"-- the next one to pass\n"
	"ALTER TABLE wait ADD COLUMN level INTEGER NOT NULL DEFAULT 0 CHECK (level >= 0);\n"
	"CREATE INDEX wait_due ON wait (due_at, started_at) WHERE ended_at IS NULL;\n"
	"CREATE TRIGGER conversation_closes AFTER UPDATE OF state ON conversation\n"
	"    WHEN new.state = 'closed' AND old.state <> 'closed' BEGIN\n"
	"    UPDATE wait SET due_at = 9223372036854775807\n"
	"        WHERE conversation = new.id AND ended_at IS NULL;\n"
	"END;\n"
	"CREATE TRIGGER conversation_opens AFTER UPDATE OF state ON conversation\n"
	"    WHEN new.state = 'open' AND old.state <> 'open' BEGIN\n"
	"    UPDATE wait SET due_at = NULL WHERE conversation = new.id AND ended_at IS NULL;\n"
	"END;\n"
	"UPDATE wait SET due_at = 9223372036854775807 WHERE ended_at IS NULL\n"
	"    AND conversation IN (SELECT id FROM conversation WHERE state = 'closed');\n"
	"CREATE TABLE notice (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    recipient TEXT NOT NULL,   -- lower case\n"
	"    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent', 'dropped')),\n"
	"    created_at INTEGER NOT NULL,\n"
	"    leased_until INTEGER NOT NULL DEFAULT 0, -- nobody takes it before; 0: never taken\n"
	"    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- times taken\n"
	"    ended_at INTEGER,          -- when it was sent or dropped\n"
	"    CHECK ((state = 'open') = (ended_at IS NULL))\n"
	") STRICT;\n"
	"CREATE INDEX notice_by_state ON notice (state, leased_until);\n"
	"CREATE TABLE alert (\n"
	"    wait INTEGER NOT NULL REFERENCES wait (id) ON DELETE CASCADE,\n"
	"    level INTEGER NOT NULL CHECK (level >= 0), -- that was passed\n"
	"    recipient TEXT NOT NULL,   -- lower case\n"
	"    notice INTEGER NOT NULL REFERENCES notice (id) ON DELETE CASCADE,\n"
	"                               -- the mail that says so\n"
	"    due_at INTEGER NOT NULL,   -- when it was passed\n"
	"    is_running INTEGER NOT NULL DEFAULT 1 CHECK (is_running IN (0, 1)),\n"
	"                               -- the wait, when the notice was last taken\n"
	"    PRIMARY KEY (wait, level, recipient)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE INDEX alert_by_notice ON alert (notice);\n";

/*
 * Who was counted against a daily limit stands with the recipients of a message:
 * most of them are there anyway, and a repeat must find each.
 *
 * What closes a conversation ends its waits, so that a later question is a wait of its own.
 */
static const char schema_3[] =
	"-- what the business calls it, from its account: Issue, Lead\n"
	"ALTER TABLE conversation ADD COLUMN reference_type TEXT;\n"
	"-- its waits pass no level before; NULL: they pass them as they come\n"
	"ALTER TABLE conversation ADD COLUMN snoozed_until INTEGER;\n"
	"-- NULL: it runs\n"
	"ALTER TABLE wait ADD COLUMN end_reason TEXT\n"
	"    CHECK (end_reason IN ('answered', 'closed'));\n"
	"DROP TRIGGER conversation_closes;\n"
	"DROP TRIGGER conversation_opens;\n"
	"UPDATE wait SET end_reason = 'answered' WHERE ended_at IS NOT NULL;\n"
	"UPDATE wait SET end_reason = 'closed', ended_at = (SELECT max(c.updated_at,\n"
	"    wait.started_at) FROM conversation c WHERE c.id = wait.conversation)\n"
	"    WHERE ended_at IS NULL\n"
	"    AND conversation IN (SELECT id FROM conversation WHERE state = 'closed');\n"
	"CREATE TABLE action_done (\n"
	"    notice INTEGER NOT NULL REFERENCES notice (id) ON DELETE CASCADE,\n"
	"    action TEXT NOT NULL CHECK (action IN ('close', 'snooze', 'take-over')),\n"
	"    done_at INTEGER NOT NULL,\n"
	"    done_by TEXT NOT NULL,     -- address of the staff sender\n"
	"    mail BLOB CHECK (length(mail) = 32), -- dedupe key of the mail that asked for it\n"
	"    PRIMARY KEY (notice, action)\n"
	") STRICT, WITHOUT ROWID;\n"
	"-- against the daily limit of the account; such recipients are all kept\n"
	"ALTER TABLE recipient ADD COLUMN is_counted INTEGER NOT NULL DEFAULT 0\n"
	"    CHECK (is_counted IN (0, 1));\n"
	"-- for the rate caps\n"
	"CREATE INDEX message_by_sender ON message\n"
	"    (from_address COLLATE NOCASE, received_at)\n"
	"    WHERE direction = 'in' AND class = 'human';\n"
	"CREATE TABLE account_day (\n"
	"    account TEXT NOT NULL,     -- name of the account that sent\n"
	"    day INTEGER NOT NULL,      -- days since 1970-01-01 UTC\n"
	"    count INTEGER NOT NULL CHECK (count >= 0), -- recipients that count\n"
	"    released INTEGER NOT NULL DEFAULT 0 CHECK (released >= 0),\n"
	"                               -- recipients to whom its relay was opened\n"
	"    PRIMARY KEY (account, day)\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE letter (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    kind TEXT NOT NULL CHECK (kind IN ('acknowledgement', 'limit-near',\n"
	"        'limit-reached', 'sender-capped')),\n"
	"    recipient TEXT,            -- lower case; NULL: the operator\n"
	"    account TEXT CHECK (account IS NOT NULL OR kind = 'sender-capped'), -- its name\n"
	"    sender TEXT CHECK ((sender IS NOT NULL) = (kind = 'sender-capped')),\n"
	"                               -- lower case: who is past a rate cap\n"
	"    message INTEGER REFERENCES message (id) ON DELETE CASCADE,\n"
	"                               -- that is acknowledged, or passed the cap\n"
	"    named_ids TEXT,            -- which it names, the nearest last, at most 4 KiB\n"
	"    day INTEGER NOT NULL,      -- of its cause, days since 1970-01-01 UTC\n"
	"    count INTEGER,             -- recipients of that day when a limit was passed;\n"
	"                               -- or the messages that the cap allows\n"
	"    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent', 'dropped')),\n"
	"    created_at INTEGER NOT NULL,\n"
	"    leased_until INTEGER NOT NULL DEFAULT 0, -- nobody takes it before; 0: never taken\n"
	"    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- times taken\n"
	"    ended_at INTEGER,          -- when it was sent or dropped\n"
	"    CHECK ((state = 'open') = (ended_at IS NULL))\n"
	") STRICT;\n"
	"CREATE TABLE digest (\n"
	"    account TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, -- its name\n"
	"    day INTEGER NOT NULL       -- local, of its last daily digest, since 1970-01-01\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE UNIQUE INDEX letter_by_recipient ON letter (recipient, day, kind)\n"
	"    WHERE recipient IS NOT NULL;\n"
	"CREATE UNIQUE INDEX letter_by_account ON letter (account, day, kind)\n"
	"    WHERE recipient IS NULL AND sender IS NULL;\n"
	"CREATE UNIQUE INDEX letter_by_sender ON letter (sender, day) WHERE sender IS NOT NULL;\n"
	"CREATE INDEX letter_by_state ON letter (state, leased_until);\n"
	"CREATE INDEX letter_by_message ON letter (message) WHERE message IS NOT NULL;\n";

/* Letters know more kinds, which no ALTER TABLE can say. */
static const char schema_4[] =
	"-- NULL: it is open, or it was closed before this was kept\n"
	"ALTER TABLE conversation ADD COLUMN closed_at INTEGER;\n"
	"-- the closed one that its first message answers\n"
	"ALTER TABLE conversation ADD COLUMN continues INTEGER\n"
	"    REFERENCES conversation (id) ON DELETE SET NULL;\n"
	"CREATE INDEX conversation_by_continued ON conversation (continues)\n"
	"    WHERE continues IS NOT NULL;\n"
	"-- the display name in From, decoded\n"
	"ALTER TABLE message ADD COLUMN from_name TEXT;\n"
	"-- how long it was, once it has ended: never computed again\n"
	"ALTER TABLE wait ADD COLUMN wall_s INTEGER;\n"
	"-- by the calendar of its account; NULL: it has none\n"
	"ALTER TABLE wait ADD COLUMN business_s INTEGER;\n"
	"UPDATE wait SET wall_s = max(0, ended_at - started_at) WHERE ended_at IS NOT NULL;\n"
	"CREATE INDEX wait_by_end ON wait (ended_at) WHERE ended_at IS NOT NULL;\n"
	"CREATE TABLE new_letter (\n"
	"    id INTEGER PRIMARY KEY CHECK (id > 0),\n"
	"    kind TEXT NOT NULL CHECK (kind IN ('acknowledgement', 'limit-near',\n"
	"        'limit-reached', 'sender-capped', 'trouble-began', 'trouble-ended')),\n"
	"    recipient TEXT,            -- lower case; NULL: the operator\n"
	"    account TEXT CHECK (account IS NOT NULL OR kind IN ('sender-capped',\n"
	"        'trouble-began', 'trouble-ended')), -- its name\n"
	"    sender TEXT CHECK ((sender IS NOT NULL) = (kind = 'sender-capped')),\n"
	"                               -- lower case: who is past a rate cap\n"
	"    message INTEGER REFERENCES message (id) ON DELETE CASCADE,\n"
	"                               -- that is acknowledged, or passed the cap\n"
	"    named_ids TEXT,            -- which it names, the nearest last, at most 4 KiB\n"
	"    trouble TEXT CHECK ((trouble IS NOT NULL) = (kind IN ('trouble-began',\n"
	"        'trouble-ended'))),    -- its name\n"
	"    detail TEXT,               -- of a trouble, in words\n"
	"    since INTEGER,             -- when the trouble began\n"
	"    day INTEGER NOT NULL,      -- of its cause, days since 1970-01-01 UTC\n"
	"    count INTEGER,             -- recipients of that day when a limit was passed;\n"
	"                               -- or the messages that the cap allows; of a trouble\n"
	"                               -- the tries that came to nothing\n"
	"    state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent', 'dropped')),\n"
	"    created_at INTEGER NOT NULL,\n"
	"    leased_until INTEGER NOT NULL DEFAULT 0, -- nobody takes it before; 0: never taken\n"
	"    attempts INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0), -- times taken\n"
	"    ended_at INTEGER,          -- when it was sent or dropped\n"
	"    CHECK ((state = 'open') = (ended_at IS NULL))\n"
	") STRICT;\n"
	"INSERT INTO new_letter (id, kind, recipient, account, sender, message, named_ids, day,\n"
	"    count, state, created_at, leased_until, attempts, ended_at)\n"
	"    SELECT id, kind, recipient, account, sender, message, named_ids, day,\n"
	"    count, state, created_at, leased_until, attempts, ended_at FROM letter;\n"
	"DROP TABLE letter;\n"
	"ALTER TABLE new_letter RENAME TO letter;\n"
	"CREATE UNIQUE INDEX letter_by_recipient ON letter (recipient, day, kind)\n"
	"    WHERE recipient IS NOT NULL;\n"
	"CREATE UNIQUE INDEX letter_by_account ON letter (account, day, kind)\n"
	"    WHERE recipient IS NULL AND sender IS NULL AND trouble IS NULL;\n"
	"CREATE UNIQUE INDEX letter_by_sender ON letter (sender, day) WHERE sender IS NOT NULL;\n"
	"CREATE INDEX letter_by_state ON letter (state, leased_until);\n"
	"CREATE INDEX letter_by_message ON letter (message) WHERE message IS NOT NULL;\n"
	"CREATE TABLE trouble (         -- that lasts now, and the operator was told of\n"
	"    name TEXT NOT NULL PRIMARY KEY, -- inbox Support, relay Sales, disk\n"
	"    since INTEGER NOT NULL,\n"
	"    detail TEXT NOT NULL       -- in words, when he was told\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE upkeep (          -- what is done each night\n"
	"    task TEXT NOT NULL PRIMARY KEY CHECK (task IN ('backup', 'check', 'purge')),\n"
	"    tried_at INTEGER NOT NULL,\n"
	"    done_at INTEGER,           -- the last time that it went well; NULL: never\n"
	"    error TEXT                 -- of the last time, in words; NULL: it went well\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE relay (           -- at which Postfix cannot be told how to sign in\n"
	"    account TEXT NOT NULL PRIMARY KEY,\n"
	"    since INTEGER NOT NULL,\n"
	"    tried_at INTEGER NOT NULL, -- the last time that it changed\n"
	"    error TEXT NOT NULL        -- in words\n"
	") STRICT, WITHOUT ROWID;\n"
	"CREATE TABLE daemon (          -- what was started last\n"
	"    name TEXT NOT NULL PRIMARY KEY CHECK (name IN ('rejoinder-milter',\n"
	"        'rejoinder-fetcher', 'rejoinder-scheduler')),\n"
	"    version TEXT NOT NULL,\n"
	"    pid INTEGER NOT NULL,\n"
	"    started_at INTEGER NOT NULL\n"
	") STRICT, WITHOUT ROWID;\n";

static const char schema_5[] =
	"CREATE TABLE maildrop (        -- of an account, as its inbox is\n"
	"    account TEXT NOT NULL PRIMARY KEY,\n"
	"    name TEXT,                 -- user@host; NULL: not known\n"
	"    old_before INTEGER NOT NULL, -- until is_chosen what came before is left\n"
	"    is_chosen INTEGER NOT NULL CHECK (is_chosen IN (0, 1)), -- all there is judged\n"
	"    broken_uidl TEXT,          -- where the last poll broke off\n"
	"    broken_count INTEGER NOT NULL CHECK (broken_count >= 0), -- in a row\n"
	"    broken_at INTEGER NOT NULL -- the last time\n"
	") STRICT, WITHOUT ROWID;\n"
	"INSERT INTO maildrop SELECT account, NULL, 0, succeeded_at > 0 OR backlog > 0\n"
	"    OR EXISTS (SELECT 1 FROM uidl u WHERE u.account = inbox.account), NULL, 0, 0\n"
	"    FROM inbox;\n";

/* The entry at i leads from version i to version i + 1; what was once released stays as it is. */
static const char *const migrations[] = {
	schema_1, schema_2, schema_3, schema_4, schema_5,
};

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) == STORE_SCHEMA_VERSION,
               "one migration a version");

int schema_version(struct store *store, int *out, struct error *err)
{
	int64_t version;

	if (read_number(store, "PRAGMA user_version", &version, err) < 0)
		return -1;
	*out = (int)version;
	return 0;
}

int schema_check_owner(struct store *store, struct error *err)
{
	int64_t application, table_count;

	if (read_number(store, "PRAGMA application_id", &application, err) < 0 ||
	    read_number(store, "SELECT count(*) FROM sqlite_schema", &table_count, err) < 0)
		return -1;
	if (application == APPLICATION_ID || (application == 0 && table_count == 0))
		return 0;
	return error_set(err, ERROR_CORRUPT,
	                 "cannot %s in %s: it is the database of another program", store->doing,
	                 store->path);
}

static int fail_as_newer(struct store *store, int version, struct error *err)
{
	return error_set(err, ERROR_CONFIG,
	                 "cannot %s in %s: a newer Rejoinder wrote it (schema %d, ours is %d)",
	                 store->doing, store->path, version, STORE_SCHEMA_VERSION);
}

int schema_check(struct store *store, struct error *err)
{
	int version;

	if (schema_check_owner(store, err) < 0 || schema_version(store, &version, err) < 0)
		return -1;
	if (version > STORE_SCHEMA_VERSION)
		return fail_as_newer(store, version, err);
	if (version < STORE_SCHEMA_VERSION)
		return error_set(err, ERROR_TEMPORARY,
		                 "cannot %s in %s: its schema %d awaits migration to %d by the "
		                 "milter",
		                 store->doing, store->path, version, STORE_SCHEMA_VERSION);
	return 0;
}

static int migrate(struct store *store, int target, struct error *err)
{
	char sql[80];
	int version;

	/* Inside the transaction: another process may have migrated since we looked. */
	if (schema_check_owner(store, err) < 0 || schema_version(store, &version, err) < 0)
		return -1;
	if (version > STORE_SCHEMA_VERSION)
		return fail_as_newer(store, version, err);
	if (version < 0)
		return error_set(err, ERROR_CORRUPT, "cannot %s in %s: it has the schema %d",
		                 store->doing, store->path, version);
	if (version >= target)
		return 0;
	for (int i = version; i < target; i++)
		if (store_run(store, migrations[i], err) < 0)
			return -1;
	snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d;",
	         APPLICATION_ID, target);
	return store_run(store, sql, err);
}

int schema_migrate_to(struct store *store, int version, struct error *err)
{
	int status;

	if (store_run(store, "BEGIN IMMEDIATE", err) < 0)
		return -1;
	status = migrate(store, version, err);
	if (status == 0)
		status = store_run(store, "COMMIT", err);
	if (!sqlite3_get_autocommit(store->db))
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
	return status;
}

int schema_migrate(struct store *store, struct error *err)
{
	return schema_migrate_to(store, STORE_SCHEMA_VERSION, err);
}
