#!/bin/sh
# An upstream of docker-compose.yml: OpenSSH with one user, whose only authorized key is the gateway's
# mapped key.
set -eu
trap 'exit 1' TERM INT # PID 1 has no default for them

user=${MACHINE_USER:?}
exchange=${EXCHANGE:-/exchange}      # shared with the gateway
state=${MACHINE_STATE:-/etc/ssh/own} # files made on the first start
address=${SSHD_ADDRESS:-0.0.0.0}
port=${SSHD_PORT:-22}
patience=${PATIENCE:-120}

say() { echo "$user's machine: $*" >&2; }

put() {
	cat >"$1.new"
	chmod 644 "$1.new"
	mv "$1.new" "$1"
}

id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash --password '*' "$user"

mkdir -p "$state" /run/sshd
[ -e "$state/host_key" ] || ssh-keygen -q -t ed25519 -N '' -C "$user's machine" -f "$state/host_key"
put "$exchange/host.pub" <"$state/host_key.pub"

waited=0
until [ -s "$exchange/gateway.pub" ]; do
	waited=$((waited + 1))
	if [ "$waited" -gt "$patience" ]; then
		say "the gateway has not published its key in $patience s"
		exit 1
	fi
	sleep 1
done
put "$state/authorized_keys" <"$exchange/gateway.pub"

cat >"$state/sshd_config" <<CONFIG
ListenAddress $address:$port
HostKey $state/host_key
PidFile none
AuthorizedKeysFile $state/authorized_keys
AllowUsers $user
AuthenticationMethods publickey
AcceptEnv LANG LC_*
SetEnv MACHINE=$user-machine
Subsystem sftp internal-sftp
CONFIG
exec /usr/sbin/sshd -D -e -f "$state/sshd_config"
