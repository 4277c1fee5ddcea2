"""L3: the optimizer's arithmetic."""

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.reference.updates import add
from alae_conformance.tape import to_bfloat16
from tests.conformance.mutants.registry import EQUIVALENTS, fault


class OtherAdam(Reference):
    """Another step computed from (gradient, new m, new v, t)."""

    def adam(self, value, m, v, gradient, t, learning_rate):
        _, m, v = super().adam(value, m, v, gradient, t, learning_rate)
        return value - self.rate(t) * self.direction(gradient, m, v, t), m, v

    def rate(self, t):
        adam = self.config.adam
        return adam.learning_rate * (1 - adam.warmup**t) * np.sqrt(1 - adam.beta2**t) / (1 - adam.beta1**t)

    def direction(self, gradient, m, v, t):
        return m / (np.sqrt(v) + self.config.adam.epsilon)


@fault("Adam without bias correction", "L3-leaky-substeps", "displacement")
class NoBiasCorrection(OtherAdam):
    def rate(self, t):
        return self.config.adam.learning_rate


@fault("Adam's t stays at 1", "L3-leaky-substeps", "displacement")
class StuckT(OtherAdam):
    def rate(self, t):
        return super().rate(1)


@fault("Adam's t is one too large", "L3-leaky-substeps", "displacement")
class TOneAhead(OtherAdam):
    def rate(self, t):
        return super().rate(t + 1)


@fault("Adam's t counts training steps instead of a network's updates", "L3-official-substeps", "counts")
class OneTPerStep(Reference):
    def apply(self, state, update, gradients):
        before = {**state}
        super().apply(state, update, gradients)
        if update == "reciprocity":
            state |= {name: before[name] for name in state if name.endswith("/t")}


@fault("ε is added after bias correction, as in PyTorch and Optax", "L3-smooth-substeps", "displacement")
class TorchEpsilon(OtherAdam):
    def direction(self, gradient, m, v, t):
        correction = np.sqrt(1 - self.config.adam.beta2**t)
        return m / correction / (np.sqrt(v) / correction + self.config.adam.epsilon)


@fault("ε is inside the root", "L3-smooth-substeps", "displacement")
class EpsilonInside(OtherAdam):
    def direction(self, gradient, m, v, t):
        return m / np.sqrt(v + self.config.adam.epsilon)


@fault("sign descent instead of Adam", "L3-smooth-substeps", "displacement")
class SignDescent(OtherAdam):
    def direction(self, gradient, m, v, t):
        return np.sign(gradient)


@fault("the learning rate is 1 % too large", "L3-leaky-substeps", "displacement")
class RateOnePercent(OtherAdam):
    def rate(self, t):
        return 1.01 * super().rate(t)


@fault("the warm-up is missing", "L3-smooth-substeps", "displacement")
class NoWarmup(OtherAdam):
    def rate(self, t):
        return super().rate(t) / (1 - self.config.adam.warmup**t)


def with_adam(**changed):
    """Return a reference with other constants of Adam."""

    class Changed(Reference):
        def adam(self, *arguments):
            config, self.config = (
                self.config,
                self.config.model_copy(update={"adam": self.config.adam.model_copy(update=changed)}),
            )
            try:
                return super().adam(*arguments)
            finally:
                self.config = config

    return Changed


@fault("β2 is 0.999", "L3-leaky-substeps", "moments")
class OtherBeta2(with_adam(beta2=0.999)):
    pass


@fault("β1 is 0.5 instead of 0", "L3-leaky-substeps", "moments")
class OtherBeta1(with_adam(beta1=0.5)):
    pass


def with_rounded(*parts):
    """Return a reference that rounds some of Adam's results (weight, m, v) to bfloat16 at every step."""

    class Changed(Reference):
        def adam(self, *arguments):
            moved = super().adam(*arguments)
            return tuple(to_bfloat16(array) if i in parts else array for i, array in enumerate(moved))

    return Changed


@fault("bfloat16 rounds the stored weights at every step", "L3-smooth-precision", "digits", "bfloat16")
class RoundedWeights(with_rounded(0)):
    pass


@fault("bfloat16 rounds the moments at every step", "L3-smooth-precision", "digits", "bfloat16")
class RoundedMoments(with_rounded(1, 2)):
    pass


@fault("bfloat16 rounds the averages at every step", "L3-smooth-precision", "digits", "bfloat16")
class RoundedAverages(Reference):
    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        return {
            name: to_bfloat16(array) if name.startswith("averages/") else array for name, array in after.items()
        }, losses


@fault("gradients are not cleared between updates", "L3-official-run", "displacement")
class UnclearedGradients(Reference):
    def step(self, state, images, draws, labels=None):
        self._kept = {}
        return super().step(state, images, draws, labels)

    def apply(self, state, update, gradients):
        self._kept = add(self._kept, gradients)
        super().apply(state, update, {name: self._kept[name] for name in gradients})


@fault("each update has an Adam although the authors share two", "L3-official-run", "displacement")
class UnsharedAdam(Reference):
    def apply(self, state, update, gradients):
        own = self.__dict__.setdefault("_own", {})
        if int(state["step"]) == 0:
            own.pop(update, None)
        moments = own.setdefault(update, {name: 0 * state[name] for name in state if name.startswith("adam/")})
        shared = {name: state[name] for name in moments}
        state |= moments
        super().apply(state, update, gradients)
        own[update] = {name: state[name] for name in moments}
        state |= shared
        for network in self.trains()[update]:
            home = f"adam/{self.adam_of(update, network)}/{network}/t"
            state[home] = state[home] + 1


@fault("both moments corrected, and ε rescaled accordingly", "L3-smooth-substeps", "displacement", into=EQUIVALENTS)
class CorrectedMoments(OtherAdam):
    def rate(self, t):
        adam = self.config.adam
        return adam.learning_rate * (1 - adam.warmup**t)

    def direction(self, gradient, m, v, t):
        adam = self.config.adam
        root = np.sqrt(v / (1 - adam.beta2**t))
        return m / (1 - adam.beta1**t) / (root + adam.epsilon / np.sqrt(1 - adam.beta2**t))
