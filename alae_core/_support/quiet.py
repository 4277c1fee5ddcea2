"""Warnings of other libraries that do not concern the users of alae."""

import os
from pathlib import Path
from typing import Any


def hide_directory_warnings() -> None:
    """Hide Matplotlib's warnings that its directories cannot be written, as in many containers.

    It then uses a temporary directory, which works as well. Keras imports Matplotlib, so call this before Keras is
    imported.
    """
    home = os.path.expanduser("~")
    config, cache = (
        os.environ.get(variable) or os.path.join(home, folder)
        for variable, folder in (("XDG_CONFIG_HOME", ".config"), ("XDG_CACHE_HOME", ".cache"))
    )
    known = os.path.isabs(home)  # not for users without an entry in /etc/passwd
    if known and all(map(is_writable, [os.environ.get("MPLCONFIGDIR") or config, cache])):
        return
    import logging  # not at the top: it would slow every command down

    logging.getLogger("matplotlib").addFilter(_concerns_user)


def is_writable(path: str | Path) -> bool:
    """Return whether files can be written to a folder, or the folder can be created."""
    folder = os.path.abspath(path)
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    return os.access(folder, os.W_OK | os.X_OK)


def _concerns_user(record: Any) -> bool:
    return str(record.funcName) != "_get_config_or_cache_dir"
