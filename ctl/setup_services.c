#include <stdlib.h>
#include <string.h>

#include "ctl/postconf_duty.h"
#include "ctl/setup_lists.h"
#include "ctl/setup_plan.h"
#include "lib/base/memory.h"

static const char *own(const struct plan_work *work, size_t i, const char *parameter)
{
	const char *value = postconf_service_own_value(work->postconf, i, parameter);

	return value != NULL ? value : "";
}

static enum duty duty_of(const struct plan_work *work, size_t i)
{
	return postconf_duty(work->postconf, work->config, i);
}

/* Its smtpd_milters are those of main.cf. */
static bool inherits(const struct plan_work *work, size_t i)
{
	return postconf_service_own_value(work->postconf, i, "smtpd_milters") == NULL;
}

bool setup_services_need_submission(const struct plan_work *work)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		const char *list = postconf_service_own_value(work->postconf, i, "smtpd_milters");

		if (duty_of(work, i) == DUTY_SUBMISSION &&
		    (inherits(work, i) || (list != NULL && setup_list_has(list, SETUP_SUBMISSION))))
			return true;
	}
	return false;
}

struct setup_edit *setup_set_option(struct plan_work *work, size_t i, const char *parameter,
                                    const char *value, const char *reason)
{
	const struct postconf_service *service = postconf_service(work->postconf, i);
	char *target = xasprintf("%s/%s/%s", service->name, service->type, parameter);
	struct setup_edit *edit = setup_plan_add(
		work->plan, SETUP_OPTION, target,
		postconf_service_own_value(work->postconf, i, parameter), value, reason);

	free(target);
	return edit;
}

/* Give the service a list of milters. */
static void set_milters(struct plan_work *work, size_t i, const char *list, const char *element,
                        const char *instead, const char *reason)
{
	char *compact = setup_list_compact(list);
	struct setup_edit *edit = setup_set_option(work, i, "smtpd_milters", compact, reason);

	edit->element = xstrdup(element);
	edit->instead = xstrdup(instead);
	free(compact);
}

static void plan_outside(struct plan_work *work, size_t i)
{
	const char *now = own(work, i, "smtpd_milters");
	char *list;

	/* What has a list of its own is left alone, but for the port that mail comes in by. */
	if (inherits(work, i) || setup_has_ours(work, now) ||
	    !postconf_is_port_25(postconf_service(work->postconf, i)))
		return;
	list = setup_list_join(now, SETUP_MILTER);
	set_milters(work, i, list, SETUP_MILTER, NULL,
	            "mail from outside; after the milters that verify it");
	free(list);
}

static void plan_submission(struct plan_work *work, size_t i)
{
	const char *now = own(work, i, "smtpd_milters");
	char *list;

	if (inherits(work, i)) {
		list = setup_list_compact(work->others);
		set_milters(work, i, SETUP_SUBMISSION, SETUP_SUBMISSION, list,
		            "mail of your people; before a milter that signs it");
		free(list);
	} else if (!setup_has_ours(work, now)) {
		list = setup_list_join(SETUP_MILTER, now);
		set_milters(work, i, list, SETUP_MILTER, NULL,
		            "mail of your people; before a milter that signs it");
		free(list);
	}
	if (postconf_service_own_value(work->postconf, i, "milter_macro_daemon_name") == NULL)
		setup_set_option(work, i, "milter_macro_daemon_name", "ORIGINATING",
		                 "by this a milter that signs knows outgoing mail");
}

/* Mail that comes back has passed the milter before. */
static void plan_return(struct plan_work *work, size_t i)
{
	static const char reason[] =
		"mail that comes back from a filter has passed Rejoinder before";
	const char *options = postconf_service_value(work->postconf, i, "receive_override_options");
	struct setup_edit *edit;
	char *list, *compact;

	if (!inherits(work, i) || setup_list_has(options, "no_milters"))
		return;
	/* The others that were called here so far are called as before. */
	if (work->others[0] != '\0') {
		set_milters(work, i, work->others, NULL, NULL, reason);
		return;
	}
	list = setup_list_join(options, "no_milters");
	compact = setup_list_compact(list);
	edit = setup_set_option(work, i, "receive_override_options", compact, reason);
	edit->element = xstrdup("no_milters");
	free(compact);
	free(list);
}

/* Has it no_milters, so that no list of milters is of any use? */
static int check_override(const struct plan_work *work, size_t i, struct error *err)
{
	static const char parameter[] = "receive_override_options";
	const struct postconf_service *service = postconf_service(work->postconf, i);

	if (duty_of(work, i) != DUTY_SUBMISSION && !postconf_is_port_25(service))
		return 0;
	if (!setup_list_has(postconf_service_value(work->postconf, i, parameter), "no_milters"))
		return 0;
	return error_set(err, ERROR_CONFIG,
	                 "service %s has no_milters in %s: no milter would see its mail; take "
	                 "that option out",
	                 service->name, parameter);
}

