/*
 * Passphrases from the terminal, as readpassphrase(3) of OpenBSD.  Called by the subcommands, and
 * by keystore/unlock.c when the gateway starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/readpass.h"

/* Read one line, without its newline.  Byte by byte, for the next line of standard input may be for
 * another question. */
static int
readpass_line(int fd, uint8_t *line, size_t *len)
{
	ssize_t n;
	uint8_t c;
	int r = 0;

	for (*len = 0;;) {
		n = read(fd, &c, 1);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			r = ERR_SYS;
			break;
		}
		if (n == 0) {
			r = *len == 0 ? ERR_EOF : 0;
			break;
		}
		if (c == '\n')
			break;
		if (c == '\0' || *len == PASSPHRASE_MAX) {
			r = ERR_TOOBIG;
			break;
		}
		line[(*len)++] = c;
	}
	explicit_bzero(&c, sizeof(c));
	return r;
}

/* Wait for a line on the terminal: 0, ERR_AGAIN when a signal came first, or ERR_SYS. */
static int
readpass_wait(int tty, int signals)
{
	struct pollfd fds[2] = {
		{ .fd = tty, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};

	while (poll(fds, 2, -1) == -1)
		if (errno != EINTR)
			return ERR_SYS;
	return fds[1].revents != 0 ? ERR_AGAIN : 0;
}

/* Ask once.  ERR_AGAIN: a signal came, and is still pending. */
static int
readpass_ask(int tty, int signals, const char *prompt, uint8_t *line, size_t *len)
{
	struct termios before, quiet;
	int r;

	if (tcgetattr(tty, &before) == -1)
		return ERR_SYS;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	if (tcsetattr(tty, TCSAFLUSH, &quiet) == -1)
		return ERR_SYS;
	r = fd_write_all(tty, prompt, strlen(prompt));
	if (r == 0)
		r = readpass_wait(tty, signals);
	if (r == 0)
		r = readpass_line(tty, line, len);
	tcsetattr(tty, TCSAFLUSH, &before);
	if (fd_write_all(tty, "\n", 1) != 0 && r == 0)
		r = ERR_SYS;
	return r;
}

/*
 * Ctrl-C must not leave the terminal without echo.  So signals are blocked during the question, a
 * signalfd tells that one is pending, and it is delivered once the terminal's modes are restored.
 * After a stop (Ctrl-Z) the question is asked again.  Signals that the caller has blocked stay
 * blocked, and do not end the question.
 */
static int
readpass_tty(int tty, const char *prompt, uint8_t *line, size_t *len)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
	sigset_t set, before;
	int signals, r;
	size_t i;

	if (sigprocmask(SIG_BLOCK, NULL, &before) == -1)
		return ERR_SYS;
	sigemptyset(&set);
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!sigismember(&before, ends[i]))
			sigaddset(&set, ends[i]);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals == -1)
		return ERR_SYS;
	do {
		sigprocmask(SIG_BLOCK, &set, NULL);
		r = readpass_ask(tty, signals, prompt, line, len);
		sigprocmask(SIG_SETMASK, &before, NULL);
	} while (r == ERR_AGAIN);
	fd_close(&signals);
	return r;
}

int
readpass(const char *prompt, struct secret **out)
{
	struct secret *line;
	size_t len = 0;
	int tty = -1, r;
	uint8_t *p;

	*out = NULL;
	if (isatty(STDIN_FILENO)) {
		tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (tty == -1)
			return ERR_SYS;
	}
	line = secret_new(PASSPHRASE_MAX);
	if (line == NULL) {
		fd_close(&tty);
		return ERR_NOMEM;
	}
	p = secret_open(line);
	r = tty == -1 ? readpass_line(STDIN_FILENO, p, &len) : readpass_tty(tty, prompt, p, &len);
	if (r == 0) {
		*out = secret_new(len + 1);
		if (*out == NULL) {
			r = ERR_NOMEM;
		} else {
			memcpy(secret_open(*out), p, len);
			secret_close(*out);
		}
	}
	secret_close(line);
	secret_free(&line);
	fd_close(&tty);
	return r;
}

int
readpass_new(const char *prompt, struct secret **out)
{
	struct secret *again;
	int r;

	for (;;) {
		if ((r = readpass(prompt, out)) != 0 || !isatty(STDIN_FILENO))
			return r;
		if ((r = readpass("Repeat it: ", &again)) != 0) {
			secret_free(out);
			return r;
		}
		r = secret_equal(*out, again);
		secret_free(&again);
		if (r)
			return 0;
		secret_free(out);
		fputs("They do not match.\n", stderr);
	}
}
