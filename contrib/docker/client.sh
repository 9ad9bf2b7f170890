#!/bin/sh
# Run once by docker-compose.yml: makes a key pair to log in with, in build/docker of the checkout.
set -eu

checkout=${CHECKOUT:-/checkout}
exchange=${EXCHANGE:-/exchange}

# This runs as root; the files it makes should belong to the owner of the checkout.
owner=$(stat -c %u:%g "$checkout")
own() { chown "$owner" "$@" 2>/dev/null || :; }

for dir in "$checkout/build" "$checkout/build/docker"; do
	[ -d "$dir" ] || { mkdir "$dir" && own "$dir"; }
done
key=$checkout/build/docker/id_ed25519
if [ ! -e "$key" ]; then
	ssh-keygen -q -t ed25519 -N '' -C demo -f "$key"
	own "$key" "$key.pub"
fi
cat "$key.pub" >"$exchange/id_ed25519.pub.new"
mv "$exchange/id_ed25519.pub.new" "$exchange/id_ed25519.pub"
echo "now: ssh -p 2222 -i build/docker/id_ed25519 alice@localhost, or bob@localhost"
