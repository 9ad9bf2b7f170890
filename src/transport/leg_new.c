/*
 * Making and freeing a leg, called by session/, errand/look.c and warmup.c: a libssh session that
 * opens, resolves and polls nothing.  The version of libssh, for `sallyport version`, is at the
 * end.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sallyport_origin.h>

#include "wire/algorithms.h"
#include "base/fd.h"
#include "libssh/options.h"
#include "libssh/pki.h"
#include "transport/leg_private.h"

int
leg_global_init(void)
{
	if (ssh_init() != SSH_OK)
		return ERR_SSH;
	ssh_set_log_level(SSH_LOG_NONE);
	aes_gcm_init();
	return 0;
}

static int
leg_set_methods(ssh_session ssh, enum ssh_kex_types_e kind, const char *list)
{
	return ssh_options_set_algo(ssh, kind, list, &ssh->opts.wanted_methods[kind]);
}

static int
leg_set_algorithms(struct leg *leg, const struct leg_config *c, const char **why)
{
	const char *compression = c->compression != NULL ? c->compression : "none";
	const char *ciphers = c->ciphers != NULL ? c->ciphers :
						   algorithms_default(ALGORITHMS_CIPHER);
	const char *macs = c->macs != NULL ? c->macs : algorithms_default(ALGORITHMS_MAC);

	if (leg_set_methods(leg->ssh, SSH_KEX,
		c->kex_algorithms != NULL ?
		    c->kex_algorithms :
		    algorithms_default(leg->server ? ALGORITHMS_SERVER_KEX : ALGORITHMS_KEX)) !=
	    0) {
		*why = "KexAlgorithms: no algorithm of the list is supported";
		return ERR_ALGORITHM;
	}
	if (leg_set_methods(leg->ssh, SSH_CRYPT_C_S, ciphers) != 0 ||
	    leg_set_methods(leg->ssh, SSH_CRYPT_S_C, ciphers) != 0) {
		*why = "Ciphers: no algorithm of the list is supported";
		return ERR_ALGORITHM;
	}
	if (leg_set_methods(leg->ssh, SSH_MAC_C_S, macs) != 0 ||
	    leg_set_methods(leg->ssh, SSH_MAC_S_C, macs) != 0) {
		*why = "MACs: no algorithm of the list is supported";
		return ERR_ALGORITHM;
	}
	if (leg_set_methods(leg->ssh, SSH_COMP_C_S, compression) != 0 ||
	    leg_set_methods(leg->ssh, SSH_COMP_S_C, compression) != 0) {
		*why = "no compression method of the list is supported";
		return ERR_ALGORITHM;
	}
	return 0;
}

/*
 * libssh needs a descriptor to consider itself connected.  It gets an eventfd, which is never
 * ready: the leg alone reads and writes the socket.
 */
static int
leg_set_idle_descriptor(struct leg *leg)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd == -1)
		return ERR_SYS;
	if (leg->server) {
		/* returns void in libssh 0.11: without a poll handle it has failed */
		(void)ssh_socket_set_fd(leg->ssh->socket, fd);
		if (ssh_socket_get_poll_handle(leg->ssh->socket) == NULL)
			return ERR_NOMEM;
		ssh_socket_set_connected(leg->ssh->socket,
		    ssh_socket_get_poll_handle(leg->ssh->socket));
	} else {
		leg->ssh->opts.fd = fd;
	}
	return 0;
}

static struct leg *
leg_new(int fd, int server, const struct leg_config *config, const struct leg_ops *ops, void *ctx,
    const char **why)
{
	struct leg *leg = calloc(1, sizeof(*leg));
	int one = 1;

	*why = "out of memory";
	if (leg == NULL) {
		close(fd);
		return NULL;
	}
	leg->fd = fd;
	leg->server = server;
	leg->ops = ops;
	leg->ctx = ctx;
	buf_init(&leg->held, LEG_INPUT_SIZE);
	leg->input = mmap(NULL, LEG_INPUT_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	    -1, 0);
	if (leg->input == MAP_FAILED) {
		leg->input = NULL;
		goto fail;
	}
	/* fails on sockets that are not TCP, in tests: no harm */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd_set_nonblock(fd) != 0)
		goto fail;
	leg->ssh = ssh_new();
	if (leg->ssh == NULL)
		goto fail;
	leg_register(leg);
	ssh_set_blocking(leg->ssh, 0);
	leg->ssh->opts.config_processed = true;
	leg->ssh->opts.nodelay = 0;
	/* the keeper refuses short keys with a reason; libssh refuses those below this limit */
	leg->ssh->opts.rsa_min_size = 1024;
	leg->ssh->server = server;
	if (leg_set_algorithms(leg, config, why) != 0)
		goto fail;
	if (leg_set_idle_descriptor(leg) != 0)
		goto fail;
	leg_packets_init(leg);
	return leg;
fail:
	leg_free(&leg);
	return NULL;
}

