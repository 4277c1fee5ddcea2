"""The three networks that detect faces (MTCNN), as functions of weights and images on every backend.

Zhang, Zhang, Li and Qiao: Joint face detection and alignment using multitask cascaded convolutional networks, IEEE
Signal Processing Letters 23 (2016), https://arxiv.org/abs/1604.02878. Each network has convolutions with PReLU and
max-pooling, a dense layer (except the first network), and several heads. Sizes match the weights of the package mtcnn.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np

from alae_core.inference import BatchedFunction
from alae_workbench.faces.mtcnn_weights import load_weights


class _Convolution(NamedTuple):
    """A convolution with PReLU, then max-pooling over `pool` × `pool` pixels with stride 2, unless `pool` is 1."""

    kernel: int
    maps: int
    pool: int = 1
    padding: Literal["valid", "same"] = "valid"


class Network(NamedTuple):
    """The architecture of one network.

    Attributes:
        name: the name of its weights in the package mtcnn.
        size: height and width of its input in pixels. Without a dense layer, larger images are scanned.
        batch: images in a batch; smaller batches are padded, so that one shape is compiled.
        convolutions: the convolutions, in order.
        flat: numbers in the last convolution's output for one image.
        hidden: units of the dense layer, or 0 without one.
        heads: outputs of each head; the last head ends in a softmax.
    """

    name: str
    size: int
    batch: int
    convolutions: tuple[_Convolution, ...]
    flat: int
    hidden: int
    heads: tuple[int, ...]

    def weight_shapes(self) -> Iterator[tuple[int, ...]]:
        """Yield the shapes of its weights: kernel, bias and slopes of each layer, then kernel and bias of each head."""
        maps = 3
        for layer in self.convolutions:
            yield from ((layer.kernel, layer.kernel, maps, layer.maps), (layer.maps,), (1, 1, layer.maps))
            maps = layer.maps
        if self.hidden:
            yield from ((self.flat, self.hidden), (self.hidden,), (self.hidden,))
        for count in self.heads:
            yield from (((self.hidden, count) if self.hidden else (1, 1, maps, count)), (count,))

    def apply(self, weights: Sequence[Any], x: Any) -> list[Any]:
        """Apply the network to images (batch, H, W, 3) of values (byte − 127.5) / 128.

        Returns:
            For each head (batch, count). Without a dense layer (batch, H′, W′, count): row i and column j are for the
            square of `size` pixels with its upper left corner at (2i, 2j).
        """
        from keras import ops

        remaining = iter(weights)
        for layer in self.convolutions:
            x = ops.conv(x, next(remaining), data_format="channels_last") + next(remaining)
            x = _prelu(x, next(remaining))
            if layer.pool > 1:
                x = ops.max_pool(x, layer.pool, 2, padding=layer.padding, data_format="channels_last")
        if self.hidden:
            # The weights come from Caffe, which flattens columns before rows.
            x = ops.reshape(ops.transpose(x, (0, 2, 1, 3)), (-1, self.flat))
            x = _prelu(ops.matmul(x, next(remaining)) + next(remaining), next(remaining))
        # A convolution with a 1×1 kernel is a matrix product too.
        outputs = [ops.matmul(x, _to_matrix(next(remaining))) + next(remaining) for _ in self.heads]
        return [*outputs[:-1], ops.softmax(outputs[-1])]


PNET = Network("pnet", 12, 8, (_Convolution(3, 10, 2, "same"), _Convolution(3, 16), _Convolution(3, 32)), 32, 0, (4, 2))
RNET = Network(
    "rnet", 24, 64, (_Convolution(3, 28, 3, "same"), _Convolution(3, 48, 3), _Convolution(2, 64)), 9 * 64, 128, (4, 2)
)
ONET = Network(
    "onet",
    48,
    16,
    (_Convolution(3, 32, 3, "same"), _Convolution(3, 64, 3), _Convolution(3, 64, 2, "same"), _Convolution(2, 128)),
    9 * 128,
    256,
    (4, 10, 2),
)


def load_network(network: Network) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Load the weights of `network`, and compile it with the framework in use.

    Returns:
        A function of uint8 images (count, H, W, 3) that returns the outputs of `Network.apply`. `count` is at least 1.

    Raises CheckpointError as `load_weights`.
    """
    arrays = load_weights(network.name, list(network.weight_shapes()))
    from keras import ops

    def apply(weights: Sequence[Any], images: Any) -> list[Any]:
        return network.apply(weights, (ops.cast(images, "float32") - 127.5) / 128)

    weights = [ops.convert_to_tensor(array) for array in arrays]
    return partial(BatchedFunction(apply, network.batch, least=network.batch), weights)


def _to_matrix(kernel: Any) -> Any:
    from keras import ops

    return ops.reshape(kernel, kernel.shape[-2:])


def _prelu(x: Any, slopes: Any) -> Any:
    from keras import ops

    return ops.maximum(x, 0) + slopes * ops.minimum(x, 0)
