/*
 * The processes that the master executes the program anew for, each with its socket as descriptor
 * REEXEC_SOCKET.  main() looks for these words before the subcommands; they are not for users.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/reexec.h"
#include "cli/cli.h"
#include "edge/edge.h"
#include "edge/forward.h"
#include "errand/dialler.h"
#include "errand/errand.h"
#include "errand/starter.h"
#include "keeper/keeper.h"

/* CONF_DIR RUN_AS: "" for the default place, and for no change of user */
static int
role_keeper(char **argv)
{
	return keeper_run(REEXEC_SOCKET, argv[0][0] == '\0' ? NULL : argv[0],
	    argv[1][0] == '\0' ? NULL : argv[1]);
}

static int
role_dial(char **argv)
{
	errand_dial(REEXEC_SOCKET);
}

static int
role_dialler(char **argv)
{
	dialler_run(REEXEC_SOCKET);
}

static int
role_run(char **argv)
{
	errand_run(REEXEC_SOCKET, NULL, NULL);
}

/* BASE COMMAND, from the starter */
static int
role_run_only(char **argv)
{
	errand_run(REEXEC_SOCKET, argv[0], argv[1]);
}

/* PROGRAMS: paths, separated by blanks, or ERRAND_FACTOR_ANY */
static int
role_factor(char **argv)
{
	errand_factor(REEXEC_SOCKET, argv[0]);
}

/* USER SELF BASE COMMAND */
static int
role_starter(char **argv)
{
	const struct starter_config config = { argv[0], argv[1], argv[2], argv[3] };

	if (reexec_init() != 0) {
		perror("sallyport: /proc/self/exe");
		return CLI_FAILED;
	}
	return starter_run(REEXEC_SOCKET, &config);
}

static int
role_look(char **argv)
{
	errand_look(REEXEC_SOCKET);
}

static int
role_password(char **argv)
{
	errand_password(REEXEC_SOCKET);
}

static int
role_ca(char **argv)
{
	errand_ca(REEXEC_SOCKET);
}

static int
role_edge(char **argv)
{
	edge_run(REEXEC_SOCKET);
}

static int
role_forward(char **argv)
{
	forward_run(REEXEC_SOCKET);
}

static const struct role {
	const char *name;
	int args;
	int (*run)(char **argv);
} roles[] = {
	{ "role-keeper", 2, role_keeper },
	{ "role-dial", 0, role_dial },
	{ "role-dialler", 0, role_dialler },
	{ "role-run", 0, role_run },
	{ "role-run-only", 2, role_run_only },
	{ "role-factor", 1, role_factor },
	{ "role-starter", 4, role_starter },
	{ "role-password", 0, role_password },
	{ "role-look", 0, role_look },
	{ "role-ca", 0, role_ca },
	{ "role-edge", 0, role_edge },
	{ "role-forward", 0, role_forward },
};

int
cli_role(int argc, char **argv)
{
	socklen_t len = sizeof(int);
	int type;
	size_t i;

	for (i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(argv[0], roles[i].name) != 0)
			continue;
		if (argc - 1 != roles[i].args ||
		    getsockopt(REEXEC_SOCKET, SOL_SOCKET, SO_TYPE, &type, &len) == -1 ||
		    type != SOCK_SEQPACKET) {
			fprintf(stderr, "sallyport: %s is started only by `sallyport serve`\n",
			    argv[0]);
			return CLI_USAGE;
		}
		log_detect_journal();
		return roles[i].run(argv + 1);
	}
	return CLI_NO_ROLE;
}
