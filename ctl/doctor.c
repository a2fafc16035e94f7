#include "ctl/doctor.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/command.h"
#include "ctl/json.h"

/* What was found so far. */
struct report {
	json_t *findings; /* NULL: they are printed as they come */
	const char *part; /* whose title was printed last */
	bool is_coloured;
	size_t problems, warnings, count;
};

static void print(struct report *report, const char *part, const struct finding *finding)
{
	if (report->part == NULL || strcmp(report->part, part) != 0)
		printf("%s%s%s%s\n", report->part != NULL ? "\n" : "",
		       report->is_coloured ? "\033[1m" : "", part,
		       report->is_coloured ? "\033[0m" : "");
	report->part = part;
	finding_print(finding, report->is_coloured);
	fflush(stdout);
}

static void take(struct doctor *doctor, const struct finding *finding)
{
	struct report *report = doctor->context;

	report->count++;
	report->problems += finding->state == FINDING_PROBLEM;
	report->warnings += finding->state == FINDING_WARNING;
	if (report->findings != NULL) {
		json_t *object = finding_json(finding);

		json_object_set_new(object, "part", json_text(doctor->part));
		json_array_append_new(report->findings, object);
	} else {
		print(report, doctor->part, finding);
	}
}

static void say_no_postfix(struct doctor *doctor)
{
	doctor_fail(doctor,
	            doctor->postconf_error.kind == ERROR_CONFIG
	                    ? "Install Postfix, or run this on the host where it is"
	                    : "Run: postfix check",
	            "%s", doctor->postconf_error.text);
}

static void look(struct doctor *doctor)
{
	static const struct doctor_check no_postfix[] = {{"postconf", say_no_postfix},
	                                                 {NULL, NULL}};

	doctor_run(doctor, "Postfix's configuration",
	           doctor->postconf != NULL ? doctor_wiring_checks() : no_postfix);
	doctor_run(doctor, "Postfix", doctor_postfix_checks());
	doctor_run(doctor, "Postfix", doctor_known_checks());
	doctor_run(doctor, "This host", doctor_files_checks());
	doctor_run(doctor, "Store and daemons", doctor_store_checks());
	doctor_run(doctor, "Accounts", doctor_accounts_checks());
}

static void print_counts(const struct report *report)
{
	printf("\n%zu problem%s, %zu warning%s, %zu looked at\n", report->problems,
	       report->problems == 1 ? "" : "s", report->warnings, report->warnings == 1 ? "" : "s",
	       report->count);
}

static void print_json(struct report *report)
{
	json_t *document = json_object();

	json_object_set_new(document, "ok", json_boolean(report->problems == 0));
	json_object_set_new(document, "problems", json_integer((json_int_t)report->problems));
	json_object_set_new(document, "warnings", json_integer((json_int_t)report->warnings));
	json_object_set_new(document, "findings", report->findings);
	json_print(document);
}

int command_doctor(struct invocation *invocation)
{
	struct report report = {.is_coloured = finding_wants_colour()};
	struct doctor doctor = {.take = take, .context = &report, .now = time(NULL)};
	const char *directory = NULL;
	bool is_json = false;
	const struct flag flags[] = {{"config-dir", 'd', NULL, &directory},
	                             {"online", 'o', &doctor.is_online, NULL},
	                             {"json", 'j', &is_json, NULL},
	                             {NULL, 0, NULL, NULL}};
	struct config *config;
	struct postconf *postconf;
	int status;

	if (!command_arguments(invocation, flags, 0, 0, &status))
		return status;
	config = command_load_config(invocation);
	if (config == NULL)
		return EX_CONFIG;
	postconf = postconf_read(directory, &doctor.postconf_error);
	doctor.config = config;
	doctor.config_path = invocation->config_path;
	doctor.postconf = postconf;
	doctor.store = store_open(config->store, STORE_READ, &doctor.store_error);
	if (is_json)
		report.findings = json_array();
	look(&doctor);
	if (is_json)
		print_json(&report);
	else
		print_counts(&report);
	store_close(doctor.store);
	postconf_free(postconf);
	config_free(config);
	return report.problems == 0 ? 0 : EXIT_NO_RESULT;
}
