/*
 * The files of sallyport ca: public keys that it reads, certificates and KRLs that it writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/names.h"
#include "cli/ca.h"
#include "cli/cli.h"
#include "formats/pubkey.h"
#include "formats/text.h"

#define CA_TEXT_MAX 65536 /* of a file with a public key or a certificate */

/* --- reading --- */

static int
ca_read_text(const char *file, struct buf *text)
{
	int fd = STDIN_FILENO, r;

	if (strcmp(file, "-") != 0)
		fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1) {
		fprintf(stderr, "sallyport: %s: %s\n", file, strerror(errno));
		return CLI_FAILED;
	}
	r = fd_read_all(fd, text);
	if (r != 0)
		fprintf(stderr, "sallyport: %s: %s\n", file,
		    r == ERR_TOOBIG ? "too long for a file with one key" : err_str(r));
	if (fd != STDIN_FILENO)
		fd_close(&fd);
	return r == 0 ? CLI_OK : CLI_FAILED;
}

int
ca_read_key(const char *file, struct buf *blob, struct buf *comment)
{
	struct bytes rest, line, word;
	struct buf text;
	int status;

	buf_init(&text, CA_TEXT_MAX);
	status = ca_read_text(file, &text);
	rest = buf_bytes(&text);
	while (status == CLI_OK) {
		if (!text_line(&rest, &line)) {
			fprintf(stderr,
			    pubkey_is_private(text.data, text.len) ?
				"sallyport: %s: is a private key: give its public half, FILE.pub\n" :
				"sallyport: %s: has no line \"TYPE BASE64\" with a public key\n",
			    file);
			status = CLI_FAILED;
			break;
		}
		text_skip_blanks(&line);
		buf_reset(blob);
		if (line.len == 0 || line.p[0] == '#' ||
		    pubkey_parse((const char *)line.p, line.len, blob) != 0)
			continue;
		word = text_word(&line); /* type */
		word = text_word(&line); /* key */
		(void)word;
		buf_put(comment, line.p, line.len);
		break;
	}
	buf_free(&text);
	return status;
}

/* --- writing --- */

/* Write the temporary file, and give it its name. */
static int
ca_write_through(int fd, const char *temp, const char *file, struct bytes text)
{
	if (fchmod(fd, 0644) == -1 || fd_write_all(fd, text.p, text.len) != 0 || fsync(fd) == -1 ||
	    rename(temp, file) == -1)
		return ERR_SYS;
	return 0;
}

/* A crash must not bring the old KRL back. */
static int
ca_sync_dir(const char *file)
{
	char *dir = path_dir(file);
	int fd = dir == NULL ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;

	/* a directory that cannot be read, and file systems that cannot do it */
	r = fd == -1 || fsync(fd) == 0 || errno == EINVAL ? 0 : ERR_SYS;
	fd_close(&fd);
	free(dir);
	return r;
}

int
ca_write(const char *file, struct bytes text, struct reason *why)
{
	char *temp;
	int fd, r;

	if (strcmp(file, "-") == 0) {
		r = fd_write_all(STDOUT_FILENO, text.p, text.len);
		if (r != 0)
			reason_set(why, "standard output: %s", err_str(r));
		return r;
	}
	if (asprintf(&temp, "%s.XXXXXX", file) == -1) {
		reason_set(why, "out of memory");
		return ERR_NOMEM;
	}
	fd = mkostemp(temp, O_CLOEXEC);
	r = fd == -1 ? ERR_SYS : ca_write_through(fd, temp, file, text);
	if (r != 0) {
		reason_set(why, "%s: cannot be written: %s", file, err_str(r));
		if (fd != -1)
			(void)unlink(temp);
	} else if ((r = ca_sync_dir(file)) != 0) {
		reason_set(why, "%s: is written, but may be lost in a crash: %s", file, err_str(r));
	}
	fd_close(&fd);
	free(temp);
	return r;
}
