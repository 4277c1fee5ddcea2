"""L3: faults in what stays when parts of the networks are frozen."""

from alae_conformance.reference.training import Reference
from tests.conformance.mutants.registry import fault

CASE = "L3-frozen-substeps"


@fault("only whole networks can be frozen", CASE, "untouched")
class FrozenNetworksOnly(Reference):
    def is_frozen(self, weight):
        return weight[0] in self.config.freeze


@fault("frozen weights are restored after Adam, but their moments move", CASE, "untouched")
class FrozenMomentsMove(Reference):
    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        state |= {name: before[name] for name in state if name.startswith("weights/") and self.freezes(name[8:])}

    def freezes(self, weight):
        return super().is_frozen(weight)

    def is_frozen(self, weight):
        return False


@fault("freezing a weight freezes its layer", CASE, "displacement")
class FrozenLayers(Reference):
    def is_frozen(self, weight):
        return super().is_frozen(weight) or weight.startswith("G/dense1/")


@fault("the count of a frozen network advances", CASE, "counts")
class FrozenCounts(Reference):
    def apply(self, state, update, gradients):
        super().apply(state, update, gradients)
        if "F" in self.trains()[update]:
            home = f"adam/{self.adam_of(update, 'F')}/F/t"
            state[home] = state[home] + 1
