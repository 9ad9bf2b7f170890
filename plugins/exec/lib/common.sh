#!/bin/sh
# Shared by the programs beside this directory, which set $here to their own directory.
: "${here:?}"

fail() {
	echo "$*" >&2
	exit 2
}

# read_settings FILE: call `setting NAME VALUE` for each line "NAME = VALUE".  As in conf.d, a comment
# begins with # or ; at the start of a line, or with a blank and ; after a value.
read_settings() {
	if ! [ -f "$1" ] || ! [ -r "$1" ]; then
		fail "$1 cannot be read"
	fi
	while read -r line || [ -n "$line" ]; do
		case $line in
		'' | '#'* | ';'*) continue ;;
		*=*) ;;
		*) fail "$1: \"$line\" is not KEY = VALUE" ;;
		esac
		name=${line%%=*}
		name=${name%"${name##*[![:space:]]}"}
		value=${line#*=}
		value=${value%%[[:blank:]];*}
		value=${value%"${value##*[![:space:]]}"}
		setting "$name" "${value#"${value%%[![:space:]]*}"}"
	done <"$1"
}

# secret_file FILE: fail unless FILE can be read, and not by others.
secret_file() {
	if ! [ -f "$1" ] || ! [ -r "$1" ]; then
		fail "$1 cannot be read"
	fi
	[ -z "$(find -L "$1" -prune -perm /0007)" ] ||
		fail "$1 holds a password and others may read it: chmod o= $1"
}

# route_jq ARGUMENTS: run jq with route.jq.  Its exit statuses 0 and 1 are the lookup's; any other
# fails it.
route_jq() {
	jq -r -L "$here/lib" "$@"
	case $? in
	0) exit 0 ;;
	1) exit 1 ;;
	*) fail "the answer is not a route" ;;
	esac
}
