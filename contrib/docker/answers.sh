#!/bin/bash
# answers.sh PORT: does an SSH server answer there?
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
read -r -t 3 line <&3 && [[ $line == SSH-2.0-* ]]
