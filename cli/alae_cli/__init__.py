"""The `alae` command: parse, call the workbench, print. No framework is imported to print help."""

from alae_cli.app import main as main
