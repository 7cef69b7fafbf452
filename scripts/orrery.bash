# Completion of orrery's commands, options and files for bash.
_orrery() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} options=
    COMPREPLY=()
    if [[ $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W 'run test check diff export new schema bench --help' -- "$word")
        return
    fi
    case $previous in
    --pcap | --artifacts)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word")
        return
        ;;
    --record-pages)
        mapfile -t COMPREPLY < <(compgen -W all -- "$word")
        return
        ;;
    --cell | --point | --jobs | --seeds | --filter | --shard | --wall-limit | --seed | --pcap-link | --pcap-from | --pcap-until | --pcap-frames | --until | --set | --runs | --what | --from)
        return
        ;;
    esac
    case $command in
    run)
        options='--seed --point --cell --jobs --csv --json --record --record-pages --record-frames --pcap --pcap-link --pcap-from --pcap-until --pcap-frames
            --until --set --quiet --formula --help'
        ;;
    test)
        options='--seeds --filter --shard --jobs --wall-limit --tap --junit --json --artifacts --baseline --write-baseline --help'
        ;;
    check) options='--cell --resolved --set --help' ;;
    diff) options='--help' ;;
    export) options='--perfetto --jsonl --csv --what --from --until --help' ;;
    new) options='--output --force --help' ;;
    schema) options='--report --reference --metrics --help' ;;
    bench) options='--json --list --runs --help' ;;
    esac
    if [[ $word == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
    elif [[ $previous =~ ^--(json|record|csv|junit|baseline|write-baseline)$ && $command =~ ^(run|test)$ ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $command == export && $previous == --@(perfetto|jsonl|csv) || $command == new && $previous == @(-o|--output) ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    elif [[ $command == export ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word"; compgen -f -X '!*.orr' -- "$word")
    elif [[ $command == new ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(orrery new 2>/dev/null | sed -nE 's/^  ([a-z-]+) .*/\1/p')" -- "$word")
    elif [[ $command == bench ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(orrery bench --list 2>/dev/null | cut -d ' ' -f 1)" -- "$word")
    elif [[ $command =~ ^(run|test|check|diff)$ ]]; then
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -d -- "$word"; compgen -f -X '!*.@(yaml|yml|orr)' -- "$word")
    fi
}
complete -F _orrery orrery
