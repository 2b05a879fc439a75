# bash completion for streamctl

_streamctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        [[ $word == -* ]] || { command=$word; break; }
    done
    COMPREPLY=()
    case $command:$prev in
        config:--server) return ;;
        events:--stream) _streamctl_words "$(streamctl status --codes 2>/dev/null)"; return ;;
        events:--type) return ;;
        events:--since) return ;;
        events:--server) return ;;
        hooks:--server) return ;;
        ingest:--record) _streamctl_files; return ;;
        ingest:--name) return ;;
        ingest:--rtmp) return ;;
        ingest:--http) return ;;
        ingest:--max-mb) return ;;
        ingest:--duration) return ;;
        ingest:--retries) return ;;
        plugins:--server) return ;;
        probe:--duration) return ;;
        probe:--timeout) return ;;
        push:--duration) return ;;
        push:--retries) return ;;
        push:--retry-s) return ;;
        reload:--server) return ;;
        serve:--log-level) _streamctl_words $'debug\ninfo\nwarning\nerror'; return ;;
        status:--server) return ;;
        stream:--server) return ;;
        switch:--server) return ;;
        tui:--server) return ;;
    esac
    case $command in
        '') _streamctl_words $'config\nevents\nhooks\ningest\nplugins\nprobe\npush\nreload\nserve\nstatus\nstream\nswitch\ntui\n-V\n--version\n--debug\n-h\n--help'; ;;
        config) _streamctl_words $'--resolved\n--server\n--json\n-h\n--help'; _streamctl_words $'check\ndiff\nshow'; _streamctl_files; ;;
        events) _streamctl_words $'--stream\n--type\n--since\n--follow\n--no-follow\n--server\n--json\n-h\n--help'; ;;
        hooks) _streamctl_words $'--server\n--json\n-h\n--help'; _streamctl_words $'list\ntest'; ;;
        ingest) _streamctl_words $'--serve\n--record\n--name\n--rtmp\n--http\n--force\n--max-mb\n--loop\n--duration\n--retries\n--json\n-h\n--help'; _streamctl_files; ;;
        plugins) _streamctl_words $'--server\n--json\n-h\n--help'; ;;
        probe) _streamctl_words $'--json\n--duration\n--timeout\n-h\n--help'; _streamctl_files; ;;
        push) _streamctl_words $'--loop\n--duration\n--retries\n--retry-s\n--json\n-q\n--quiet\n-h\n--help'; _streamctl_files; ;;
        reload) _streamctl_words $'--server\n--json\n-h\n--help'; ;;
        serve) _streamctl_words $'--log-level\n--check\n-h\n--help'; _streamctl_files; ;;
        status) _streamctl_words $'--server\n--json\n-w\n--watch\n-h\n--help'; _streamctl_words "$(streamctl status --codes 2>/dev/null)"; ;;
        stream) _streamctl_words $'--dry-run\n--server\n--json\n-h\n--help'; _streamctl_words $'add\nset\nremove\ndisable\nenable\nrestart'; _streamctl_words "$(streamctl status --codes 2>/dev/null)"; ;;
        switch) _streamctl_words $'--server\n--json\n-h\n--help'; _streamctl_words "$(streamctl status --codes 2>/dev/null)"; ;;
        tui) _streamctl_words $'--server\n-h\n--help'; ;;
    esac
}

_streamctl_words() {
    local IFS=$'\n'
    COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}

_streamctl_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
}

complete -F _streamctl streamctl