static int plan_service(struct plan_work *work, size_t i, struct error *err)
{
	const char *name = postconf_service(work->postconf, i)->name;
	enum duty duty = duty_of(work, i);
	char *where;
	int rc;

	if (duty == DUTY_NONE)
		return 0;
	if (duty != DUTY_RETURN && duty != DUTY_HANDOVER &&
	    *postconf_service_value(work->postconf, i, "smtpd_proxy_filter") != '\0')
		return error_set(
			err, ERROR_CONFIG,
			"service %s has smtpd_proxy_filter: a filter before the queue lets "
			"no milter change mail; see rejoinder-postfix(7)",
			name);
	if (check_override(work, i, err) < 0)
		return -1;
	where = xasprintf("smtpd_milters of service %s", name);
	rc = setup_list_check(work->postconf, own(work, i, "smtpd_milters"), where, err);
	free(where);
	if (rc < 0)
		return -1;
	switch (duty) {
	case DUTY_OUTSIDE:
		plan_outside(work, i);
		break;
	case DUTY_SUBMISSION:
		plan_submission(work, i);
		break;
	case DUTY_RETURN:
		plan_return(work, i);
		break;
	default:
		break;
	}
	return 0;
}

/* May mail come back from a filter there, though it could be another's way in as well? */
static bool may_be_return(const struct plan_work *work, size_t i)
{
	const char *filter = postconf_service_own_value(work->postconf, i, "content_filter");

	return filter != NULL && *filter == '\0' && duty_of(work, i) == DUTY_OUTSIDE &&
	       !postconf_is_port_25(postconf_service(work->postconf, i)) &&
	       !setup_list_has(
		       postconf_service_value(work->postconf, i, "receive_override_options"),
		       "no_milters");
}

/* Mail that is filtered after the queue comes back by a listener, or by sendmail(1). */
static void note_filter(struct plan_work *work, bool has_return)
{
	const char *filter = postconf_value(work->postconf, "content_filter");
	size_t count = postconf_service_count(work->postconf);
	const char *of = NULL;

	for (size_t i = 0; i < count && *filter == '\0'; i++) {
		if (duty_of(work, i) == DUTY_NONE)
			continue;
		filter = postconf_service_value(work->postconf, i, "content_filter");
		of = postconf_service(work->postconf, i)->name;
	}
	if (*filter == '\0')
		return;
	for (size_t i = 0; i < count; i++) {
		if (!may_be_return(work, i))
			continue;
		has_return = true;
		string_list_take(&work->plan->notes,
		                 xasprintf("service %s has an empty content_filter: if mail comes "
		                           "back from the filter there, it needs no_milters",
		                           postconf_service(work->postconf, i)->name));
	}
	if (!has_return)
		string_list_take(&work->plan->notes,
		                 xasprintf("content_filter%s%s is %s, but no listener is seen by "
		                           "which mail comes back: if it does, that needs "
		                           "no_milters",
		                           of != NULL ? " of service " : "", of != NULL ? of : "",
		                           filter));
}

/* By client it is decided there who passes which milters, whatever smtpd_milters says. */
static void note_milter_maps(struct plan_work *work)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		enum duty duty = duty_of(work, i);
		const char *maps = postconf_service_value(work->postconf, i, "smtpd_milter_maps");

		if ((duty != DUTY_OUTSIDE && duty != DUTY_SUBMISSION) || *maps == '\0')
			continue;
		string_list_take(&work->plan->notes,
		                 xasprintf("smtpd_milter_maps of service %s is %s: of the clients "
		                           "that stand there Rejoinder sees no mail, unless "
		                           "$rejoinder_milter is among their milters",
		                           postconf_service(work->postconf, i)->name, maps));
		return;
	}
}

/* Mail of this host's programs that comes by port 25 passes the list for mail from outside. */
static void note_signer(struct plan_work *work)
{
	if (work->others[0] != '\0')
		string_list_take(
			&work->plan->notes,
			xasprintf("if one of %s signs mail that programs of this host send to port "
		                  "25, it signs before Rejoinder edits the header, and the "
		                  "signature is void: let them use sendmail(1) or submission",
		                  work->others));
}

/* What a program cannot know, or should not do. */
static void add_notes(struct plan_work *work)
{
	bool has_submission = false, has_return = false;

	for (size_t i = 0; i < postconf_service_count(work->postconf); i++) {
		enum duty duty = duty_of(work, i);

		has_submission = has_submission || duty == DUTY_SUBMISSION;
		has_return = has_return || duty == DUTY_RETURN;
		if (duty == DUTY_HANDOVER && !setup_has_ours(work, own(work, i, "smtpd_milters")))
			string_list_take(
				&work->plan->notes,
				xasprintf(
					"the service %s is another one's, and submit_to of "
					"rejoinder.conf names its port: give submit_to a free one",
					postconf_service(work->postconf, i)->name));
	}
	for (size_t i = 0; i < work->config->account_count; i++) {
		const struct account *account = &work->config->accounts[i];

		if (account->is_enabled && account->token_domain != NULL)
			string_list_take(&work->plan->notes,
			                 xasprintf("every address of %s must lead to %s, which a "
			                           "catch-all alias of yours does",
			                           account->token_domain, account->address));
	}
	if (!has_submission)
		string_list_add(&work->plan->notes,
		                "there is no submission service, and a program should open no port "
		                "to the world: contrib/postfix/master.cf has one for your people");
	note_filter(work, has_return);
	note_milter_maps(work);
	note_signer(work);
}

int setup_plan_services(struct plan_work *work, struct error *err)
{
	for (size_t i = 0; i < postconf_service_count(work->postconf); i++)
		if (plan_service(work, i, err) < 0)
			return -1;
	if (setup_plan_own_services(work, err) < 0)
		return -1;
	add_notes(work);
	return 0;
}
