/*
 * The lookup backend "directory": one directory for each login, which is opened by name at each login, while
 * the tree is never listed, so that a million directories cost no more than one.  With Recursive, a login's
 * directory is searched for others, of which the user's key selects one.
 *
 * PATH/LOGIN/route.ini holds the keys of [route]; or PATH/LOGIN/sshpiper_upstream holds [user@]host[:port],
 * the format of sshpiper's workingdir.  authorized_keys, trusted_user_ca_keys, known_hosts, id_rsa and its
 * certificate id_rsa-cert.pub beside it are used unless route.ini says otherwise, and so is PATH/LOGIN/totp,
 * the secret of one-time codes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/plugin.h"

/* Bytes of a route.ini or sshpiper_upstream. */
#define FILE_MAX 65536
/* A name that no login can have. */
#define NO_LOGIN "-"

struct directory {
	const struct conf *conf;
	char *path;
	char *strict, *passthrough; /* for logins without a route.ini */
	int recursive;
	int check_totp;
};

static const char *const stricts[] = { "yes", "accept-new", "no", NULL };
static const char *const yes_no[] = { "yes", "no", NULL };
static const char *const no_yes[] = { "no", "yes", NULL }; /* 0, 1 */

static const struct keyword directory_table[] = {
	{ .name = "Path", .type = &keyword_path, .offset = offsetof(struct directory, path) },
	{ .name = "StrictHostKeyChecking",
	    .type = &keyword_name,
	    .offset = offsetof(struct directory, strict),
	    .choices = stricts,
	    .value = "yes" },
	{ .name = "Passthrough",
	    .type = &keyword_name,
	    .offset = offsetof(struct directory, passthrough),
	    .choices = yes_no,
	    .value = "no" },
	{ .name = "Recursive",
	    .type = &keyword_choice,
	    .offset = offsetof(struct directory, recursive),
	    .choices = no_yes,
	    .value = "no" },
	{ .name = "CheckTotp",
	    .type = &keyword_choice,
	    .offset = offsetof(struct directory, check_totp),
	    .choices = no_yes,
	    .value = "no" },
};

#define NKEYWORDS (sizeof(directory_table) / sizeof(directory_table[0]))

static void
directory_free(void *self)
{
	struct directory *d = self;

	if (d == NULL)
		return;
	keyword_clear(directory_table, NKEYWORDS, d);
	free(d);
}

static int
directory_new(const struct conf *conf, const struct conf_section *section,
    struct conf_errors *errors, void **self)
{
	struct keyword_ctx ctx = { .conf = conf };
	struct directory *d = calloc(1, sizeof(*d));
	size_t before = errors->n;
	unsigned int line;
	const char *file;

	if (d == NULL) {
		conf_error(errors, conf->dir, 0, "out of memory");
		return ERR_CONFIG;
	}
	d->conf = conf;
	if (section == NULL) {
		file = conf_where(conf, "lookup", "Order", &line);
		conf_error(errors, file, line,
		    "lookup backend directory needs a section [lookup directory] with Path");
	} else {
		keyword_parse(directory_table, NKEYWORDS, section, d, &ctx, errors);
		if (conf_entry_find(section, "Path") == NULL)
			conf_error(errors, section->file, section->line,
			    "[lookup directory] needs Path: the directory that holds one for each "
			    "login");
	}
	if (errors->n != before) {
		directory_free(d);
		return ERR_CONFIG;
	}
	*self = d;
	return 0;
}

/* A directory of a login, open during a lookup. */
struct directory_place {
	const struct directory *d;
	const char *login;
	const char *name; /* in the tree: the login or, below its directory, "git/github" */
	struct login_dir dir;
	struct reason *why;
};

/* Append a file.  1; 0 if it does not exist; -1 with why. */
static int
directory_file_read(const struct directory_place *p, const char *name, struct buf *out)
{
	int fd, r;

	r = login_dir_file_open(&p->dir, name, O_RDONLY, SAFE_PATH_TRUSTED, &fd, p->why);
	if (r == ERR_NOTFOUND) {
		p->why->text[0] = '\0';
		return 0;
	}
	if (r != 0)
		return -1;
	r = fd_read_all(fd, out);
	fd_close(&fd);
	if (r == 0)
		return 1;
	reason_set(p->why, "%.80s/%s: %s", p->name, name, err_str(r));
	return -1;
}

