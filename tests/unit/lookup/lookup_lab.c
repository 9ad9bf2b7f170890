#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lookup_lab.h"
#include "tmp_dir.h"

int
lookup_lab_try(struct lookup_lab *lab, const char *text)
{
	*lab = (struct lookup_lab){ 0 };
	if (text != NULL)
		write_text("conf.d/a.ini", text);
	assert_int_equal(conf_load("conf.d", CONF_ALL, &lab->conf, &lab->errors), 0);
	return lookup_new(lab->conf, &lab->errors, &lab->lookup);
}

void
lookup_lab_free(struct lookup_lab *lab)
{
	lookup_free(&lab->lookup);
	conf_free(&lab->conf);
	conf_errors_free(&lab->errors);
}

void
lookup_lab_load(struct lookup_lab *lab, const char *text)
{
	int err = lookup_lab_try(lab, text);

	conf_errors_print(&lab->errors, stderr);
	assert_int_equal(err, 0);
	assert_int_equal(lab->errors.n, 0);
}

void
lookup_lab_refuses(const char *text, const char *expected)
{
	struct lookup_lab lab;
	char *printed = NULL;
	size_t len;
	FILE *to;

	assert_int_equal(lookup_lab_try(&lab, text), ERR_CONFIG);
	assert_null(lab.lookup);
	to = open_memstream(&printed, &len);
	assert_non_null(to);
	conf_errors_print(&lab.errors, to);
	fclose(to);
	assert_string_equal(printed, expected);
	free(printed);
	lookup_lab_free(&lab);
}

enum lookup_result
lookup_lab_find(struct lookup_lab *lab, const char *login, struct route **route)
{
	struct lookup_request request = { .login = login,
		.client_address = "192.0.2.1",
		.local_address = "192.0.2.2",
		.fingerprint = "" };
	struct lookup_pending pending;
	enum lookup_result result = lookup_begin(lab->lookup, &request, &pending, route);

	if (result != LOOKUP_ASK)
		return result;
	lookup_pending_free(&pending);
	return LOOKUP_FAILED;
}
