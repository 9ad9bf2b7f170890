#!/bin/sh
# The gateway of docker-compose.yml: make the keys on the first start, tell the machines the public
# halves of theirs, learn the machines' host keys, and serve.
set -eu
trap 'exit 1' TERM INT # PID 1 has no default for them

base=${SALLYPORT_BASE:-/etc/sallyport} # conf.d is in here, and what is made goes to state
exchange=${EXCHANGE:-/exchange}        # client/, and one directory that is shared with each machine
machines=${MACHINES:-alice bob}
patience=${PATIENCE:-120} # how many seconds to wait for what the others publish

say() { echo "gateway: $*" >&2; }

# Standard input becomes this file, whole or not at all.
put() {
	cat >"$1.new"
	chmod 644 "$1.new"
	mv "$1.new" "$1"
}

generate() {
	[ ! -e "$base/state/keys/$1" ] || return 0
	said=$(sallyport key generate "$1" -c "$base/conf.d" 2>&1) || {
		say "$said"
		exit 1
	}
	say "made the key $1"
}

wait_for() {
	waited=0
	until [ -s "$1" ]; do
		waited=$((waited + 1))
		if [ "$waited" -gt "$patience" ]; then
			say "$1 has not come in $patience s"
			exit 1
		fi
		sleep 1
	done
}

mkdir -p "$base/state"
generate host_ed25519
for machine in $machines; do
	generate "$machine"
	sallyport key public "$machine" -c "$base/conf.d" | put "$exchange/$machine/gateway.pub"
done

# Nothing here has to be taken on trust from the network, so ssh-keyscan is not needed.
for machine in $machines; do
	wait_for "$exchange/$machine/host.pub"
done
for machine in $machines; do
	read -r type key _ <"$exchange/$machine/host.pub"
	echo "$machine-machine $type $key"
done | put "$base/state/known_hosts"

wait_for "$exchange/client/id_ed25519.pub"
put "$base/state/client.pub" <"$exchange/client/id_ed25519.pub"

say 'the keys; what ssh asks you about is host_ed25519:'
sallyport key list -c "$base/conf.d" >&2
exec sallyport serve -c "$base/conf.d"
