"""`aiw completion bash|zsh|fish`: the scripts that make a shell ask `aiw __complete` (see `cli.complete`)."""

from __future__ import annotations

import os

from ai_workflow.cli.runtime import Command, Session
from ai_workflow.errors import AiwError, ExitCode, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse

BASH = r"""# Completion of aiw for bash. Load it from ~/.bashrc with:
#   eval "$(aiw completion bash)"
_aiw_complete() {
    local current="${COMP_WORDS[COMP_CWORD]}" line
    [ "$current" = "=" ] && current=""
    COMPREPLY=()
    while IFS= read -r line; do
        line="${line%%$'\t'*}"
        case "$line" in
            :files) compopt -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "$current") ;;
            :folders) compopt -o filenames 2>/dev/null
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current") ;;
            ?*) COMPREPLY+=("$line") ;;
        esac
    done < <("${1/#\~\//$HOME/}" __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _aiw_complete aiw ai-workflow
"""

ZSH = r"""#compdef aiw ai-workflow
# Completion of aiw for zsh. Load it from ~/.zshrc, behind compinit, with:
#   eval "$(aiw completion zsh)"
_aiw() {
    local line value
    local -a found
    for line in "${(@f)$("${words[1]/#\~\//$HOME/}" __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
        case "$line" in
            :files) _files ;;
            :folders) _files -/ ;;
            ?*) value="${line%%$'\t'*}"
                if [[ "$line" == *$'\t'* ]]; then
                    found+=("${value//:/\\:}:${line#*$'\t'}")
                else
                    found+=("${value//:/\\:}")
                fi ;;
        esac
    done
    (( ${#found} )) && _describe -V aiw found
    return 0
}
if [[ "${funcstack[1]}" == _aiw ]]; then _aiw "$@"; else compdef _aiw aiw ai-workflow; fi
"""

FISH = r"""# Completion of aiw for fish. Keep it as ~/.config/fish/completions/aiw.fish, or load it with:
#   aiw completion fish | source
function __aiw_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files'
                __fish_complete_path "$current"
            case ':folders'
                __fish_complete_directories "$current"
            case '*'
                echo $line
        end
    end
end
complete -c aiw -f -k -a '(__aiw_complete)'
complete -c ai-workflow -f -k -a '(__aiw_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}
_LOADING = {
    "bash": 'add to ~/.bashrc:  eval "$(aiw completion bash)"',
    "zsh": 'add to ~/.zshrc, behind compinit:  eval "$(aiw completion zsh)"',
    "fish": "run once:  aiw completion fish > ~/.config/fish/completions/aiw.fish",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(SCRIPTS), help="the shell that loads the script")


def _completion(session: Session, args: argparse.Namespace) -> int:
    session.show(*SCRIPTS[args.shell].rstrip("\n").split("\n"))
    session.show_json({"shell": args.shell, "script": SCRIPTS[args.shell]})
    return ExitCode.OK


def require_shell(name: str | None) -> str:
    """The shell by its name, or, for None, the one that `SHELL` names.

    Raises:
        AiwError: USAGE when it is none that has a script.
    """
    shell = name or os.path.basename(os.environ.get("SHELL", ""))
    if shell not in SCRIPTS:
        raise AiwError(
            Kind.USAGE,
            f"there is no completion for {shell}" if shell else "SHELL does not say which shell this is",
            hint="aiw completion bash, zsh or fish",
        )
    return shell


def explain_loading(shell: str) -> str:
    """What `--install-completion` says: how to load the script; aiw does not edit a shell's own files."""
    return f"Nothing was changed: aiw does not edit the files of your shell. For {shell}, {_LOADING[shell]}\n"


COMPLETION = Command(
    _completion,
    about="Prints a script that makes the shell complete commands, options, and ids of tasks, milestones and others.\n"
    'For bash, put `eval "$(aiw completion bash)"` into ~/.bashrc.',
    example="aiw completion bash",
    shape='`{"shell", "script"}`.',
    arguments=_arguments,
)
