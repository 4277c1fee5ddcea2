"""L2 and L3: faults that derive one choice of `updates` from another."""

import numpy as np

from alae_conformance.reference.training import Reference
from tests.conformance.mutants.gradients import free_target, in_place_of_gradients
from tests.conformance.mutants.registry import fault
from tests.conformance.mutants.updates import Partial


def with_updates(**choices):
    """Return a reference with other `updates` than its configuration."""

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            self.config = config.model_copy(update={"updates": config.updates.model_copy(update=choices)})

    return Changed


@fault("the target F(z) is constant wherever F is trained", "L2-crossed-gradients", "gradients")
class HeldTarget(with_updates(target="constant")):
    pass


@fault("F is trained through the target of reciprocity but not through G", "L2-crossed-gradients", "gradients")
class TargetAlone(Reference):
    def reciprocity(self, weights, batch):
        loss, gradients = super().reciprocity(weights, batch)
        _, through_g = with_updates(target="constant")(self.config).reciprocity(weights, batch)
        alone = {name: gradients[name] - through_g[name] for name in gradients if name.startswith("F")}
        return loss, gradients | alone


@fault("squares are averaged over w wherever Adams are shared", "L3-crossed-substeps", "losses")
class MeanWhereShared(with_updates(distance="mean")):
    pass


@fault("reciprocity trains F only if the target is constant", "L3-crossed-substeps", "displacement")
class FWhereConstant(Partial):
    update, stay = "reciprocity", "F"


@fault("reciprocity trains F only if Adams are shared", "L3-recrossed-substeps", "displacement")
class FWhereShared(Partial):
    update, stay = "reciprocity", "F"


@fault("the target is not constant wherever squares are summed", "L3-recrossed-substeps", "displacement")
class FollowedWhereSummed(in_place_of_gradients("reciprocity", free_target)):
    pass


@fault("reciprocity has its own moments wherever the target is not constant", "L3-crossed-substeps", "moments")
class OwnWhereFollowed(Reference):
    def apply(self, state, update, gradients):
        if update == "reciprocity":
            homes = tuple(f"adam/{self.adam_of(update, network)}/{network}/" for network in self.trains()[update])
            state |= {name: np.zeros_like(state[name]) for name in state if name.startswith(homes)}
        super().apply(state, update, gradients)
