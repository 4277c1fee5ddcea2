"""L0 to L3: constants that are a little off, each where it matters."""

from dataclasses import replace

from alae_conformance.reference import augment
from alae_conformance.reference.draws import draw_styles
from alae_conformance.reference.growth import position
from alae_conformance.reference.layers import PixelNorm
from alae_conformance.reference.statistics import Spread, Statistics
from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.adam import with_adam
from tests.conformance.mutants.augmenting import OtherNumbers
from tests.conformance.mutants.registry import fault


def with_epsilon(kind, networks, factor=1.1):
    """Return a reference in which the ε of a kind of layer is larger in some networks."""

    def other(layer):
        return replace(layer, epsilon=factor * layer.epsilon) if isinstance(layer, kind) else layer

    class Changed(Reference):
        def __init__(self, config):
            super().__init__(config)
            for network in (self.networks[name] for name in networks):
                if hasattr(network, "chains"):
                    network.chains = {name: [*map(other, chain)] for name, chain in network.chains.items()}
                else:
                    network.layers = [*map(other, network.layers)]

    return Changed


@fault("the ε of F's pixel norm is 1.1e-8", "L1-official-faint", "forward")
class EpsilonOfF(with_epsilon(PixelNorm, "F")):
    pass


@fault("the ε of E's normalized w is 1.1e-8", "L1-conv-faint", "forward")
class EpsilonOfW(with_epsilon(PixelNorm, "E")):
    pass


@fault("the ε of G's instance norm is 1.1e-8", "L1-style-faint", "forward")
class EpsilonOfG(with_epsilon(PixelNorm, "G")):
    pass


@fault("the ε of E's instance norm is 1.1e-5", "L1-style-faint", "forward")
class EpsilonOfE(with_epsilon(PixelNorm, "E")):
    pass


@fault("the ε of E's statistics is 1.1e-10", "L1-style-faint", "forward")
class EpsilonOfStatistics(with_epsilon(Statistics, "E")):
    pass


@fault("the ε by which D compares images is 1.1e-8", "L1-spread-faint", "forward")
class EpsilonOfSpread(with_epsilon(Spread, "D")):
    pass


@fault("Adam's ε is 1.01e-8", "L3-wasserstein-epsilon", "displacement")
class EpsilonOfAdam(with_adam(epsilon=1.01e-8)):
    pass


@fault("styles are mixed with probability 0.89", "L0-style-mixes", "draws")
class MixedLess(ReferenceSubject):
    def draw_update(self, update, step, count):
        found = super().draw_update(update, step, count)
        networks = self.config.networks.model_copy(update={"style_mixing": 0.89})
        config = self.config.model_copy(update={"networks": networks})
        _, mix, cutoff = draw_styles(config, update, step, count, position(config, step).lod)
        return found._replace(mix=mix, cutoff=cutoff)


@fault("a cut-out has 0.505 of the image's sides", "L1-augmented-edges", "losses")
class LargerCutouts(Reference):
    def augmentation(self, shape, batch):
        share, augment.CUT_SHARE = augment.CUT_SHARE, 0.505
        try:
            return super().augmentation(shape, batch)
        finally:
            augment.CUT_SHARE = share


@fault("a cut-out includes the edge beside it", "L1-augmented-edges", "losses")
class LowerCutouts(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, 14] += 0.003
        return numbers


@fault("every transformation is 0.5 % too likely", "L1-augmented-edges", "losses")
class LikelierByALittle(OtherNumbers):
    def otherwise(self, numbers):
        numbers[:, [0, 1, 4, 6, 8, 13]] /= 1.005
        return numbers


class OtherPosition(Reference):
    """Trains step by step as `self.other(position, step)`."""

    def position(self, state):
        return self.other(super().position(state), int(state["step"]))


@fault("the learning rate is 1 % smaller after step 100", "L3-leaky-late", "displacement")
class SlowerLater(OtherPosition):
    def other(self, here, step):
        return here._replace(learning_rate=here.learning_rate * (0.99 if step > 100 else 1))


@fault("the schedule starts again after 1,000 steps", "L3-conv-late", "displacement")
class ScheduleStartsAgain(Reference):
    def position(self, state):
        return super().position(state | {"step": state["step"] % 1000 if state["step"] < 10**4 else state["step"]})


@fault("γ returns to its first value once its schedule has ended", "L3-conv-late", "losses")
class GammaReturns(OtherPosition):
    def other(self, here, step):
        return here._replace(r1_gamma=self.config.r1_gamma if step > 100 else here.r1_gamma)
