"""L0: names, loading and z."""

import numpy as np

from alae_conformance.subjects.reference import ReferenceSubject
from tests.conformance.mutants.registry import fault


@fault("Keras runs on a different framework than the backend declares", "L0-leaky-contract", "identity")
class OtherKeras(ReferenceSubject):
    def hello(self):
        return super().hello() | {"running": "jax"}


@fault("a weight has another name", "L0-leaky-contract", "names")
class OtherName(ReferenceSubject):
    def weights(self, averaged=False):
        return {name.replace("dense0", "dense"): array for name, array in super().weights(averaged).items()}


@fault("float32 under a float64 label: the state's dtype", "L0-leaky-contract", "dtypes", "float64")
class Float32State(ReferenceSubject):
    def state(self):
        return {
            name: array.astype(np.float32) if array.dtype == np.float64 else array
            for name, array in super().state().items()
        }


@fault("arrays of equal shape are loaded by position, not by name", "L0-official-contract", "by_name")
class LoadedByOrder(ReferenceSubject):
    def load(self, state):
        by_shape = {}
        for array in state.values():
            by_shape.setdefault(array.shape, []).append(array)
        names = self._state if state.keys() == self._state.keys() else state
        super().load({name: by_shape[np.shape(state[name])].pop(0) for name in names})


@fault("a state with an array missing is loaded", "L0-leaky-contract", "refuses")
class LenientLoad(ReferenceSubject):
    def load(self, state):
        super().load({**self._state, **{name: state[name] for name in state if name in self._state}})


@fault("state() returns the arrays that training writes to", "L0-leaky-contract", "snapshot")
class LiveState(ReferenceSubject):
    def state(self):
        return self._state

    def load(self, state):
        super().load({name: np.array(array) for name, array in state.items()})

    def run(self, batches, steps, only=None):
        live = self._state
        losses = super().run(batches, steps, only)
        for name, array in self._state.items():
            live[name][...] = array
        self._state = live
        return losses


@fault("a refused state changes the step count", "L0-leaky-refusals", "still")
class RefusedStep(ReferenceSubject):
    def load(self, state):
        self._state["step"] = state["step"]
        super().load(state)


@fault("a refused state is partly loaded", "L0-leaky-refusals", "still")
class RefusedHalfway(ReferenceSubject):
    def load(self, state):
        fitting = {name: state[name] for name in self._state if np.shape(state.get(name)) == self._state[name].shape}
        super().load({**self._state, **fitting})
        super().load(state)


@fault("put does not copy the caller's images", "L0-leaky-contract", "snapshot")
class KeptBatch(ReferenceSubject):
    def _put(self, images, labels=None):
        return images, labels


@fault("load does not copy the caller's arrays", "L0-leaky-contract", "snapshot")
class KeptState(ReferenceSubject):
    def load(self, state):
        super().load(state)
        self._state = dict(state)


@fault("z does not depend on the seed", "L0-leaky-contract", "draws")
class SeedlessDraws(ReferenceSubject):
    def open(self, config, **options):
        super().open(config | {"seed": 0}, **options)
