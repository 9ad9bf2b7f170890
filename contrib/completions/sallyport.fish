# fish completion for sallyport(8).  The program itself is asked for its commands, their options and the
# names of keys and secrets, so a new one is known without a change here.

# The words before the cursor, without options and their values.
function __sallyport_operands
    set -l skip 0
    set -l command
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word -c --client-certificate --config --digits --for --from --hash --issuer --key --name \
                --store --to --type --unlock --ca --force-command --id --krl --lifetime --principals --serial \
                --source-address
            set skip 1
        else if test $word = --host -a "$command" != ca
            set skip 1
        else if not string match -q -- '-*' $word
            set -q command[1]; or set command $word
            echo $word
        end
    end
end

function __sallyport_program
    commandline -opc | head -n 1 | string replace -r '^~/' "$HOME/"
end

# The value of -c.
function __sallyport_dir
    set -l words (commandline -opc)
    for i in (seq 2 (math (count $words) - 1))
        if contains -- $words[$i] -c --config
            echo $words[(math $i + 1)]
        end
    end
end

# N WORD...: are there N operands, and these the first of them?
function __sallyport_at
    set -l operands (__sallyport_operands)
    set -l first $argv
    set -e first[1]
    test (count $operands) = $argv[1]; and string match -q -- "$first*" "$operands"
end

# "  word  explanation" lines of a help text.
function __sallyport_words
    set -l program (__sallyport_program)
    $program $argv 2>/dev/null </dev/null | sed -nE 's/^  ([a-z][a-z-]*)  +(.*)/\1\t\2/p'
end

# The options of the command, and the values of the one before the cursor where the usage says
# "--option one|another".
function __sallyport_options
    set -l program (__sallyport_program)
    set -l command (__sallyport_operands)[1]
    set -l prev (commandline -opc)[-1]
    test -n "$command"; or return
    if string match -q -- '-*' $prev
        $program $command --help 2>/dev/null </dev/null |
            sed -nE "s/^(usage:|  ).*[^a-z-]$prev ([a-z0-9]+([|][a-z0-9]+)+).*/\\2/p" | head -n 1 | tr '|' '\n'
    end
    if string match -q -- '-*' (commandline -ct)
        $program $command --help 2>/dev/null </dev/null | grep -oE '(^|[^a-z-])--?[a-z][a-z-]*' |
            grep -oE -- '-.*' | sort -u
    end
end

# The names that `COMMAND list` begins its lines with.
function __sallyport_names
    set -l program (__sallyport_program)
    set -l dir (__sallyport_dir)
    if test -n "$dir"
        $program $argv[1] list -c $dir 2>/dev/null </dev/null | sed 's/ .*//'
    else
        $program $argv[1] list 2>/dev/null </dev/null | sed 's/ .*//'
    end
end

# The logins that [route] sections of the configuration name; not its patterns.
function __sallyport_logins
    set -l dir (__sallyport_dir)
    if test -z "$dir"
        set dir /etc/sallyport/conf.d
        test -d $dir; or set dir conf.d
    end
    test -d $dir/conf.d; and set dir $dir/conf.d
    set -l files $dir/*.ini
    cat $files /dev/null 2>/dev/null | sed -nE 's/^\[route +([^]*?/ ]+)(\/[^]]*)?\].*/\1/p' | sort -u
end

function __sallyport_after
    contains -- (commandline -opc)[-1] $argv
end

complete -c sallyport -f
complete -c sallyport -n '__sallyport_at 0' -a '(__sallyport_words help)'
complete -c sallyport -n '__sallyport_at 1 help' -a '(__sallyport_words help)'
complete -c sallyport -n '__sallyport_at 1 key' -a '(__sallyport_words key --help)'
complete -c sallyport -n '__sallyport_at 1 ca' -a '(__sallyport_words ca --help)'
complete -c sallyport -n '__sallyport_at 2 key public; or __sallyport_at 2 key remove' -a '(__sallyport_names key)'
complete -c sallyport -n '__sallyport_at 2 ca public; or __sallyport_at 2 ca revoke; or __sallyport_after --ca' -a '(__sallyport_names key)'
complete -c sallyport -n '__sallyport_at 2 ca sign; or __sallyport_at 3 ca revoke; or __sallyport_after --krl' -F
complete -c sallyport -n '__sallyport_at 1 totp' -a '(__sallyport_words totp --help)'
complete -c sallyport -n '__sallyport_at 2 totp reset' -a '(__sallyport_names totp)'
complete -c sallyport -n '__sallyport_at 1 route; or __sallyport_at 2 totp enroll; or __sallyport_after --for' -a '(__sallyport_logins)'
complete -c sallyport -n '__sallyport_at 3 key add; or __sallyport_after --key; or __sallyport_after --client-certificate' -F
complete -c sallyport -n '__sallyport_at 1 init; or __sallyport_after -c --config --store' \
    -a '(__fish_complete_directories)'
complete -c sallyport -n '__sallyport_after --unlock' -a 'file: credential: passphrase'
complete -c sallyport -a '(__sallyport_options)'
