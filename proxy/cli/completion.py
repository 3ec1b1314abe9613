"""`facade completion`: a script that completes commands and options in a shell."""

import argparse
import importlib
import shlex
from collections.abc import Mapping, Sequence

from msgspec import Struct

from proxy.cli.output import out

SHELLS = ("bash", "zsh", "fish")


class Flag(Struct, frozen=True):
    """An option of a command: all its spellings, and the first sentence of its help."""

    names: tuple[str, ...]
    help: str
    choices: tuple[str, ...] = ()
    takes_value: bool = False


def register(command: argparse.ArgumentParser) -> None:
    """Add the description and the arguments of the command."""
    command.description = (
        "Print a completion script. bash: `source <(facade completion bash)`; zsh: the same with zsh; "
        "fish: `facade completion fish | source`."
    )
    command.add_argument("shell", choices=SHELLS)
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    out().write(script(arguments.shell))
    return 0


def script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    from proxy.cli import COMMANDS  # It imports this module by its name.

    flags = {name: flags_of(name) for name in COMMANDS}
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "\n".join(write(COMMANDS, flags)) + "\n"


def flags_of(name: str) -> list[Flag]:
    """The options of a command, from its own parser."""
    parser = argparse.ArgumentParser(prog=f"facade {name}")
    importlib.import_module(f"proxy.cli.{name.replace('-', '_')}").register(parser)
    return [
        Flag(
            tuple(action.option_strings),
            (action.help or "").partition("(")[0].strip(),
            tuple(str(choice) for choice in action.choices or ()),
            action.nargs != 0,
        )
        for action in parser._actions
        if action.option_strings
    ]


def _words(flags: Sequence[Flag]) -> str:
    return " ".join(name for flag in flags for name in flag.names)


def _bash(commands: Mapping[str, str], flags: Mapping[str, Sequence[Flag]]) -> list[str]:
    return [
        "_facade() {",
        '    local word="${COMP_WORDS[COMP_CWORD]}" words=""',
        '    if [ "$COMP_CWORD" -eq 1 ]; then',
        f'        words="{" ".join(commands)} --help --version"',
        '    elif [ "${COMP_WORDS[1]}" = completion ]; then',
        f'        words="{" ".join(SHELLS)}"',
        '    elif [ "${word#-}" != "$word" ]; then',
        '        case "${COMP_WORDS[1]}" in',
        *(f'            {name}) words="{_words(flags[name])}" ;;' for name in commands),
        "        esac",
        "    fi",
        '    COMPREPLY=($(compgen -W "$words" -- "$word"))',
        "}",
        "complete -o default -F _facade facade",
    ]


def _zsh(commands: Mapping[str, str], flags: Mapping[str, Sequence[Flag]]) -> list[str]:
    return [
        "#compdef facade",
        "_facade() {",
        "    local -a words_here",
        "    if (( CURRENT == 2 )); then",
        "        words_here=(",
        *(f"            {shlex.quote(f'{name}:{help}')}" for name, help in commands.items()),
        "        )",
        "        _describe command words_here",
        "    elif [[ $words[2] == completion ]]; then",
        f"        compadd {' '.join(SHELLS)}",
        "    elif [[ $words[CURRENT] == -* ]]; then",
        "        case $words[2] in",
        *(f"            {name}) compadd -- {_words(flags[name])} ;;" for name in commands),
        "        esac",
        "    else",
        "        _files",
        "    fi",
        "}",
        "compdef _facade facade",
    ]


def _fish(commands: Mapping[str, str], flags: Mapping[str, Sequence[Flag]]) -> list[str]:
    lines = ["complete -c facade -n __fish_use_subcommand -f -l version -d 'print the version'"]
    for name, purpose in commands.items():
        quoted = shlex.quote(purpose)
        lines.append(f"complete -c facade -n __fish_use_subcommand -f -a {name} -d {quoted}")
        lines += [_fish_flag(name, flag) for flag in flags[name]]
    seen = "'__fish_seen_subcommand_from completion'"
    lines.append(f"complete -c facade -n {seen} -f -a '{' '.join(SHELLS)}'")
    return lines


def _fish_flag(command: str, flag: Flag) -> str:
    spelled = [
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in flag.names
    ]
    if flag.choices:
        spelled.append(f"-x -a '{' '.join(flag.choices)}'")
    elif flag.takes_value:
        spelled.append("-r")
    seen = f"'__fish_seen_subcommand_from {command}'"
    return f"complete -c facade -n {seen} {' '.join(spelled)} -d {shlex.quote(flag.help)}"
