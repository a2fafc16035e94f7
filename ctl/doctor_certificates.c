#include "ctl/doctor.h"
#include "ctl/output.h"
#include "lib/base/certificate.h"

#define SOON_S (14 * 86400)

void doctor_certificates(struct doctor *doctor, const char *path, const char *what, bool is_bundle)
{
	struct certificates found;
	char span[OUTPUT_TIME_SIZE];
	struct error err;
	int64_t ends_at;

	if (certificates_read(path, &found, &err) < 0) {
		if (err.kind == ERROR_CONFIG)
			doctor_fail(doctor, "Put the certificate there, or name another file",
			            "%s: %s", what, err.text);
		else
			doctor_warn(doctor, "Run this as root", "%s: %s", what, err.text);
		return;
	}
	ends_at = is_bundle ? found.latest_ends_at : found.earliest_ends_at;
	if (ends_at <= doctor->now)
		doctor_fail(doctor, "Renew it", "%s: the certificate in %s has expired %s", what,
		            path, output_ago(span, ends_at, doctor->now));
	else if (ends_at - doctor->now < SOON_S)
		doctor_warn(doctor, "Renew it", "%s: the certificate in %s expires in %s", what,
		            path, output_duration(span, ends_at - doctor->now));
	else
		doctor_ok(doctor, "%s: good for %s", what,
		          output_duration(span, ends_at - doctor->now));
}
