"""L0 to L3: faults that only rare numbers show."""

import numpy as np

from alae_conformance.reference.training import Reference
from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.adam import with_adam
from tests.conformance.mutants.registry import fault


@fault("NaN in images is replaced by zero", "L1-labels-nonfinite", "finite")
class ImagesCleaned(Reference):
    def encode(self, weights, images, batch, direction=None, by="E"):
        return super().encode(weights, np.nan_to_num(images), batch, direction, by)


@fault("infinite w is clipped", "L1-labels-nonfinite", "finite")
class WClipped(Reference):
    def generate(self, weights, w, batch):
        return super().generate(weights, np.clip(w, -1e30, 1e30), batch)


@fault("losses that are not finite are reported as zero", "L1-labels-nonfinite", "finite")
class LossesCleaned(ReferenceSubject):
    def losses(self, inputs):
        return {name: float(np.nan_to_num(loss, posinf=0)) for name, loss in super().losses(inputs).items()}


@fault("a step with a gradient that is not finite is skipped", "L1-labels-nonfinite", "finite")
class StepSkipped(Reference):
    def apply(self, state, update, gradients):
        if all(np.isfinite(each).all() for each in gradients.values()):
            super().apply(state, update, gradients)


@fault("moments that are not finite survive a load", "L1-labels-nonfinite", "finite")
class DamageSurvives(ReferenceSubject):
    def load(self, state):
        damaged = {name: array for name, array in self._state.items() if not np.isfinite(array).all()}
        super().load(state)
        self._state |= damaged


@fault("numbers that float32 cannot hold are clipped and loaded", "L0-leaky-overflow", "refuses")
class LoadsClipped(ReferenceSubject):
    def load(self, state):
        super().load({name: np.clip(array, -1e38, 1e38) for name, array in state.items()})


class ChangedGradients(Reference):
    """Gives Adam gradients that `self.changed` returns."""

    def apply(self, state, update, gradients):
        super().apply(state, update, {name: self.changed(each) for name, each in gradients.items()})


@fault("gradients are clipped to a norm of 1,000", "L3-wasserstein-scaled", "moments")
class ClippedGradients(ChangedGradients):
    def changed(self, gradient):
        return gradient * min(1.0, 1000 / (np.linalg.norm(gradient) + 1e-30))


@fault("gradients below 1e-8 are zero", "L3-wasserstein-scaled", "displacement")
class FlushedGradients(ChangedGradients):
    def changed(self, gradient):
        return np.where(np.abs(gradient) < 1e-8, 0, gradient)


@fault("Adam's ε is 1e-7 instead of 1e-8", "L3-wasserstein-scaled", "displacement")
class OtherSmallEpsilon(with_adam(epsilon=1e-7)):
    pass


@fault("Adam's ε is 10 % too large", "L3-wasserstein-scaled", "displacement")
class EpsilonTenPercent(with_adam(epsilon=1.1e-8)):
    pass


@fault("second moments are stored in half precision's range", "L3-wasserstein-scaled", "moments")
class HalfRange(Reference):
    def adam(self, value, m, v, gradient, t, learning_rate):
        moved, m, v = super().adam(value, m, v, gradient, t, learning_rate)
        return moved, m, np.where(v < 6e-8, 0, np.minimum(v, 65504))


class LaterAverages(Reference):
    """Moves averages by a share of what is right after 100 steps."""

    share: float

    def step(self, state, images, draws, labels=None):
        after, losses = super().step(state, images, draws, labels)
        if state["step"] >= 100:
            for name in (name for name in state if name.startswith("averages/")):
                after[name] = state[name] + self.share * (after[name] - state[name])
        return after, losses


@fault("averages stop after 100 steps", "L3-leaky-averages", "ratio")
class AveragesStop(LaterAverages):
    share = 0.0


@fault("averages decay 1 % more slowly after 100 steps", "L3-leaky-averages", "ratio")
class AveragesSlow(LaterAverages):
    share = 0.99


@fault("gradients below 1e-12 are zero", "L3-particular-tiny", "displacement", "float64")
class TinyGradientsFlushed(ChangedGradients):
    def changed(self, gradient):
        return np.where(np.abs(gradient) < 1e-12, 0, gradient)