/* 1 if the file exists and may be used; 0 if it does not exist; -1 with why. */
static int
directory_has_file(const struct directory_place *p, const char *name, mode_t refused)
{
	int fd, r;

	r = login_dir_file_open(&p->dir, name, O_RDONLY, refused, &fd, p->why);
	fd_close(&fd);
	if (r == ERR_NOTFOUND)
		p->why->text[0] = '\0';
	return r == 0 ? 1 : r == ERR_NOTFOUND ? 0 : -1;
}

/* Read the entries of this file, route.ini or sshpiper_upstream. */
static int
directory_entries_read(const struct directory_place *p, struct route_text *t,
    const struct route_origin *origin, const char *name)
{
	struct buf b;
	int r;

	buf_init(&b, FILE_MAX);
	r = directory_file_read(p, name, &b);
	if (r == 0)
		reason_set(p->why, "holds neither route.ini nor sshpiper_upstream");
	if (r != 1) {
		buf_free(&b);
		return ERR_FORMAT;
	}
	if (strcmp(name, "route.ini") == 0) {
		r = route_text_read(t, origin, (const char *)b.data, b.len);
	} else {
		r = route_sshpiper_upstream(t, origin, &b, p->name, p->why);
		if (r == 0)
			r = route_text_add(t, origin, "StrictHostKeyChecking", p->d->strict);
		if (r == 0 && strcmp(p->d->passthrough, "yes") == 0)
			r = route_text_add(t, origin, "Passthrough", "yes");
	}
	buf_free(&b);
	return r;
}

static int
directory_has_key(const struct route_text *t, const char *key)
{
	struct conf_section s = { .entries = t->entries, .n = t->n };

	return conf_entry_find(&s, key) != NULL;
}

/* Add an entry that names a file, if the file exists and the key is not set; as directory_has_file(). */
static int
directory_file_add(const struct directory_place *p, struct route_text *t,
    const struct route_origin *origin, const char *key, const char *name)
{
	int there = directory_has_key(t, key) ? 0 : directory_has_file(p, name, SAFE_PATH_TRUSTED);

	if (there == 1 && route_text_add(t, origin, key, name) != 0)
		return -1;
	return there;
}

/* Add entries for the files beside route.ini; *has_id: there is an id_rsa to be used. */
static int
directory_files_add(const struct directory_place *p, struct route_text *t,
    const struct route_origin *origin, int *has_id)
{
	int r = 0, there;

	there = directory_file_add(p, t, origin, "AuthorizedKeysFile", "authorized_keys");
	if (there != -1)
		there = directory_file_add(p, t, origin, "TrustedUserCAKeys",
		    "trusted_user_ca_keys");
	/* sshpiper lets anybody in with any password if there is only an id_rsa */
	if (there != -1 && t->errors.n == 0 && !directory_has_key(t, "AuthorizedKeysFile") &&
	    !directory_has_key(t, "TrustedUserCAKeys") && !directory_has_key(t, "AuthorizedKey") &&
	    !directory_has_key(t, "PasswordHash") && !directory_has_key(t, "Passthrough")) {
		reason_set(p->why, "has no authorized_keys: nobody can log in");
		return ERR_FORMAT;
	}
	if (r == 0 && there != -1 && !directory_has_key(t, "UserKnownHostsFile")) {
		there = directory_has_file(p, "known_hosts", SAFE_PATH_TRUSTED);
		if (there == 1 || (there == 0 && !directory_has_key(t, "HostKeyFingerprint")))
			r = route_text_add(t, origin, "UserKnownHostsFile", "known_hosts");
	}
	if (r == 0 && there != -1 && !directory_has_key(t, "Key")) {
		there = directory_has_file(p, "id_rsa", SAFE_PATH_SECRET);
		*has_id = there == 1;
		if (there == 1 &&
		    directory_file_add(p, t, origin, "CertificateFile", "id_rsa-cert.pub") == -1)
			return ERR_FORMAT;
		if (there == 0 && t->errors.n == 0 && !directory_has_key(t, "Password") &&
		    !directory_has_key(t, "Passthrough")) {
			reason_set(p->why,
			    "has neither id_rsa nor a route.ini with Key: no way to log "
			    "in to the upstream");
			return ERR_FORMAT;
		}
	}
	return there == -1 ? ERR_FORMAT : r;
}

