"""L0 to L3: labels of style networks, which F and D take."""

import numpy as np

from alae_conformance.reference import mlp
from alae_conformance.reference.labelled import Critic, Mapping
from alae_conformance.reference.layers import Pair, PixelNorm
from alae_conformance.reference.model import Model
from alae_conformance.reference.training import Reference
from tests.conformance.mutants.registry import fault
from tests.conformance.mutants.style import with_network


@fault("the rows of F's first kernel that read labels start at zero", "L0-conditional-initial", "initial")
class LabelRowsAtZero(Reference):
    def initial_weight(self, name, shape):
        weight = super().initial_weight(name, shape)
        if self.config.labels and name == "F/dense0/kernel":
            weight[-self.config.labels :] = 0
        return weight


# ---- F ---------------------------------------------------------------------------------------------------------------


class Faint(Mapping):
    """The label's columns have norm 1."""

    def strength(self, z):
        return 1.0


@fault("the label's columns in F's input have norm 1", "L1-conditional-values", "forward", "float64")
class FaintLabels(with_network("F", Faint)):
    pass


class Rounded(Mapping):
    """√z is rounded to float32."""

    def strength(self, z):
        return float(np.float32(super().strength(z)))


@fault("float32 under a float64 label: √z, which multiplies labels", "L1-judged-looking", "looking", "float64")
class Float32Labels(with_network("F", Rounded)):
    pass


class NormalizedTogether(Mapping):
    """z and label are divided by the root mean square of both."""

    def forward(self, weights, x, direction=None, labels=None):
        both = np.concatenate([x, self.strength(x) * labels], 1)
        unit = PixelNorm().forward(weights, Pair(both)).value
        return mlp.Network.forward(self, weights, unit)


@fault("F normalizes z together with the label", "L1-conditional-values", "forward", "float64")
class LabelsNormalized(with_network("F", NormalizedTogether)):
    pass


@fault("generated images have the labels of the batch in another order", "L1-conditional-values", "losses", "float64")
class TurnedForF(Reference):
    def map(self, weights, z, labels):
        return super().map(weights, z, None if labels is None else labels[::-1])


@fault("a mixed style has another class", "L1-conditional-values", "losses", "float64")
class MixedClasses(Reference):
    def map(self, weights, z, labels):
        turned = labels
        if labels is not None and self.mixes:
            own, other = np.split(labels, 2)
            turned = np.concatenate([own, np.roll(other, 1, 1)])
        return super().map(weights, z, turned)

    def styles(self, weights, batch):
        self.mixes = batch.mix is not None
        found = super().styles(weights, batch)
        self.mixes = False
        return found

    mixes = False


# ---- D ---------------------------------------------------------------------------------------------------------------


@fault("D has the logit of the first class for every image", "L1-conditional-values", "forward", "float64")
class FirstLogit(Reference):
    def judge(self, weights, w, labels, direction=None):
        return super().judge(weights, w, first_class(labels), direction)


@fault("D's logit is the mean over classes", "L1-conditional-values", "input_gradient", "float64")
class MeanLogit(Reference):
    def judge(self, weights, w, labels, direction=None):
        mean = None if labels is None else np.full_like(labels, 1 / labels.shape[1])
        return super().judge(weights, w, mean, direction)


class ValuesAlone(Critic):
    """R1's second derivative reaches the columns of all classes."""

    def backward(self, weights, trace, adjoint, tangent_adjoint=None):
        every = None if tangent_adjoint is None else tangent_adjoint[:, None] * np.ones_like(trace.labels)
        return mlp.Network.backward(self, weights, mlp.MlpTrace(*trace[:3]), adjoint[:, None] * trace.labels, every)


@fault("R1's second derivative reaches D's columns of all classes", "L2-conditional-gradients", "gradients", "float64")
class R1OfAllClasses(with_network("D", ValuesAlone)):
    pass


@fault("R2 uses the logits of the first class", "L2-judged-gradients", "gradients", "float64")
class R2OfTheFirstClass(Reference):
    def penalise(self, weights, images, batch, gamma):
        other = gamma == self.config.r2_gamma and images is not batch.images
        given = batch._replace(labels=first_class(batch.labels)) if other else batch
        return super().penalise(weights, images, given, gamma)


# ---- methods of a model ----------------------------------------------------------------------------------------------


@fault("discriminate uses the label of the first image", "L1-conditional-looking", "looking", "float64")
class SameLabelForD(Model):
    def discriminate(self, codes, view=None, *, labels=None):
        return super().discriminate(codes, view, labels=None if labels is None else np.full_like(labels, labels[0]))


@fault("a D on images gets the label of the first image", "L1-judged-looking", "looking", "float64")
class SameLabelForImages(SameLabelForD):
    pass


@fault("where E estimates z, w_of maps it to w of the first class", "L1-judged-looking", "looking", "float64")
class WOfTheFirstClass(Model):
    def w_of(self, x, view=None, *, labels=None):
        return super().w_of(x, view, labels=0 * labels)


# ---- steps -----------------------------------------------------------------------------------------------------------


@fault("the running mean of w is that of the first class", "L3-conditional-growth", "w_mean", "float64")
class MeanOfTheFirstClass(Reference):
    def mean_step(self, weights, mean, z, labels):
        return super().mean_step(weights, mean, z, first_class(labels))


@fault("every pass of the mean of w has the labels of the first", "L3-conditional-growth", "w_mean", "microbatch")
class MeanOfTheFirstLabels(Reference):
    def mean_step(self, weights, mean, z, labels):
        parts = self.divide(labels)
        same = np.empty_like(labels)
        same[:] = np.repeat(parts[0], len(parts), 0)
        return super().mean_step(weights, mean, z, same)


def first_class(labels):
    """Return one-hot labels of the first class for as many images; None for None."""
    return None if labels is None else np.eye(labels.shape[1])[np.zeros(len(labels), int)]
