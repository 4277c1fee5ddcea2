"""`alae presets list` and `show`."""

from typing import Annotated

import typer

from alae_cli.commands import Commands

presets = Commands(name="presets", help="List and print the configurations that ship with alae.")


@presets.command("list")
def list_presets() -> None:
    """List the presets, with a description of each."""
    from alae_core._support.yaml_text import parse_yaml
    from alae_core.config_data import preset_names, preset_text

    names = preset_names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:{width}}  {parse_yaml(preset_text(name))['description']}")


@presets.command("show")
def show_preset(
    name: Annotated[str, typer.Argument(help="Preset: see `alae presets list`.", show_default=False)],
) -> None:
    """Print a preset as YAML, to copy and train with `alae train --config`."""
    from alae_core.config_data import preset_text

    print(preset_text(name), end="")
