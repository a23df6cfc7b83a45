"""fastmmap completion: what shells complete, made of the commands and their options."""

from __future__ import annotations

from .options import Argument, Command, Given, Option
from .output import out
from .status import FOUND
from .values import OneOf

SHELLS = ("bash", "zsh", "fish")


def run(given: Given) -> int:
    """Prints a script for a shell."""
    from .commands import MODULES, command_of

    try:
        OneOf(*SHELLS)(given.the_shell)
    except ValueError as error:
        given.command.fail(f"SHELL: {error}")
    commands = [(name, command_of(name)) for name in MODULES]
    script = {"bash": _bash, "zsh": _zsh, "fish": _fish}[given.the_shell](commands)
    out.write(script)
    return FOUND


def _bash(commands: list[tuple[str, Command]]) -> str:
    names = " ".join(name for name, _ in commands)
    cases, values = [], set()
    for name, command in commands:
        options = " ".join(each for option in command.options for each in option.names)
        cases.append(f'        {name}) options="{options}" ;;')
        for option in command.options:
            if option.choices:
                values.add(f'        {"|".join(option.names)}) words="{" ".join(option.choices)}" ;;')
    lines = [
        "# source <(fastmmap completion bash)",
        "_fastmmap() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local each command="" options="" words=""',
        '    if [[ "$word" == "=" ]]; then word=""  # bash takes --color=auto for three words',
        '    elif [[ "$before" == "=" ]]; then before="${COMP_WORDS[COMP_CWORD-2]}"; fi',
        '    for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        f'        case "$each" in {names.replace(" ", "|")}) command="$each"; break ;; esac',
        "    done",
        '    case "$command" in',
        '        "") words="' + names + ' --help --version" ;;',
        *cases,
        "    esac",
        '    case "$before" in',
        *sorted(values),
        "    esac",
        f'    [[ "$command" == completion ]] && words="{" ".join(SHELLS)}"',
        "    COMPREPLY=()  # nothing: readline's own files",
        '    if [[ -n "$words" ]]; then COMPREPLY=($(compgen -W "$words" -- "$word"))',
        '    elif [[ "$word" == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$word")); fi',
        "}",
        "complete -o default -F _fastmmap fastmmap",
    ]
    return "\n".join(lines) + "\n"


def _zsh(commands: list[tuple[str, Command]]) -> str:
    described = [f"        {_quoted(f'{name}:{command.summary}')}" for name, command in commands]
    cases = []
    for name, command in commands:
        cases.append(f"        {name}) _arguments -s \\")
        cases += [f"            {spec} \\" for option in command.options for spec in _zsh_specs(option)]
        cases.append(f"            {_quoted('*:' + _zsh_arguments(command))} ;;")
    lines = [
        "#compdef fastmmap",
        "# fastmmap completion zsh > a folder of $fpath, as _fastmmap",
        "_fastmmap() {",
        "    local -a commands=(",
        *described,
        "    )",
        "    if (( CURRENT == 2 )); then _describe command commands; return; fi",
        "    local command=$words[2]",
        "    shift words; (( CURRENT-- ))",
        "    case $command in",
        *cases,
        "    esac",
        "}",
        '[[ "$funcstack[1]" == _fastmmap ]] && _fastmmap "$@" || compdef _fastmmap fastmmap',
    ]
    return "\n".join(lines) + "\n"


def _zsh_specs(option: Option) -> list[str]:
    text = option.help.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    value = ""
    if option.value is not None:
        action = f"({' '.join(option.choices)})" if option.choices else "_files"
        value = f":{option.value}:{action}"
    return [_quoted(f"{'*' * option.many}{name}[{text}]{value}") for name in option.names]


def _zsh_arguments(command: Command) -> str:
    return f"SHELL:({' '.join(SHELLS)})" if command.name == "completion" else "argument:_files"


def _fish(commands: list[tuple[str, Command]]) -> str:
    lines = ["# fastmmap completion fish > ~/.config/fish/completions/fastmmap.fish"]
    names = " ".join(name for name, _ in commands)
    none = f"not __fish_seen_subcommand_from {names}"
    for name, command in commands:
        lines.append(f"complete -c fastmmap -n {_quoted(none)} -f -a {name} -d {_quoted(command.summary)}")
        for option in command.options:
            parts = [f"-{'l' if each.startswith('--') else 's'} {each.lstrip('-')}" for each in option.names]
            takes = (
                f" -x -a {_quoted(' '.join(option.choices))}" if option.choices else " -r" * (option.value is not None)
            )
            seen = _quoted(f"__fish_seen_subcommand_from {name}")
            lines.append(f"complete -c fastmmap -n {seen} {' '.join(parts)}{takes} -d {_quoted(option.help)}")
    seen = _quoted("__fish_seen_subcommand_from completion")
    lines.append(f"complete -c fastmmap -n {seen} -f -a {_quoted(' '.join(SHELLS))}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As one word of a shell."""
    return "'" + text.replace("'", "'\\''") + "'"


COMMAND = Command(
    "completion",
    "Print what makes a shell complete this command: bash, zsh or fish",
    run,
    [Argument("SHELL", "bash, zsh or fish")],
    examples=[
        ("source <(fastmmap completion bash)", "in ~/.bashrc"),
        ("fastmmap completion zsh > ~/.zfunc/_fastmmap", "where $fpath has ~/.zfunc"),
        ("fastmmap completion fish > ~/.config/fish/completions/fastmmap.fish", ""),
    ],
)
