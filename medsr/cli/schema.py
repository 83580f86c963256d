"""Command line of `medsr schema` and `medsr completion`."""

from __future__ import annotations

import click

from medsr.cli.machine import json_option, say_json

__all__ = ["completion", "schema"]

#: What the shell sets when it asks medsr for completions.
COMPLETE_VARIABLE = "_MEDSR_COMPLETE"


@click.command()
@click.argument("name", metavar="[NAME]", required=False)
@json_option("the list of schemas")
def schema(name: str | None, as_json: bool) -> None:
    """Print the JSON Schema of what a command prints with --json.

    NAME is a command, or a file such as sidecar or summary. Without NAME, all are listed.
    """
    from medsr.commands.schema import names, run

    if name is not None:
        say_json(run(name))
    elif as_json:
        say_json(names())
    else:
        for one, title in names().items():
            click.echo(f"{one:11} {title}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in a shell.

    \b
    bash: medsr completion bash > ~/.local/share/bash-completion/completions/medsr
    zsh:  medsr completion zsh > ~/.zfunc/_medsr    (~/.zfunc must be in fpath)
    fish: medsr completion fish > ~/.config/fish/completions/medsr.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is not None:
        root = ctx.find_root()
        click.echo(kind(root.command, {}, "medsr", COMPLETE_VARIABLE).source())
