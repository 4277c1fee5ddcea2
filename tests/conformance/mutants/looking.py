"""L1: methods of a model."""

from typing import ClassVar

import numpy as np

from alae_conformance.reference.model import Model
from alae_conformance.subjects.reference import ReferenceSubject
from alae_core.view import View
from tests.conformance.mutants.registry import fault


def repeat_first(array, size):
    """Return an array with the rows after the first `size` replaced by the first ones."""
    return array if len(array) <= size else np.resize(array[:size], array.shape)


# ---- arguments and results ------------------------------------------------------------------------------------------


@fault("hidden returns the last hidden layer, not the widest", "L1-labels-looking", "looking")
class LastHidden(Model):
    def hidden(self, x, view=None, *, labels=None):
        found = super().hidden(x, view, labels=labels)
        return found[:, : self.config.mlp.E.hidden[-1]]


@fault("bytes are divided by 128", "L1-labels-looking", "looking")
class OtherBytesSeen(Model):
    def encode(self, x, view=None, *, labels=None):
        return super().encode(x / 128 - 1 if x.dtype == np.uint8 else x, view, labels=labels)


@fault("results are float64 in every precision", "L1-labels-looking", "dtypes")
class WideResults(ReferenceSubject):
    def look(self, method, *arguments, **options):
        found = super().look(method, *arguments, **options)
        return found.astype(np.float64) if method == "encode" else found


@fault("reconstructing changes a weight", "L1-labels-looking", "still")
class LookingTrains(ReferenceSubject):
    def look(self, method, *arguments, **options):
        if method == "reconstruct":
            self._state["weights/E/dense0/bias"] = self._state["weights/E/dense0/bias"] + 1e-3
        return super().look(method, *arguments, **options)


@fault("seeds of z are cut to 32 bits", "L1-labels-looking", "exact")
class ShortSeeds(Model):
    def sample_prior(self, count, seed=0):
        return super().sample_prior(count, seed % 2**32)


@fault("w_of returns E's output where E estimates z", "L1-shown-looking", "looking")
class CodesForW(Model):
    def w_of(self, x, view=None, *, labels=None):
        return self.encode(x, view, labels=labels)

    def reconstruct(self, x, view=None, *, noise="fixed", labels=None):
        return self.generate(super().w_of(x, view, labels=labels), view, noise=noise, labels=labels)


@fault("reconstructions leave out F where E estimates z", "L1-shown-looking", "looking")
class ReconstructionsOfCodes(Model):
    def reconstruct(self, x, view=None, *, noise="fixed", labels=None):
        return self.generate(self.encode(x, view, labels=labels), view, noise=noise, labels=labels)


@fault("labels of reencode reach G, but not E", "L1-shown-looking", "looking")
class ReencodedWithoutLabels(Model):
    def reencode(self, w, view=None, *, noise="fixed", labels=None):
        return self.encode(self.generate(w, view, noise=noise, labels=labels), view, labels=0 * labels)


@fault("images are padded where D compares them", "L1-plain-looking", "looking", "float64")
class PaddedForD(Model):
    def discriminate(self, codes, view=None, *, labels=None):
        padded = np.concatenate([codes, codes[-1:], codes[-1:]])
        return super().discriminate(padded, view)[: len(codes)]


# ---- styles, noise and views ----------------------------------------------------------------------------------------


@fault("all layers are truncated", "L1-looked-looking", "looking")
class TruncatedThroughout(Model):
    def truncate(self, w, psi=None):
        psi = self.config.style.truncation_psi if psi is None else psi
        styles = np.repeat(w[:, None], 2 * self.config.lods, 1) if w.ndim == 2 else w
        return self._mean + psi * (styles - self._mean)


@fault("a ψ of 0 counts as none", "L1-spread-looking", "looking")
class ZeroIsNone(Model):
    def truncate(self, w, psi=None):
        return super().truncate(w, psi or None)


@fault("styles for each layer are not truncated", "L1-spread-looking", "looking")
class StylesUntruncated(Model):
    def truncate(self, w, psi=None):
        return super().truncate(w, 1.0 if w.ndim == 3 else psi)


@fault("a bump is left out", "L1-spread-looking", "looking")
class NoBump(Model):
    def _maps(self, noise, view, count):
        return super()._maps("none" if noise == "bump" else noise, view, count)


@fault("without noise, G has fixed noise", "L1-spread-looking", "looking")
class FixedForNone(Model):
    def _maps(self, noise, view, count):
        return super()._maps("fixed" if noise == "none" else noise, view, count)


@fault("fixed noise differs between images", "L1-spread-looking", "looking")
class FixedForEach(Model):
    def _maps(self, noise, view, count):
        return self.sample_noise(count, 0, view) if noise == "fixed" else super()._maps(noise, view, count)


