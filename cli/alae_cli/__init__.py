"""The `alae` command: parse, call the workbench, print. Printing help does not import a framework."""

from alae_cli.app import main as main
