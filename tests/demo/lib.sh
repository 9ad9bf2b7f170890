# shellcheck shell=bash
# What the demos share: daemons that are started and ended, and tests that print how they went.  The demo that
# reads this sets $demo, its directory.
# shellcheck disable=SC2154

started=() # pids of the daemons
# shellcheck disable=SC2034 # the demo ends with it
status=0

say() { printf '%s\n' "$*"; }
die() {
	printf 'demo: %s\n' "$*" >&2
	exit 1
}

# --- daemons ---------------------------------------------------------------------------------------

# Print the pids of all descendants of process $1.
descendants() {
	local stat pid parent rest todo=("$1") next
	local -A children=()

	for stat in /proc/[0-9]*/stat; do
		{ read -r rest <"$stat"; } 2>/dev/null || continue
		pid=${rest%% *}
		rest=${rest##*) } # the name may hold anything, brackets too
		read -r _ parent _ <<<"$rest"
		children[$parent]+=" $pid"
	done
	while ((${#todo[@]} > 0)); do
		next=${children[${todo[0]}]:-}
		todo=("${todo[@]:1}")
		for pid in $next; do
			say "$pid"
			todo+=("$pid")
		done
	done
}

# A session outlives its gateway, so each process is ended by its own pid.
stop() {
	local pid left=()

	trap '' INT TERM HUP
	for pid in ${started[@]+"${started[@]}"}; do
		mapfile -t -O "${#left[@]}" left < <(descendants "$pid")
		left+=("$pid")
	done
	# Commands left running on the upstreams have lost their parents, but keep their environment.
	mapfile -t -O "${#left[@]}" left < <(
		grep -lzxs "SALLYPORT_DEMO=$$" /proc/[0-9]*/environ | cut -d/ -f3
	)
	for pid in ${left[@]+"${left[@]}"}; do
		kill "$pid" 2>/dev/null || :
	done
	for pid in ${started[@]+"${started[@]}"}; do
		wait "$pid" 2>/dev/null || :
	done
	for pid in ${left[@]+"${left[@]}"}; do
		for _ in {1..50}; do
			running "$pid" || continue 2
			sleep 0.1
		done
		kill -KILL "$pid" 2>/dev/null || :
	done
}

running() {
	local rest

	{ read -r rest <"/proc/$1/stat"; } 2>/dev/null || return 1
	[[ ${rest##*) } != Z* ]]
}

# daemon LOG PORT COMMAND...: start it, and wait until its log says that it listens on the port.
# Returns 1 if the port is in use; ends the demo if the command fails otherwise.
daemon() {
	local log=$1 port=$2 pid
	shift 2

	: >"$log"
	setsid "$@" </dev/null >"$log" 2>&1 9>&- &
	pid=$!
	for _ in {1..200}; do
		if grep -Eq "(listening|Serving HTTP) on 127\.0\.0\.1 port $port\b" "$log"; then
			started+=("$pid")
			return 0
		fi
		if ! running "$pid"; then
			grep -q 'Address already in use' "$log" && return 1
			cat "$log" >&2
			die "$1 ended"
		fi
		sleep 0.05
	done
	started+=("$pid")
	cat "$log" >&2
	die "$1 does not listen after 10 seconds"
}

# proof TEXT COMMAND...: print whether the command succeeds.
# shellcheck disable=SC2034
proof() {
	local text=$1 said
	shift

	if said=$("$@" 2>&1); then
		say "  ✓ $text"
	else
		say "  ✗ $text"
		say "      ${said//$'\n'/$'\n'      }"
		status=1
	fi
}

# begin NAME: one demo of this name at a time, in an empty directory; everything ends with it.
begin() {
	unset SSH_AUTH_SOCK SSH_ASKPASS
	mkdir -p "$(dirname "$demo")"
	exec 9>"$(dirname "$demo")/.$1.lock"
	flock -n 9 || die 'it runs already; one at a time'
	umask 022
	rm -rf "$demo"
	mkdir -p "$demo/conf.d"
	trap stop EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP
}

# generate NAME: make a key in the key store and print its public key.
generate() {
	"$sallyport" key generate "$1" -c "$demo/conf.d" 2>"$demo/said" && return
	cat "$demo/said" >&2
	return 1
}
