#!/bin/sh
# The gateway of docker-compose.yml: makes the keys on the first start, publishes each mapped key's
# public half to its upstream, collects the upstreams' host keys, and serves.
set -eu
trap 'exit 1' TERM INT # PID 1 has no default for them

base=${SALLYPORT_BASE:-/etc/sallyport} # has conf.d; keys and known_hosts are made in state
exchange=${EXCHANGE:-/exchange}        # has client, and for each upstream a directory shared with it
machines=${MACHINES:-alice bob}
patience=${PATIENCE:-120} # seconds to wait for files from the other containers

say() { echo "gateway: $*" >&2; }

# Write standard input to the file $1, atomically.
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

# The upstreams publish their host keys in a shared directory, which unlike ssh-keyscan can be trusted.
for machine in $machines; do
	wait_for "$exchange/$machine/host.pub"
done
for machine in $machines; do
	read -r type key _ <"$exchange/$machine/host.pub"
	echo "$machine-machine $type $key"
done | put "$base/state/known_hosts"

wait_for "$exchange/client/id_ed25519.pub"
put "$base/state/client.pub" <"$exchange/client/id_ed25519.pub"

say 'these are the keys; ssh shows you the fingerprint of host_ed25519:'
sallyport key list -c "$base/conf.d" >&2
exec sallyport serve -c "$base/conf.d"
