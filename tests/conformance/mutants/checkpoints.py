"""L5: faults in reading checkpoints."""

import numpy as np

from alae_conformance.subjects.reference import ReferenceSubject
from alae_conformance.tape import to_bfloat16
from tests.conformance.mutants.registry import fault


@fault("resuming resets Adam's counts", "L5-leaky-checkpoint", "own")
class CountsForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state |= {name: np.array(0) for name in self._state if name.endswith("/t")}


def read_as(found, wanted):
    """Return a subject that loads one group of a checkpoint's arrays in place of another."""

    class Mistaken(ReferenceSubject):
        def resume(self, path):
            super().resume(path)
            names = [name for name in self._state if name.startswith(wanted)]
            self._state |= {name: self._state[name.replace(wanted, found)] for name in names}

    return Mistaken


@fault("resuming loads averages as weights", "L5-leaky-peers", "displacement")
class AveragesForWeights(read_as("averages/", "weights/")):
    pass


@fault("resuming resets the step count, and with it z", "L5-official-peers", "counts")
class StepForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state["step"] = np.array(0)


@fault("resuming resets the averages to the weights", "L5-official-peers", "averages")
class AveragesForgotten(read_as("weights/", "averages/")):
    pass


@fault("checkpoints store half precision", "L5-official-checkpoint", "own")
class HalfPrecision(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state = {
            name: to_bfloat16(array) if array.dtype.kind == "f" else array for name, array in self._state.items()
        }


@fault("resuming resets the moments of the level that fades in", "L5-style-checkpoint", "own")
class LevelForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        finest = [name for name in self._state if name.startswith("adam/") and "/block1/" in name]
        self._state |= {name: np.zeros_like(self._state[name]) for name in finest}


@fault("resuming resets the running mean of w", "L5-style-peers", "w_mean")
class MeanForgotten(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state["w_mean"] = np.zeros_like(self._state["w_mean"])


@fault("checkpoints of float64 runs store float32", "L5-official-checkpoint", "own", "float64")
class SinglePrecision(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state = {
            name: array.astype(np.float32).astype(np.float64) if array.dtype.kind == "f" else array
            for name, array in self._state.items()
        }


@fault("a run resumed in float64 has the averages of a float32 run", "L5-leaky-peers", "averages", "float64")
class SingleAverages(ReferenceSubject):
    def resume(self, path):
        super().resume(path)
        self._state |= {
            name: array.astype(np.float32).astype(np.float64)
            for name, array in self._state.items()
            if name.startswith("averages/")
        }
