"""L2 and L3 in bfloat16: faults that its rounding must not hide."""

from alae_conformance.reference.linear import Blur
from alae_conformance.reference.training import Reference
from tests.conformance.mutants.adam import OtherAdam, with_adam
from tests.conformance.mutants.registry import fault
from tests.conformance.mutants.style import with_layers


class ScaledLoss(Reference):
    """Multiplies the loss of `self.update` and its gradients by `self.factor`."""

    def differentiate(self, update, weights, batch):
        loss, gradients = super().differentiate(update, weights, batch)
        factor = self.factor if update == self.update else 1
        return factor * loss, {name: factor * each for name, each in gradients.items()}


@fault("γ is 15 % too large in bfloat16", "L2-smooth-averaged", "gradients", "bfloat16")
class CoarseGamma(Reference):
    def __init__(self, config):
        super().__init__(config)
        self.gamma *= 1.15


@fault("the loop in w has a weight of 1.15 in bfloat16", "L2-smooth-averaged", "losses", "bfloat16")
class CoarseLoop(ScaledLoss):
    update, factor = "reciprocity", 1.15


@fault("style networks in bfloat16 train G by twice its loss", "L2-style-averaged", "gradients", "bfloat16")
class CoarseStyleGenerator(ScaledLoss):
    update, factor = "generator", 2.0


@fault("the rate of a step in bfloat16 is 1 % too large", "L3-smooth-laws", "law", "bfloat16")
class CoarseRate(OtherAdam):
    def rate(self, t):
        return 1.01 * super().rate(t)


@fault("β1 is 0.49 in bfloat16", "L3-smooth-laws", "law", "bfloat16")
class CoarseBeta1(with_adam(beta1=0.49)):
    pass


@fault("β2 is 0.989 in bfloat16", "L3-smooth-laws", "law", "bfloat16")
class CoarseBeta2(with_adam(beta2=0.989)):
    pass


@fault("ε is 5 % too large in bfloat16", "L3-smooth-laws", "law", "bfloat16")
class CoarseEpsilon(with_adam(epsilon=1.05e-3)):
    pass


@fault("averages have a half-life 2 % too long in bfloat16", "L3-smooth-laws", "law", "bfloat16")
class CoarseHalflife(Reference):
    def position(self, state):
        here = super().position(state)
        return here._replace(average_decay=here.average_decay ** (1 / 1.02))


@fault("style networks in bfloat16 take steps 1 % too large", "L3-spread-laws", "law", "bfloat16")
class CoarseStyleRate(CoarseRate):
    pass


@fault("style networks in bfloat16 omit a blur", "L1-style-coarse", "forward", "bfloat16")
class CoarseBlur(with_layers(Blur, lambda layer: None)):
    pass
