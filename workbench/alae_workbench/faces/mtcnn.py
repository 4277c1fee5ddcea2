"""The three small networks that find faces (MTCNN), as functions of their weights and images, for every backend.

Zhang, Zhang, Li and Qiao: Joint face detection and alignment using multitask cascaded convolutional networks,
IEEE Signal Processing Letters 23 (2016), https://arxiv.org/abs/1604.02878. Each is convolutions with PReLU and maxima
of neighbours, a dense layer but for the first, and heads side by side; sizes are those of the package mtcnn's weights.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np

from alae_core.backend import Backend
from alae_core.errors import CheckpointError
from alae_workbench.faces.mtcnn_weights import read_weights, weights_file


class _Convolution(NamedTuple):
    """A convolution, and how many neighbours a side the maximum is then taken of, at every other place."""

    kernel: int
    maps: int
    pool: int = 1
    padding: Literal["valid", "same"] = "valid"


class Network(NamedTuple):
    """What a network is made of.

    Attributes:
        size: pixels a side of what it looks at.
        batch: images it looks at together; fewer are filled up, so that it is compiled once.
        convolutions: in order; what they make of one image has `flat` numbers.
        hidden: units of the dense layer, 0 for none: then it looks everywhere in an image at once.
        heads: numbers that each head answers with; those of the last are as softmax makes them.
    """

    size: int
    batch: int
    convolutions: tuple[_Convolution, ...]
    flat: int
    hidden: int
    heads: tuple[int, ...]

    def shapes(self) -> Iterator[tuple[int, ...]]:
        """Of its weights, in order: kernel, bias, slopes for each layer; kernel, bias for each head."""
        maps = 3
        for layer in self.convolutions:
            yield from ((layer.kernel, layer.kernel, maps, layer.maps), (layer.maps,), (1, 1, layer.maps))
            maps = layer.maps
        if self.hidden:
            yield from ((self.flat, self.hidden), (self.hidden,), (self.hidden,))
        for count in self.heads:
            yield from (((self.hidden, count) if self.hidden else (1, 1, maps, count)), (count,))

    def answers(self, weights: Sequence[Any], x: Any) -> list[Any]:
        """Each head's answers to images (batch, H, W, 3) of (byte − 127.5) / 128.

        (batch, count) each; without a dense layer (batch, H′, W′, count), one for each place at twice its indices.
        """
        from keras import ops

        following = iter(weights)
        for layer in self.convolutions:
            x = ops.conv(x, next(following), data_format="channels_last") + next(following)
            x = _prelu(x, next(following))
            if layer.pool > 1:
                x = ops.max_pool(x, layer.pool, 2, padding=layer.padding, data_format="channels_last")
        if self.hidden:
            # The numbers of Caffe's order, in which x goes before y.
            x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, self.flat))
            x = _prelu(ops.matmul(x, next(following)) + next(following), next(following))
        # A convolution with kernels of one pixel is a product too.
        answers = [ops.matmul(x, _matrix(next(following))) + next(following) for _ in self.heads]
        return [*answers[:-1], ops.softmax(answers[-1])]


PNET = Network(12, 8, (_Convolution(3, 10, 2, "same"), _Convolution(3, 16), _Convolution(3, 32)), 32, 0, (4, 2))
RNET = Network(
    24, 64, (_Convolution(3, 28, 3, "same"), _Convolution(3, 48, 3), _Convolution(2, 64)), 9 * 64, 128, (4, 2)
)
ONET = Network(
    48,
    16,
    (_Convolution(3, 32, 3, "same"), _Convolution(3, 64, 3), _Convolution(3, 64, 2, "same"), _Convolution(2, 128)),
    9 * 128,
    256,
    (4, 10, 2),
)
#: as the package calls their files
_FILES = {PNET: "pnet", RNET: "rnet", ONET: "onet"}


def load_network(network: Network, backend: Backend | None) -> Callable[[np.ndarray], list[np.ndarray]]:
    """The network with its weights, compiled if there is a backend: from uint8 images to what `Network.answers` says.

    The images are (count, H, W, 3), and one at the least.

    Raises CheckpointError where the weights cannot be had, or are another network's.
    """
    path = weights_file(_FILES[network])
    arrays = read_weights(path)
    if [array.shape for array in arrays] != list(network.shapes()):
        raise CheckpointError(f"{path} has weights of other shapes: faces are found by those of mtcnn 1.0")
    from keras import ops

    weights = [ops.convert_to_tensor(array) for array in arrays]
    # Without weights as an argument they would be constants of the compiled function.
    compiled = backend.compile(network.answers) if backend else network.answers

    def answers(images: np.ndarray) -> list[np.ndarray]:
        parts = []
        for start in range(0, len(images), network.batch):
            part = images[start : start + network.batch]
            filled = np.zeros((network.batch, *images.shape[1:]), np.float32)
            filled[: len(part)] = (part - np.float32(127.5)) / 128
            parts.append(
                [
                    ops.convert_to_numpy(answer)[: len(part)]
                    for answer in compiled(weights, ops.convert_to_tensor(filled))
                ]
            )
        return [np.concatenate(answer) for answer in zip(*parts, strict=True)]

    return answers


def _matrix(kernel: Any) -> Any:
    from keras import ops

    return ops.reshape(kernel, kernel.shape[-2:])


def _prelu(x: Any, slopes: Any) -> Any:
    from keras import ops

    return ops.maximum(x, 0) + slopes * ops.minimum(x, 0)
