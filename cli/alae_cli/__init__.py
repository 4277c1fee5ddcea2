"""The `alae` command: parse, call the workbench, print. Printing help does not import a framework."""

from alae_cli.signals import end_on_signals, set_exit_code, wait_if_ending


def main() -> None:
    """Run the command line as the main program of this process, which a signal ends at any time."""
    end_on_signals()
    # Not at the top: this takes half a second, in which a signal may arrive.
    from alae_cli.app import main as run

    try:
        run()
    except SystemExit as end:
        set_exit_code(end.code if isinstance(end.code, int) else 0)
        raise
    except BaseException:
        wait_if_ending()
        raise
