# bash completion for sallyport(8).  The program itself is asked for its commands, their options and the
# names of keys and secrets, so a new one is known without a change here.

# The words that "  word  explanation" lines of a help text begin with.
_sallyport_words() {
	"$@" 2>/dev/null </dev/null | sed -nE 's/^  ([a-z][a-z-]*)  .*/\1/p'
}

# The options in a help text.
_sallyport_options() {
	"$@" --help 2>/dev/null </dev/null | grep -oE '(^|[^a-z-])--?[a-z][a-z-]*' | grep -oE -- '-.*' | sort -u
}

# _sallyport_values PROGRAM COMMAND OPTION: where the usage says "OPTION one|another".
_sallyport_values() {
	"$1" "$2" --help 2>/dev/null </dev/null |
	    sed -nE "s/^(usage:|  ).*[^a-z-]$3 ([a-z0-9]+([|][a-z0-9]+)+).*/\\2/p" | head -n 1 | tr '|' ' '
}

# _sallyport_names PROGRAM COMMAND DIR: the names in the key store that this command lists.
_sallyport_names() {
	"$1" "$2" list ${3:+-c "$3"} 2>/dev/null </dev/null | sed 's/ .*//'
}

# The logins that [route] sections of the configuration name; not its patterns.
_sallyport_logins() {
	local dir=${1:-/etc/sallyport/conf.d}

	[ -n "$1" ] || [ -d "$dir" ] || dir=conf.d
	[ ! -d "$dir/conf.d" ] || dir=$dir/conf.d
	sed -nE 's/^\[route +([^]*?/ ]+)(\/[^]]*)?\].*/\1/p' "$dir"/*.ini 2>/dev/null | sort -u
}

_sallyport() {
	local program=${COMP_WORDS[0]} cur=$2 prev=$3 command='' key='' dir='' operands=0 i words=''

	program=${program/#\~\//$HOME/}
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-c | --config) dir=${COMP_WORDS[++i]} ;;
		--client-certificate | --digits | --for | --from | --hash | --issuer | --key | --name | --store | --to | --type | --unlock)
			((i++))
			;;
		--ca | --force-command | --id | --krl | --lifetime | --principals | --serial | --source-address) ((i++)) ;;
		--host) [ "$command" = ca ] || ((i++)) ;;
		-*) ;;
		*)
			if [ -z "$command" ]; then
				command=${COMP_WORDS[i]}
			elif [[ $command == @(ca|key|totp) && -z $key ]]; then
				key=${COMP_WORDS[i]}
			else
				((operands++))
			fi
			;;
		esac
	done
	case $prev in
	-c | --config | --store)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--key | --client-certificate | --krl)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	--for) words=$(_sallyport_logins "$dir") ;;
	--ca) words=$(_sallyport_names "$program" key "$dir") ;;
	--unlock) words='file: credential: passphrase' ;;
	-*) words=$([ -z "$command" ] || _sallyport_values "$program" "$command" "$prev") ;;
	esac
	if [ -z "$words" ]; then
		case $command:$key:$operands:$cur in
		:*) words=$(_sallyport_words "$program" help) ;;
		*:-*) words=$(_sallyport_options "$program" "$command") ;;
		help::0:*) words=$(_sallyport_words "$program" help) ;;
		ca::* | key::* | totp::*) words=$(_sallyport_words "$program" "$command" --help) ;;
		key:public:0:* | key:remove:0:* | ca:public:0:* | ca:revoke:0:*)
			words=$(_sallyport_names "$program" key "$dir")
			;;
		totp:reset:0:*) words=$(_sallyport_names "$program" totp "$dir") ;;
		route::0:* | totp:enroll:0:*) words=$(_sallyport_logins "$dir") ;;
		key:add:1:* | ca:sign:0:* | ca:revoke:*)
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		init::0:*)
			mapfile -t COMPREPLY < <(compgen -d -- "$cur")
			return
			;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -o filenames -F _sallyport sallyport
