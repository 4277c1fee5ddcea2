"""The registry of faults of alae_core, and the functions that plant them."""

from collections.abc import Callable
from typing import NamedTuple

from alae_conformance.tolerances import Lane


class CoreFault(NamedTuple):
    """A fault, and the check of a case that must fail on it; `plant` patches modules of alae_core."""

    name: str
    kind: str
    fault: str
    case: str
    check: str
    lane: Lane
    plant: Callable[[Callable[[str, str, object], None]], None]


CORE_FAULTS: list[CoreFault] = []
#: the faults that are planted in one process
GROUPS = {"float64": lambda fault: fault.lane == "float64", "float32": lambda fault: fault.lane != "float64"}


def plants(kind, fault, case, check, lane="float32"):
    """Register a function that plants a fault: it gets a function that replaces a member, given its owner and name."""

    def register(plant):
        CORE_FAULTS.append(CoreFault(plant.__name__, kind, fault, case, check, lane, plant))
        return plant

    return register


def with_constant(function, old, new):
    """Return a copy of a function in which a literal number is another."""
    constants = function.__code__.co_consts
    assert constants.count(old) == 1, (function, old)
    code = function.__code__.replace(co_consts=tuple(new if constant == old else constant for constant in constants))
    return type(function)(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


def plant_position(replace, change):
    """Let steps be at `change(position, step)` of the schedule."""
    from alae_core import runner

    sound = runner.position
    replace(runner, "position", lambda config, step: change(sound(config, step), step))


def plant_with_config(replace, change):
    """Let steps be at `change(config, position)` of the schedule."""
    from alae_core import runner

    sound = runner.position
    replace(runner, "position", lambda config, step: change(config, sound(config, step)))


def with_adam(here, **changed):
    """Return a position with other settings of Adam."""
    return here._replace(stage=here.stage._replace(adam=here.stage.adam.model_copy(update=changed)))