@fault("maps that all images share are those of the first batch", "L1-spread-looking", "looking")
class SharedMapsIgnored(Model):
    def _maps(self, noise, view, count):
        maps = super()._maps(noise, view, count)
        return maps if isinstance(noise, str) or len(maps[-1]) > 1 else self.sample_noise(1, 1, view)


@fault("a second blend at a level has no effect", "L1-looked-looking", "looking")
class FirstBlend(ReferenceSubject):
    class model(Model):
        blends: ClassVar = {}

        def _view(self, view):
            view = super()._view(view)
            return None if view is None else View(view.lod, self.blends.setdefault(view.lod, view.blend))


@fault("real images are shown unfaded", "L1-looked-looking", "looking")
class SeenUnfaded(Model):
    def as_seen(self, images, view=None):
        return super().as_seen(images, view and View(view.lod))


@fault("reconstructions ignore how far the level has faded in", "L1-looked-looking", "looking")
class ReconstructedUnfaded(Model):
    def reconstruct(self, x, view=None, *, noise="fixed", labels=None):
        return super().reconstruct(x, view and View(view.lod), noise=noise, labels=labels)


@fault("noise by seed has the same maps at every layer of a size", "L1-looked-looking", "exact")
class RepeatedMaps(Model):
    def sample_noise(self, count, seed=0, view=None):
        maps = super().sample_noise(count, seed, view)
        return [maps[0], *(maps[2 * (layer // 2) + 1] for layer in range(1, len(maps)))]


@fault("random noise is the same for all images", "L1-looked-noise", "exact")
class RandomForAll(Model):
    def _maps(self, noise, view, count):
        return super()._maps(noise, view, 1 if noise == "random" else count)


@fault("random noise has a standard deviation of ⅓", "L1-looked-noise", "noise")
class FaintRandom(Model):
    def _maps(self, noise, view, count):
        return [array / 3 if noise == "random" else array for array in super()._maps(noise, view, count)]


# ---- numbers of images ----------------------------------------------------------------------------------------------


@fault("images after the first 512 have the labels of the first ones", "L1-labels-lengths", "looking")
class LabelsOfTheFirst(Model):
    def encode(self, x, view=None, *, labels=None):
        return super().encode(x, view, labels=repeat_first(labels, 512))


@fault("without images, there is one result", "L1-labels-lengths", "exact")
class OneForNone(Model):
    def map(self, z, *, labels=None):
        return super().map(z if len(z) else np.zeros((1, z.shape[1])))


@fault("the last image of a full batch is computed twice", "L1-labels-lengths", "looking")
class OverlappingBatches(Model):
    def reconstruct(self, x, view=None, *, noise="fixed", labels=None):
        found = super().reconstruct(x, view, noise=noise, labels=labels)
        return found if len(found) <= 512 else np.concatenate([found[:512], found[511:-1]])


@fault("images after the first 512 have the noise of the first ones", "L1-looked-lengths", "looking")
class NoiseOfTheFirst(Model):
    def _maps(self, noise, view, count):
        return [array if array is None else repeat_first(array, 512) for array in super()._maps(noise, view, count)]


# ---- checkpoints ----------------------------------------------------------------------------------------------------


@fault("averaged networks are as trained", "L1-labels-checkpoint", "looking")
class TrainedForAveraged(ReferenceSubject):
    def open_checkpoint(self, path, averaged):
        super().open_checkpoint(path, False)


@fault("biases are not replaced", "L1-labels-checkpoint", "looking")
class KernelsOnly(Model):
    def set_weights(self, weights):
        super().set_weights(self._weights | {name: weights[name] for name in weights if name.endswith("kernel")})


@fault("the mean of w is left out of a checkpoint's model", "L1-looked-checkpoint", "looking")
class MeanLeftOut(ReferenceSubject):
    def open_checkpoint(self, path, averaged):
        super().open_checkpoint(path, averaged)
        self._looked._mean = np.zeros_like(self._looked._mean)


@fault("a checkpoint's model has the finest level", "L1-looked-checkpoint", "exact")
class FinestView(ReferenceSubject):
    def open_checkpoint(self, path, averaged):
        super().open_checkpoint(path, averaged)
        self._looked.view = View(self.config.lods - 1)


@fault("a checkpoint's level has faded in too far", "L1-looked-checkpoint", "looking")
class FadedTooFar(ReferenceSubject):
    def open_checkpoint(self, path, averaged):
        super().open_checkpoint(path, averaged)
        view = self._looked.view
        self._looked.view = View(view.lod, min(1.0, view.blend + 0.3))


@fault("a model's weights have the digits of float32", "L1-labels-checkpoint", "looking", "float64")
class ShortWeights(Model):
    def set_weights(self, weights):
        super().set_weights({name: array.astype(np.float32) for name, array in weights.items()})
