"""Writes completions for bash, zsh and fish.

They are static, so that TAB starts no Python; only the codes of running streams are asked for,
by ``streamctl status --codes``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streamctl.cli.manual import Command, Parameter

CODES = "streamctl status --codes 2>/dev/null"

BASH = """\
# bash completion for streamctl

_streamctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} command= word
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $word == -* ]] || {{ command=$word; break; }}
    done
    COMPREPLY=()
    case $command:$prev in
{values}
    esac
    case $command in
{commands}
    esac
}}

_streamctl_words() {{
    local IFS=$'\\n'
    COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}}

_streamctl_files() {{
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -- "$cur"))
}}

complete -F _streamctl streamctl
"""

ZSH = """\
#compdef streamctl
# zsh completion for streamctl

_streamctl_codes() {{
    local -a codes
    codes=(${{(f)"$({codes})"}})
    compadd -a codes
}}

_streamctl() {{
    local context state state_descr line
    typeset -A opt_args
    _arguments -C \\
{options}
        '1: :->command' \\
        '*:: :->arguments'
    case $state in
    command)
        local -a commands=(
{commands}
        )
        _describe command commands
        ;;
    arguments)
        case $words[1] in
{cases}
        esac
        ;;
    esac
}}

_streamctl "$@"
"""


def bash(program: Command, commands: Sequence[Command]) -> str:
    """The script for bash."""
    values: list[str] = []
    cases: list[str] = []
    for command in (program, *commands):
        name = "" if command is program else command.name
        for option in command.options:
            if option.metavar:
                pattern = "|".join(f"{name}:{one}" for one in option.names)
                values.append(f"        {pattern}) {bash_value(option)}return ;;")
        words = bash_list(bash_words(command, commands if command is program else ()))
        extra = "".join(map(bash_value, command.arguments))
        cases.append(f"        {name or repr('')}) _streamctl_words {words}; {extra};;")
    return BASH.format(values="\n".join(values), commands="\n".join(cases))


def bash_words(command: Command, commands: Sequence[Command]) -> Iterator[str]:
    """Every option and subcommand."""
    yield from (one.name for one in commands)
    for option in command.options:
        yield from option.names


def bash_list(words: Iterable[str]) -> str:
    """Words as one quoted text, one a line."""
    return "$'" + "\\n".join(words) + "'"


def bash_value(parameter: Parameter) -> str:
    """What completes a value, as a statement."""
    if parameter.choices:
        return f"_streamctl_words {bash_list(parameter.choices)}; "
    if parameter.takes_stream:
        return f'_streamctl_words "$({CODES})"; '
    return "_streamctl_files; " if parameter.takes_file else ""


def zsh(program: Command, commands: Sequence[Command]) -> str:
    """The script for zsh."""
    cases: list[str] = []
    for command in commands:
        specs = [zsh_option(one) for one in command.options]
        specs += [zsh_argument(one) for one in command.arguments]
        lines = " \\\n".join(f"                {spec}" for spec in specs)
        cases.append(f"        {command.name})\n            _arguments \\\n{lines}\n            ;;")
    options = "\n".join(f"        {zsh_option(one)} \\" for one in program.options)
    names = "\n".join(f"            {zsh_quoted(f'{one.name}:{one.summary}')}" for one in commands)
    return ZSH.format(codes=CODES, options=options, commands=names, cases="\n".join(cases))


def zsh_option(option: Parameter) -> str:
    """The spec of an option for ``_arguments``."""
    told = option.help.rstrip(".").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = (
        f":{option.metavar.lower().split('|')[0]}:{zsh_action(option)}" if option.metavar else ""
    )
    if len(option.names) == 1:
        return zsh_quoted(f"{option.names[0]}[{told}]{value}")
    names = ",".join(option.names)
    return f"'({' '.join(option.names)})'{{{names}}}{zsh_quoted(f'[{told}]{value}')}"


def zsh_argument(argument: Parameter) -> str:
    """The spec of an argument for ``_arguments``."""
    many = "*" if "…" in argument.metavar else ""
    label = argument.metavar.strip("[]").rstrip("…").lower()
    return zsh_quoted(f"{many}:{label}:{zsh_action(argument)}")


def zsh_action(parameter: Parameter) -> str:
    """What completes a value."""
    if parameter.choices:
        return f"({' '.join(parameter.choices)})"
    if parameter.takes_stream:
        return "_streamctl_codes"
    return "_files" if parameter.takes_file else " "


def zsh_quoted(text: str) -> str:
    """A word in single quotes."""
    return "'" + text.replace("'", "'\\''") + "'"


def fish(program: Command, commands: Sequence[Command]) -> str:
    """The script for fish."""
    top, below = "__fish_use_subcommand", "__fish_seen_subcommand_from"
    lines = ["# fish completion for streamctl", "", "complete -c streamctl -f"]
    lines += [fish_option(option, top) for option in program.options]
    for command in commands:
        lines.append(
            f"complete -c streamctl -n {top} -a {command.name} -d {fish_quoted(command.summary)}"
        )
        when = f"'{below} {command.name}'"
        lines += [fish_option(option, when) for option in command.options]
        for argument in command.arguments:
            if argument.takes_file:
                lines.append(f"complete -c streamctl -n {when} -F")
            if argument.takes_stream:
                lines.append(f"complete -c streamctl -n {when} -a '({CODES})'")
            if argument.choices:
                words = fish_quoted(" ".join(argument.choices))
                lines.append(f"complete -c streamctl -n {when} -a {words}")
    return "\n".join([*lines, ""])


def fish_option(option: Parameter, when: str) -> str:
    """One ``complete`` line."""
    parts = [f"complete -c streamctl -n {when}"]
    parts += [
        f"-{'l' if name.startswith('--') else 's'} {name.lstrip('-')}" for name in option.names
    ]
    if option.metavar:
        parts.append("-r" if option.takes_file else "-x")
    if option.choices:
        parts.append(f"-a {fish_quoted(' '.join(option.choices))}")
    if option.takes_stream:
        parts.append(f"-a '({CODES})'")
    return " ".join([*parts, f"-d {fish_quoted(option.help.rstrip('.'))}"])


def fish_quoted(text: str) -> str:
    """A word in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