/* 1 if there is a file totp, whatever it is, or if that cannot be found out; 0 if not. */
static int
directory_has_totp(const struct login_dir *dir)
{
	return faccessat(dir->fd, "totp", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

/* Add TOTP for a file totp in the login's own directory, which sshpiper reads for all that are below it, too.
 * *has_totp: there is one, and route.ini has no TOTP.  A file that cannot be used refuses the login, which
 * without a code would be open with the key alone.  0 or ERR_*. */
static int
directory_totp_add(const struct directory_place *p, struct route_text *t,
    const struct route_origin *origin, int *has_totp)
{
	char name[KEY_NAME_MAX + 1];
	struct directory_place own = *p;
	int r = 0;

	*has_totp = 0;
	if (strcmp(p->name, p->login) != 0)
		r = login_dir_open(&p->d->conf->file_rule, p->d->path, p->login, &own.dir, p->why);
	if (r != 0)
		return ERR_FORMAT;
	if (directory_has_totp(&own.dir)) {
		r = directory_has_file(&own, "totp", SAFE_PATH_SECRET);
		if (r == 0)
			reason_set(p->why, "%.400s/totp: cannot be read", own.dir.path);
		r = r == 1 ? 0 : ERR_FORMAT;
		*has_totp = r == 0 && !directory_has_key(t, "TOTP");
	}
	if (own.dir.fd != p->dir.fd)
		login_dir_close(&own.dir);
	if (r == 0 && !*has_totp && p->d->check_totp && !directory_has_key(t, "TOTP")) {
		reason_set(p->why, "has no file totp, and CheckTotp = yes refuses it without");
		return ERR_FORMAT;
	}
	if (!*has_totp)
		return r;
	route_sshpiper_totp(p->login, name);
	return route_text_add(t, origin, "TOTP", name);
}

static int
directory_route(const struct directory_place *p, struct route **out)
{
	struct route_text t = { 0 };
	struct route_origin origin = { .login = p->login };
	const char *name = directory_has_file(p, "route.ini", SAFE_PATH_TRUSTED) != 0 ?
	    "route.ini" :
	    "sshpiper_upstream";
	char *source = NULL, *base = NULL, *id = NULL, *totp = NULL;
	int r = ERR_NOMEM, has_id = 0, has_totp;

	p->why->text[0] = '\0';
	if (asprintf(&base, "%s/%s", p->d->path, p->name) == -1)
		base = NULL;
	if (base == NULL || asprintf(&source, "%s/%s", base, name) == -1)
		source = NULL;
	if (source == NULL || asprintf(&id, "%s/id_rsa", base) == -1)
		id = NULL;
	if (asprintf(&totp, "%s/%s/totp", p->d->path, p->login) == -1)
		totp = NULL;
	if (id == NULL || totp == NULL)
		goto out;
	origin.source = source;
	origin.base = base;
	r = directory_entries_read(p, &t, &origin, name);
	if (r == 0)
		r = directory_totp_add(p, &t, &origin, &has_totp);
	if (r == 0)
		r = directory_files_add(p, &t, &origin, &has_id);
	if (r != 0)
		goto out;
	origin.key_file = has_id ? id : NULL;
	r = route_text_make(p->d->conf, &t, &origin, out, p->why);
	if (r != 0)
		goto out;
	(*out)->tree = strdup(p->d->path);
	(*out)->tree_dir = strdup(p->name);
	if (has_totp) {
		(*out)->totp_file = totp;
		totp = NULL;
	}
	if ((*out)->tree == NULL || (*out)->tree_dir == NULL) {
		route_free(out);
		r = ERR_NOMEM;
	}
out:
	if (r == ERR_NOMEM)
		reason_set(p->why, "out of memory");
	route_text_free(&t);
	free(totp);
	free(id);
	free(source);
	free(base);
	return r;
}

/* The route of the directory p->name. */
static enum plugin_result
directory_at(struct directory_place *p, struct route **out)
{
	int r = login_dir_open(&p->d->conf->file_rule, p->d->path, p->name, &p->dir, p->why);

	if (r == ERR_NOTFOUND) {
		p->why->text[0] = '\0';
		return PLUGIN_NEXT;
	}
	if (r != 0)
		return PLUGIN_FAILED;
	r = directory_route(p, out);
	login_dir_close(&p->dir);
	return r == 0 ? PLUGIN_FOUND : PLUGIN_FAILED;
}

/* What a search has found. */
struct directory_found {
	struct directory_place *p;
	struct strlist routes; /* names of directories that hold one */
};

/* Note a directory that holds a route (login_dir_walk()).  A file totp below the login's own refuses the login:
 * somebody means codes to be asked for, and sshpiper would not read it. */
static int
directory_visit(void *ctx, const struct login_dir *dir, const char *name)
{
	struct directory_found *found = ctx;

	if (strcmp(name, found->p->login) != 0 && directory_has_totp(dir)) {
		reason_set(found->p->why,
		    "%.400s/totp: is not read, as by sshpiper: move it to %.100s/totp, for all "
		    "directories of the login",
		    dir->path, found->p->login);
		return ERR_FORMAT;
	}
	if (faccessat(dir->fd, "route.ini", F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	    faccessat(dir->fd, "sshpiper_upstream", F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return strlist_add(&found->routes, name, strlen(name));
}

/*
 * Of several directories, the first whose lists have the key, as in sshpiper; for a client without such a key, the
 * first that asks for a password.  One that cannot be used keeps nobody out of the others; why has the first of
 * the reasons.
 */
static enum plugin_result
directory_search_by_key(struct directory_place *p, const struct strlist *routes,
    const struct lookup_request *request, struct route **out)
{
	struct route *by_password = NULL, *route = NULL;
	struct reason *why = p->why, here;
	size_t i;

	if (request->by_key != NULL)
		*request->by_key = LOOKUP_WANTS_KEY;
	for (i = 0; i < routes->n; i++) {
		p->name = routes->v[i];
		p->why = &here;
		here.text[0] = '\0';
		if (directory_at(p, &route) != PLUGIN_FOUND) {
			if (why->text[0] == '\0')
				*why = here;
			continue;
		}
		if (route_matches(route, request)) {
			if (request->key.len > 0 && request->listed != NULL &&
			    request->listed(request, route))
				break;
			if (by_password == NULL && (route->passthrough || route->password_hash)) {
				by_password = route;
				route = NULL;
			}
		}
		route_free(&route);
	}
	p->why = why;
	if (route == NULL)
		route = by_password;
	else
		route_free(&by_password);
	*out = route;
	return route == NULL ? PLUGIN_NEXT : PLUGIN_FOUND;
}

/* The login's directory and those below it. */
static enum plugin_result
directory_search(struct directory_place *p, const struct lookup_request *request,
    struct route **out)
{
	struct directory_found found = { .p = p };
	enum plugin_result result = PLUGIN_FAILED;
	int r;

	r = login_dir_walk(&p->d->conf->file_rule, p->d->path, p->login, directory_visit, &found,
	    p->why);
	if (r == ERR_NOTFOUND) {
		p->why->text[0] = '\0';
		result = PLUGIN_NEXT;
	} else if (r == ERR_NOMEM) {
		reason_set(p->why, "out of memory");
	} else if (r == 0 && found.routes.n > 1) {
		result = directory_search_by_key(p, &found.routes, request, out);
	} else if (r == 0) {
		/* without one, the reason is that of the login's own directory */
		p->name = found.routes.n == 1 ? found.routes.v[0] : p->login;
		result = directory_at(p, out);
	}
	strlist_free(&found.routes);
	return result;
}

static enum plugin_result
directory_find(void *self, const struct lookup_request *request, struct route **out,
    struct reason *why)
{
	struct directory_place p = { .d = self,
		.login = request->login,
		.name = request->login,
		.why = why };

	return p.d->recursive ? directory_search(&p, request, out) : directory_at(&p, out);
}

static void
directory_check(void *self, const struct conf *conf, struct conf_errors *errors)
{
	const struct directory *d = self;
	struct reason why, closed;
	struct login_dir dir;
	unsigned int line = 0;
	const char *file = conf->dir;
	const struct conf_entry *e;
	size_t i;
	int r;

	for (i = 0; i < conf->lookup.n; i++) {
		if (strcmp(conf->lookup.sections[i].name, "directory") != 0)
			continue;
		e = conf_entry_find(&conf->lookup.sections[i], "Path");
		file = e->file;
		line = e->line;
	}
	/* entering the directory is enough; no lookup lists it */
	if (faccessat(AT_FDCWD, d->path, X_OK, AT_EACCESS) == -1 && errno == EACCES) {
		(void)access_hint(d->path, X_OK, &closed);
		conf_error(errors, file, line, "Path: %s: %s", d->path, closed.text);
		return;
	}
	r = login_dir_open(&conf->file_rule, d->path, NO_LOGIN, &dir, &why);
	if (r != 0 && r != ERR_NOTFOUND)
		conf_error(errors, file, line, "Path: %s", why.text);
	login_dir_close(&dir);
}

const struct lookup_plugin plugin_directory = {
	.name = "directory",
	.keywords = directory_table,
	.n_keywords = NKEYWORDS,
	.new = directory_new,
	.find = directory_find,
	.check = directory_check,
	.free = directory_free,
};
