#!/bin/sh
# What the programs beside this directory share; they say where they are.
: "${here:?}"

fail() {
	echo "$*" >&2
	exit 2
}

# Calls `setting NAME VALUE` for each "NAME = VALUE" line of a file.  As in conf.d, a comment begins
# with # or ; at the start of a line, or with a blank and ; after a value.
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

# A file that holds a password, and that others may not read.
secret_file() {
	if ! [ -f "$1" ] || ! [ -r "$1" ]; then
		fail "$1 cannot be read"
	fi
	[ -z "$(find -L "$1" -prune -perm /0007)" ] ||
		fail "$1 holds a password and others may read it: chmod o= $1"
}

# jq with route.jq: 1 and 0 are what they are for a lookup, all else fails it.
route_jq() {
	jq -r -L "$here/lib" "$@"
	case $? in
	0) exit 0 ;;
	1) exit 1 ;;
	*) fail "the answer is no route" ;;
	esac
}
