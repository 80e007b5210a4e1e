"""`garscaffold completion`: tab completion for a shell."""

import click
from click.shell_completion import get_completion_class

from garscaffold.commands.options import HELP


@click.command(
    context_settings=HELP,
    epilog="""\b
Examples:
  garscaffold completion bash > ~/.local/share/bash-completion/completions/garscaffold
  garscaffold completion zsh  > "${fpath[1]}/_garscaffold"
  garscaffold completion fish > ~/.config/fish/completions/garscaffold.fish""",
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    # The script itself is static: click's own `source()` would first run bash to see how old it is.
    script = kind(root, {}, "garscaffold", "_GARSCAFFOLD_COMPLETE")
    click.echo(script.source_template % script.source_vars())
