"""Start a process per device: for `alae train --launcher`, and for `--devices` with a framework that needs them."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from alae_cli.signals import waiting_first
from alae_core import AlaeError, PeerError

if TYPE_CHECKING:
    from alae_workbench.runs.request import RunRequest


def train_in_processes(request: "RunRequest", launcher: str | None = None) -> int | None:
    """Run this command in a process per device, and return the exit code; None if this process trains by itself.

    Args:
        request: the run.
        launcher: "ray", or None for the backend's own launcher.

    Raises AlaeError for everything that can be refused without a framework, and PeerError if a process was killed.
    """
    from alae_core.backend_lookup import default_backend, find_backend, require_spread
    from alae_core.spread import count_processes, find_spread

    if launcher and request.devices is None:
        raise AlaeError(f"--launcher {launcher} starts a process per device: add --devices N, or --devices all")
    spread = find_spread(request.devices)
    if spread is None or spread.processes > 1:
        return None
    name = request.backend_name or default_backend()
    backend = find_backend(name).load()
    if launcher is None and getattr(backend, "launcher", None) is None:
        return None
    require_spread(name, backend, spread)
    from alae_cli.local_launch import launch_locally
    from alae_core.shares import require_division
    from alae_workbench.runs.plan import plan

    # Refuse mistakes here, once. All processes must agree on the directory.
    chosen = plan(request)
    engine = _open_ray() if launcher else import_module(backend.launcher)
    count = count_processes(spread.devices, engine.count_accelerators(request.device), engine.ACCELERATORS)
    if count == 1:
        return None
    require_division(chosen.experiment.config, count)
    words = sys.argv[1:]
    if request.out is None and request.resume is None:
        words += ["--out", str(chosen.run.path)]
    if request.backend is None:
        # Other machines may have another default.
        words += ["--backend", name]
    # PyTorch's launcher handles signals itself, and `waiting_first` passes them on to processes of `launch_locally`.
    pass_on = {"pass_on": engine.stop} if launcher else {}
    with waiting_first("its processes have ended", **pass_on):
        try:
            if launcher:
                return engine.launch(count, ["-m", "alae_cli.ray_process", *words])
            if hasattr(engine, "launch"):
                return engine.launch(count, ["-m", "alae_cli", *words])
            return launch_locally(count, words)
        except PeerError as error:
            raise PeerError(f"{error}; resume with: alae train --resume {chosen.run.path}") from error


def _open_ray() -> Any:
    try:
        from alae_cli.ray_launch import RayLauncher
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise AlaeError("--launcher ray needs ray, which is not installed: pip install 'alae[ray]'") from error
    return RayLauncher()
