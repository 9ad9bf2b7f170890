/*
 * plugins/directory.c: the lookup backend that opens one directory for each login.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/login_dir.h"
#include "base/fd.h"
#include "lookup_lab.h"
#include "tmp_dir.h"

static struct lookup_lab lab;

static void
put(const char *path, const char *text, mode_t mode)
{
	write_bytes(path, text, strlen(text), mode);
}

static int
setup(void **state)
{
	(void)state;
	if (system("rm -rf users && mkdir users users/alice") != 0)
		return -1;
	put("users/alice/sshpiper_upstream", "ubuntu@h:2200\n", 0644);
	put("users/alice/authorized_keys", "t AAAA\n", 0644);
	put("users/alice/known_hosts", "", 0644);
	put("users/alice/id_rsa", "secret", 0600);
	lookup_lab_load(&lab, "[lookup]\nOrder = directory\n[lookup directory]\nPath = users\n");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	lookup_lab_free(&lab);
	return 0;
}

static void
leads(const char *upstream, const char *user, const char *host, unsigned int port)
{
	struct route *r;

	put("users/alice/sshpiper_upstream", upstream, 0644);
	assert_int_equal(lookup_lab_find(&lab, "alice", &r),
	    host == NULL ? LOOKUP_FAILED : LOOKUP_FOUND);
	if (host == NULL)
		return;
	assert_string_equal(r->user == NULL ? "" : r->user, user);
	assert_string_equal(r->hosts.v[0], host);
	assert_int_equal(r->hosts.n, 1);
	assert_int_equal(r->port, port);
	assert_int_equal(r->strict, ROUTE_STRICT_YES);
	assert_null(r->key);
	assert_non_null(route_in_tree(r, r->key_file));
	assert_string_equal(route_in_tree(r, r->key_file), "id_rsa");
	assert_string_equal(route_in_tree(r, r->authorized_keys_file), "authorized_keys");
	assert_string_equal(route_in_tree(r, r->known_hosts_files.v[0]), "known_hosts");
	assert_null(route_in_tree(r, "/etc/passwd"));
	route_free(&r);
}

static void
test_formats_of_sshpiper_upstream(void **state)
{
	(void)state;
	leads("h\n", "", "h", 22);
	leads("ubuntu@h:2200", "ubuntu", "h", 2200);
	leads("# it\n\n \t u@10.0.0.5 \r\nother\n", "u", "10.0.0.5", 22);
	leads("a@b@h", "a@b", "h", 22);
	leads("100%@h", "100%", "h", 22);
	leads("%u@h", "%u", "h", 22);
	leads("u@[fe80::1%eth0]:2200", "u", "fe80::1%eth0", 2200);
	leads("[::1]", "", "::1", 22);
	leads("::1", "", "::1", 22);
	leads("", "", NULL, 0);
	leads("#\n", "", NULL, 0);
	leads("@h", "", NULL, 0);
	leads("u@", "", NULL, 0);
	leads("u@:22", "", NULL, 0);
	leads("h:", "", NULL, 0);
	leads("h:0", "", NULL, 0);
	leads("h:22x", "", NULL, 0);
	leads("[::1", "", NULL, 0);
	leads("[::1]x", "", NULL, 0);
	leads("[]:22", "", NULL, 0);
	leads("-x@h", "", NULL, 0);
	leads("u@-h", "", NULL, 0);
	leads("u@h i", "", NULL, 0);
	leads("u@h\x01", "", NULL, 0);
}

static void
test_route_ini_overrides_sshpiper_upstream(void **state)
{
	struct route *r;

	(void)state;
	put("users/alice/route.ini",
	    "HostName = %u.example\nKey = alice\nAuthorizedKeysFile = /etc/keys\n"
	    "UserKnownHostsFile = sub/known ../other /etc/known\n",
	    0644);
	assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_FOUND);
	assert_string_equal(r->hosts.v[0], "alice.example");
	assert_string_equal(r->key, "alice");
	assert_null(r->key_file);
	assert_null(route_in_tree(r, r->authorized_keys_file));
	assert_string_equal(route_in_tree(r, r->known_hosts_files.v[0]), "sub/known");
	assert_string_equal(route_in_tree(r, r->known_hosts_files.v[1]), "../other");
	assert_null(route_in_tree(r, r->known_hosts_files.v[2]));
	route_free(&r);
	put("users/alice/route.ini", "HostName = h\nMatchAddress = 10.0.0.0/8\n", 0644);
	assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_NOT_FOUND);
	put("users/alice/route.ini", "HostName = h\n[route bob]\n", 0644);
	assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_FAILED);
	put("users/alice/route.ini", "", 0644);
	assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_FAILED);
}

/* No name leads out of the directory of the login. */
static void
test_no_name_leads_out_of_the_directory(void **state)
{
	static const char *const names[] = { "../alice/known_hosts", "/etc/passwd",
		"../../conf.d/a.ini", "link", "abs", "sub", "fifo", "." };
	const struct safe_path_rule rule = tmp_dir_rule();
	struct reason why;
	struct buf b;
	size_t i;

	(void)state;
	assert_int_equal(symlink("../../conf.d/a.ini", "users/alice/link"), 0);
	assert_int_equal(symlink("/etc/passwd", "users/alice/abs"), 0);
	assert_int_equal(symlink("id_rsa", "users/alice/mine"), 0);
	assert_int_equal(mkdir("users/alice/sub", 0755), 0);
	assert_int_equal(mkfifo("users/alice/fifo", 0600), 0);
	buf_init(&b, 100);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_not_equal(login_dir_file_read(&rule, "users", "alice", names[i], 022, &b,
					 &why),
		    0);
		assert_int_equal(b.len, 0);
		assert_int_not_equal(why.text[0], '\0');
	}
	assert_int_equal(login_dir_file_read(&rule, "users", "alice", "mine", SAFE_PATH_SECRET, &b,
			     &why),
	    0);
	assert_int_equal(b.len, 6);
	buf_reset(&b);
	assert_int_equal(login_dir_file_read(&rule, "users", "alice", "none", 022, &b, &why),
	    ERR_NOTFOUND);
	assert_int_equal(login_dir_file_read(&rule, "users", "none", "none", 022, &b, &why),
	    ERR_NOTFOUND);
	assert_int_equal(login_dir_file_read(&rule, "users", "..", "conf.d/a.ini", 022, &b, &why),
	    ERR_PERM);
	assert_int_equal(login_dir_file_read(&rule, "nowhere", "alice", "id_rsa", 022, &b, &why),
	    ERR_SYS);
	assert_int_equal(chmod("users/alice/id_rsa", 0604), 0);
	assert_int_equal(login_dir_file_read(&rule, "users", "alice", "mine", SAFE_PATH_SECRET, &b,
			     &why),
	    ERR_PERM);
	buf_free(&b);
	buf_init(&b, 5);
	assert_int_equal(chmod("users/alice/id_rsa", 0600), 0);
	assert_int_equal(login_dir_file_read(&rule, "users", "alice", "mine", SAFE_PATH_SECRET, &b,
			     &why),
	    ERR_TOOBIG);
	buf_free(&b);
}

/* A login costs the same among 20,000 others: only its own directory is opened. */
static void
test_many_directories_cost_as_much_as_one(void **state)
{
	struct timespec from, to;
	struct route *r;
	char path[64];
	double us;
	int i;

	(void)state;
	for (i = 0; i < 20000; i++) {
		snprintf(path, sizeof(path), "users/user%06d", i);
		assert_int_equal(mkdir(path, 0755), 0);
	}
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(lookup_lab_find(&lab, "alice", &r), LOOKUP_FOUND);
		route_free(&r);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	us = ((double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec)) / 1e6;
	print_message("one of 20,001 directories: found in %.1f us\n", us);
	assert_true(us < 10000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_formats_of_sshpiper_upstream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_route_ini_overrides_sshpiper_upstream, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_no_name_leads_out_of_the_directory, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_many_directories_cost_as_much_as_one, setup,
		    teardown),
	};

	return cmocka_run_group_tests(tests, tmp_dir_setup, tmp_dir_teardown);
}
