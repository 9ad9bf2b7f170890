/*
 * sallyport serve: the gateway.  Its first process becomes the master; a session is forked from
 * that one, and role.c is where the other processes begin.
 */
#include <stdio.h>

#include "base/access_hint.h"
#include "base/log.h"
#include "base/reexec.h"
#include "cli/as_user.h"
#include "cli/cli.h"
#include "conf/conf.h"
#include "master/master.h"
#include "session/session.h"
#include "tls/tls.h"
#include "transport/leg.h"

static void
serve_session(int client, int keeper, const struct master_session *session)
{
	struct session_config config = {
		.id = session->id,
		.client = session->client,
		.login_grace_ms = session->gateway->login_grace_ms,
		.client_alive_interval_ms = session->gateway->client_alive_interval_ms,
		.client_alive_count_max = session->gateway->client_alive_count_max,
		.kex_algorithms = session->gateway->kex_algorithms,
		.host_key_algorithms = session->gateway->host_key_algorithms,
		.ciphers = session->gateway->ciphers,
		.macs = session->gateway->macs,
		.user_key_algorithms = session->gateway->pubkey_accepted_algorithms,
	};

	session_run(client, keeper, &config);
}

static void
serve_tls(int client, int keeper, int inner, const struct master_session *session)
{
	const struct tls_process process = { session->id, session->client };

	tls_run(client, keeper, inner, &process);
}

static int
serve_run(int argc, char **argv)
{
	static const struct master_roles roles = { leg_try_host_keys, serve_session, carrier_run,
		serve_tls };
	struct conf_errors errors = { 0 };
	struct conf *conf = NULL;
	const char *dir = NULL;
	const struct cli_option options[] = {
		{ "config", 'c', &dir, NULL },
		{ 0 },
	};
	int at = cli_options(argc, argv, options, &cli_serve), r, status;

	if (at <= 0)
		return at == 0 ? CLI_OK : CLI_USAGE;
	if (at != argc)
		return cli_wrong_usage(&cli_serve);
	as_user_hints(dir);
	r = conf_load(dir, CONF_GATEWAY, &conf, &errors);
	if (r != 0)
		conf_errors_print(&errors, stderr);
	else if (access_hint_instead() != NULL) /* the keeper could not open it */
		fprintf(stderr, "sallyport: %s: is not this user's: %s\n", conf->keystore.path,
		    access_hint_instead());
	conf_errors_free(&errors);
	if (r != 0 || access_hint_instead() != NULL) {
		conf_free(&conf);
		return CLI_CONFIG;
	}
	if (reexec_init() != 0) {
		perror("sallyport: /proc/self/exe");
		return CLI_FAILED;
	}
	log_detect_journal();
	conf_set_log(&conf->gateway);
	r = leg_global_init();
	if (r == 0)
		r = leg_warm_up();
	if (r != 0) {
		log_error("libssh does not work here: %s", err_str(r));
		return CLI_FAILED;
	}
	/* the processes of TLS connections share what is made here; after a reload each makes its own */
	if (conf->n_tls > 0 && tls_warm_up() != 0) {
		log_error("libssl does not work here");
		return CLI_FAILED;
	}
	status = master_run(conf, dir, &roles);
	conf_free(&conf);
	return status;
}

const struct cli_command cli_serve = {
	.name = "serve",
	.summary = "run the gateway in the foreground",
	.usage = "usage: sallyport serve [-c DIR]\n",
	.help = "\n"
		"Run the gateway in the foreground; the log goes to standard error.\n"
		"  -c DIR   the directory of the configuration (*.ini), or the one above\n"
		"           its conf.d; default /etc/sallyport/conf.d, else ./conf.d\n"
		"\n"
		"SIGTERM ends it; running sessions continue until they end.  SIGHUP makes it\n"
		"reload its configuration, as `sallyport reload` does.\n",
	.run = serve_run,
};
