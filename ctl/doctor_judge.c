#include "ctl/doctor.h"

/* What is enough. */

#define SPACE_LEAST (UINT64_C(200) * 1024 * 1024)
#define SPACE_LOW   20 /* parts of the whole: 5 % */

enum finding_state doctor_judge_space(uint64_t free_bytes, uint64_t total_bytes)
{
	if (free_bytes < SPACE_LEAST)
		return FINDING_PROBLEM;
	return free_bytes < total_bytes / SPACE_LOW ? FINDING_WARNING : FINDING_OK;
}