/* Set the host key algorithms, of which have are those of the keys, and server-sig-algs. */
static int
leg_set_key_algorithms(struct leg *leg, const struct leg_config *config, const struct buf *have,
    const char **why)
{
	const char *host = config->host_key_algorithms, *user = config->user_key_algorithms;
	struct buf list, signatures;
	int r = ERR_ALGORITHM;

	buf_init(&list, 2048);
	buf_init(&signatures, 2048);
	algorithms_filter(host != NULL ? host : (const char *)have->data, (const char *)have->data,
	    &list);
	algorithms_signatures(user != NULL ? user : algorithms_default(ALGORITHMS_USER_KEY),
	    &signatures);
	*why = "HostKeyAlgorithms has no algorithm of the host keys";
	if (list.len == 0 || buf_cstr(&list) == NULL || buf_cstr(&signatures) == NULL ||
	    leg_set_methods(leg->ssh, SSH_HOSTKEYS, (const char *)list.data) != 0)
		goto out;
	*why = "out of memory";
	leg->host_key_algorithms = strdup((const char *)list.data);
	leg->ssh->opts.pubkey_accepted_types = strdup((const char *)signatures.data);
	if (leg->host_key_algorithms != NULL && leg->ssh->opts.pubkey_accepted_types != NULL)
		r = 0;
out:
	buf_free(&list);
	buf_free(&signatures);
	return r;
}

struct leg *
leg_new_server(int fd, const struct leg_config *config, const struct leg_ops *ops, void *ctx,
    const char **why)
{
	struct leg *leg = leg_new(fd, 1, config, ops, ctx, why);
	struct buf algorithms;
	size_t i;
	int r;

	if (leg == NULL)
		return NULL;
	buf_init(&algorithms, 1024);
	for (i = 0; i < config->n_host_keys; i++) {
		r = leg_host_keys_add(leg, config->host_keys[i], &algorithms);
		if (r != 0) {
			*why = "a host key of a kind that is not supported";
			goto fail;
		}
	}
	*why = "host keys do not fit";
	if (buf_cstr(&algorithms) == NULL ||
	    leg_set_key_algorithms(leg, config, &algorithms, why) != 0)
		goto fail;
	leg->ssh->server_opts.custombanner = strdup(config->software);
	/* in this state libssh lets INFO_RESPONSE pass */
	leg->ssh->auth.state = SSH_AUTH_STATE_INFO;
	/* does not block: sends the version string and starts the state machine */
	if (ssh_handle_key_exchange(leg->ssh) == SSH_ERROR)
		goto fail;
	leg_version_init(leg);
	buf_free(&algorithms);
	return leg;
fail:
	buf_free(&algorithms);
	leg_free(&leg);
	return NULL;
}

/*
 * Set the host key algorithms to ask for, for __wrap_ssh_find_all_matching().  libssh's own
 * list gets all algorithms in addition: it is searched for the one of the signature, which
 * for a certificate is the plain one.  leg_ops.host_key checks that the algorithm is the
 * right one.
 */
static int
leg_set_host_key_algorithms(struct leg *leg, const char *list)
{
	char *const *wanted = &leg->ssh->opts.wanted_methods[SSH_HOSTKEYS];
	struct buf all;
	int r = ERR_ALGORITHM;

	buf_init(&all, 4096);
	if (leg_set_methods(leg->ssh, SSH_HOSTKEYS, list) == 0 &&
	    (leg->host_key_algorithms = strdup(*wanted)) != NULL) {
		buf_putf(&all, "%s,%s", *wanted, algorithms_default(ALGORITHMS_HOST_KEY));
		if (buf_cstr(&all) != NULL)
			r = leg_set_methods(leg->ssh, SSH_HOSTKEYS, (const char *)all.data);
	}
	buf_free(&all);
	return r;
}

struct leg *
leg_new_client(int fd, const struct leg_config *config, const struct leg_ops *ops, void *ctx,
    const char **why)
{
	struct leg *leg = leg_new(fd, 0, config, ops, ctx, why);
	const char *host_keys = config->host_key_algorithms;

	if (leg == NULL)
		return NULL;
	if (leg_set_host_key_algorithms(leg,
		host_keys != NULL && host_keys[0] != '\0' ?
		    host_keys :
		    algorithms_default(ALGORITHMS_HOST_KEY)) != 0) {
		*why = "HostKeyAlgorithms: no algorithm of the list is supported";
		leg_free(&leg);
		return NULL;
	}
	if (ssh_connect(leg->ssh) == SSH_ERROR) {
		*why = "cannot start the key exchange";
		leg_free(&leg);
		return NULL;
	}
	leg_version_init(leg);
	/* in this state libssh lets every reply to a login request pass */
	leg->ssh->auth.state = SSH_AUTH_STATE_KBDINT_SENT;
	return leg;
}

void
leg_free(struct leg **legp)
{
	struct leg *leg = *legp;

	if (leg == NULL)
		return;
	*legp = NULL;
	if (leg->ssh != NULL) {
		/* frees the list of packet handlers, but not leg->callbacks, which is in it */
		ssh_free(leg->ssh);
		leg_unregister(leg);
	}
	if (leg->input != NULL)
		munmap(leg->input, LEG_INPUT_SIZE);
	free(leg->output);
	buf_wipe(&leg->held);
	free(leg->sig_algs);
	free(leg->host_key_algorithms);
	leg_host_keys_free(leg);
	fd_close(&leg->fd);
	free(leg);
}

/* libssh is linked statically: its headers and its code are of one version. */
const char *
transport_libssh_version(void)
{
	return SSH_STRINGIFY(LIBSSH_VERSION);
}

const char *
transport_libssh_origin(void)
{
	return LIBSSH_ORIGIN;
}

const char *
transport_libssh_built(void)
{
	return LIBSSH_BUILT;
}
