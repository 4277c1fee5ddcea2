"""The devices and processes that train a run together, before any framework is imported."""

from alae_core import ArgumentError
from alae_core.config_data import RUN
from alae_core.passes import require_microbatch
from alae_core.shares import require_division
from alae_core.spread import Peers, Spread, find_peers, find_spread, require_kind
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.settings import Experiment


def plan_spread(request: RunRequest, experiment: Experiment) -> Spread | None:
    """Return how the run is spread. Raises ArgumentError if it cannot be, as far as is known without a framework."""
    if request.backend is not None and not isinstance(request.backend, str):
        if request.devices is not None:
            raise ArgumentError("devices", f"is {request.devices}, but an open backend has devices of its own: omit it")
        return None
    spread = find_spread(request.devices)
    if spread is None:
        return None
    require_kind(request.device)
    devices = spread.processes if spread.devices == "all" else spread.devices
    require_division(experiment.config, devices)
    require_microbatch(experiment.config, experiment.training.microbatch, f"{RUN}.microbatch", devices)
    if spread.processes > 1 and request.out is None and request.resume is None:
        raise ArgumentError("out", f"is missing: {spread.processes} processes must agree on the directory of the run")
    return spread


def find_rank(request: RunRequest) -> int:
    """Return the number of this process among those that train together."""
    if request.backend is None or isinstance(request.backend, str):
        found: Spread | Peers | None = find_spread(request.devices)
    else:
        found = find_peers(request.backend)
    return found.rank if found else 0
