/*
 * sallyport-pam: the second factor of a login decided by PAM.  A program of its own, which runs as
 * root, because PAM modules read what only root may: systemd starts one for each connection to its
 * socket (sallyport-pam.socket), and nothing of the gateway gains privileges.  sallyport-pam(8).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "conversation.h"
#include "order.h"

/* Longer than anybody takes: FactorTimeout of the gateway ends the connection before. */
#define MAIN_SECONDS 900

static void
main_usage(void)
{
	fprintf(stderr,
	    "usage: sallyport-pam [-d DIRECTORY] -u USER\n"
	    "       sallyport-pam -c SOCKET SERVICE LOGIN\n");
	exit(2);
}

/* Whether the process at the other end is of this user. */
static int
main_peer_is(int fd, const char *user)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	const struct passwd *pw;

	pw = getpwnam(user);
	if (pw == NULL)
		errx(2, "there is no user %s", user);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		err(2, "standard input is not a Unix socket");
	if (peer.uid != pw->pw_uid)
		warnx("a process of user %u has connected, not of %s", (unsigned)peer.uid, user);
	return peer.uid == pw->pw_uid;
}

/*
 * The connection is standard input.  Modules and the programs that they run must have no hold of
 * it: it becomes another descriptor, and what they write goes into the log.
 */
static int
main_take_connection(void)
{
	int fd, null;

	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd == -1 || null == -1 || dup2(null, STDIN_FILENO) == -1 ||
	    dup2(STDERR_FILENO, STDOUT_FILENO) == -1)
		err(2, "standard input");
	close(null);
	return fd;
}

/* The connection; of use in a signal handler, which gets no argument. */
static int main_connection = -1;

/* SIGIO: something has come, or the gateway has hung up. */
static void
main_io(int sig)
{
	struct pollfd fd = { .fd = main_connection };
	int saved = errno;

	(void)sig;
	if (poll(&fd, 1, 0) == 1 && (fd.revents & POLLHUP) != 0)
		_exit(2);
	errno = saved;
}

/*
 * End when the gateway hangs up, also while a module waits for something else, such as a telephone:
 * the gateway has then a place for another login, and so has the socket's MaxConnections.
 */
static void
main_watch(int fd, int on)
{
	const struct sigaction action = { .sa_handler = main_io, .sa_flags = SA_RESTART };
	const int flags = fcntl(fd, F_GETFL);

	main_connection = fd;
	if (sigaction(SIGIO, &action, NULL) == -1 || fcntl(fd, F_SETOWN, getpid()) == -1 ||
	    flags == -1 || fcntl(fd, F_SETFL, on ? flags | O_ASYNC : flags & ~O_ASYNC) == -1)
		err(2, "the connection cannot be watched");
	/* it may have come before */
	if (on)
		(void)raise(SIGIO);
}

/* PAM takes a service that it has no file of for the service "other". */
static int
main_has_service(const char *service, const char *directory)
{
	static const char *const places[] = { "/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d" };
	char path[512];

	if (directory != NULL) {
		snprintf(path, sizeof(path), "%s/%s", directory, service);
		return access(path, F_OK) == 0;
	}
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", places[i], service);
		if (access(path, F_OK) == 0)
			return 1;
	}
	return 0;
}

/* What PAM answers, as the exit status of a factor's program; 2 for a failure of PAM itself. */
static int
main_status(int result)
{
	switch (result) {
	case PAM_SUCCESS:
		return 0;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_ACCT_EXPIRED:
	case PAM_CRED_INSUFFICIENT:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	/* what pam_exec makes of a program that says no */
	case PAM_SYSTEM_ERR:
		return 1;
	default:
		return 2;
	}
}

/* The service's auth and account rules, for a login that has been parsed. */
static int
main_ask_pam(const struct order *o, const char *directory, struct conversation *c, int *result)
{
	const struct pam_conv conv = { conversation_run, c };
	pam_handle_t *pam = NULL;
	const void *user = NULL;

	*result = pam_start_confdir(o->service, o->login, &conv, directory, &pam);
	if (*result != PAM_SUCCESS)
		return -1;
	if (strcmp(o->address, "-") != 0)
		*result = pam_set_item(pam, PAM_RHOST, o->address);
	/* as sshd has it: modules such as pam_access and pam_time want a terminal */
	if (*result == PAM_SUCCESS)
		*result = pam_set_item(pam, PAM_TTY, "ssh");
	if (*result == PAM_SUCCESS)
		*result = pam_authenticate(pam, PAM_DISALLOW_NULL_AUTHTOK);
	if (*result == PAM_SUCCESS)
		*result = pam_acct_mgmt(pam, PAM_DISALLOW_NULL_AUTHTOK);
	/* a module may make somebody else of the user, whose factor this would be */
	if (*result == PAM_SUCCESS &&
	    (pam_get_item(pam, PAM_USER, &user) != PAM_SUCCESS || user == NULL ||
		strcmp(user, o->login) != 0))
		*result = PAM_USER_UNKNOWN;
	pam_end(pam, *result);
	return 0;
}

static int
main_serve(const char *user, const char *directory)
{
	struct conversation c = { .rounds = 0 };
	char line[LINE_MOST + 1];
	const char *text = NULL;
	struct order o;
	int status = 2, result;

	if (!main_peer_is(STDIN_FILENO, user))
		return 2;
	c.out = c.in.fd = main_take_connection();
	alarm(MAIN_SECONDS);
	main_watch(c.out, 1);
	if (lines_get(&c.in, line) != 1 || order_parse(line, &o) == -1)
		text = "the first line is wrong: a service is sallyport or sallyport-NAME";
	else if (!main_has_service(o.service, directory))
		text = "the service has no file in /etc/pam.d";
	else if (main_ask_pam(&o, directory, &c, &result) == -1 ||
	    (status = main_status(result)) == 2)
		text = pam_strerror(NULL, result);
	/* it hangs up when it has the verdict */
	main_watch(c.out, 0);
	if (text != NULL) {
		warnx("%s", text);
		lines_put_text(c.out, "error", text, strlen(text));
	} else {
		warnx("%s from %s: service %s: %s", o.login, o.address, o.service,
		    status == 0 ? "passed" : pam_strerror(NULL, result));
		conversation_finish(&c);
		if (!c.broken)
			lines_put(c.out, status == 0 ? "passed\n" : "failed\n", 7);
	}
	lines_wipe(&c.in);
	/* a wrong answer is no failure of this program, which systemd would count */
	return text != NULL ? 2 : 0;
}

int
main(int argc, char **argv)
{
	const char *user = NULL, *directory = NULL, *socket_path = NULL;
	int c;

	signal(SIGPIPE, SIG_IGN);
	/* answers are secrets: no core dump, no look at this memory */
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_DUMPABLE, 0);
	while ((c = getopt(argc, argv, "c:d:u:")) != -1) {
		if (c == 'c')
			socket_path = optarg;
		else if (c == 'd')
			directory = optarg;
		else if (c == 'u')
			user = optarg;
		else
			main_usage();
	}
	argv += optind;
	argc -= optind;
	if (socket_path != NULL && user == NULL && directory == NULL && argc == 2)
		/* without what runs at an exit, such as the leak sanitizer: its status is the verdict */
		_exit(client_run(socket_path, argv[0], argv[1]));
	if (socket_path != NULL || user == NULL || argc != 0)
		main_usage();
	return main_serve(user, directory);
}
