"""Start a process per device, for `alae train --devices` with a framework that needs them."""

import sys
import threading
from importlib import import_module
from typing import TYPE_CHECKING

from alae_cli.signals import saving_first
from alae_core import PeerError

if TYPE_CHECKING:
    from alae_workbench.runs.request import RunRequest


def train_in_processes(request: "RunRequest") -> int | None:
    """Run this command in a process per device, and return the exit code; None if this process trains by itself.

    Raises AlaeError for everything that can be refused without a framework, and PeerError if a process was killed.
    """
    from alae_core.backend_lookup import default_backend, find_backend
    from alae_core.spread import find_spread

    spread = find_spread(request.devices)
    if spread is None or spread.processes > 1:
        return None
    launcher = getattr(find_backend(request.backend_name or default_backend()).load(), "launcher", None)
    if launcher is None:
        return None
    from alae_core.shares import require_division
    from alae_workbench.runs.plan import plan

    # Refuse mistakes here, once. All processes must agree on the directory.
    chosen = plan(request)
    engine = import_module(launcher)
    count = engine.count_processes(spread.devices, request.device)
    if count == 1:
        return None
    require_division(chosen.experiment.config, count)
    out = ["--out", str(chosen.run.path)] if request.out is None and request.resume is None else []
    ended = threading.Event()

    def wait_for_processes(number: int) -> str:
        ended.wait()
        return "its processes have ended"

    with saving_first(wait_for_processes):
        try:
            return engine.launch(count, ["-m", "alae_cli", *sys.argv[1:], *out])
        except PeerError as error:
            raise PeerError(f"{error}; resume with: alae train --resume {chosen.run.path}") from error
        finally:
            ended.set()
