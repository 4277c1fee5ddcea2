"""`alae` in a process that a worker of Ray has started (`ray_launch`): `python -m alae_cli.ray_process`."""

import os
import signal
import sys
import threading

from alae_cli import main


def _stop_with_worker() -> None:
    # The worker keeps this pipe open while it lives.
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if sys.platform != "win32":
    # Ray blocks it in its workers, and so in the processes that they start.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
threading.Thread(target=_stop_with_worker, daemon=True).start()
main()
