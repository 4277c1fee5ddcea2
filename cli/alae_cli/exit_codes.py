"""Exit codes of `alae`: their meaning, and the code of each error."""

import errno

from alae_core import AlaeError, DivergedError, PeerError, StorageError

#: errors of a command that are reported in one line; others are bugs
REPORTED = (AlaeError, OSError, MemoryError)
#: the meaning of each exit code, for `alae train --help` and docs/cluster.md
EXIT_CODES = {
    0: "done, or nothing was left to do",
    1: "an error inside alae, with a traceback",
    2: "a wrong option, configuration, file or image, or too little memory: the message says what to change",
    3: "training diverged: a loss or weight became NaN or infinite",
    4: "the directory cannot be written: no space is left, it was removed, or another process writes there",
    5: "another process of a run on several devices was killed, or cannot be reached",
    130: "stopped by Ctrl-C (SIGINT)",
    143: "stopped by SIGTERM",
}


def describe_exit_codes() -> str:
    """Return a paragraph of help: each exit code and its meaning."""
    return "Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + "."


def exit_code_of(error: Exception) -> int:
    """Return the exit code of an error that the command line reports in one line."""
    if isinstance(error, DivergedError):
        return 3
    if isinstance(error, PeerError):
        return 5
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return 4 if full or isinstance(error, StorageError) else 2
