"""The arithmetic of a training step, and the speed of a bare matrix product to compare it with.

Only the multiply–adds of dense layers and convolutions are counted, each as two operations: the size of a kernel, times
the pixels to which it is applied. A convolution that also doubles or halves its maps counts as a 4×4 kernel at every
pixel of the smaller maps. If a pass through a network costs f, the gradient with respect to its input costs f, and that
with respect to its weights costs f. So a trained network costs 3 f, one that gradients only pass through 2 f, and one
without gradients f. R1 costs 6 f: the pass, the gradient with respect to the image, and both gradients of each of them.
"""

import re
import time
from collections import Counter
from collections.abc import Callable
from math import prod

import numpy as np

from alae_core import Config


def count_operations(config: Config, shapes: dict[str, tuple[int, ...]], batch: int) -> float:
    """Return the operations of a training step of `batch` images, averaged over steps; `shapes` are the weights'."""
    products: Counter[str] = Counter()
    for name, shape in shapes.items():
        if len(shape) in (2, 4):
            products[name[0]] += prod(shape[-2:]) * (_count_taps(config, name) if len(shape) == 4 else 1)
    return 2 * batch * sum(products[network] * count for network, count in count_passes(config).items())


def count_passes(config: Config) -> Counter[str]:
    """Return the cost of a step in passes through each network, without R2 and the running mean of w."""
    choices, passes = config.updates, Counter(F=4.0, G=4.0, E=5.0, D=5.0)
    for network in "ED":
        passes[network] += 6 if config.r1_gamma else 3
    if choices.reciprocity == "own" and config.reciprocity in ("latent", "both", "z"):
        passes.update(F=3 if choices.trains_F else 1, G=3, E=3)
    if config.reciprocity in ("data", "both"):
        passes.update(G=3 / choices.every, E=3 / choices.every)
    return passes


def time_product(size: int) -> Callable[[int], float]:
    """Return a function that takes a number of matrix products, and returns the operations per second."""
    from keras import ops

    matrix = ops.convert_to_tensor(np.random.default_rng(0).standard_normal((size, size)).astype(np.float32))

    def run(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count - 1):
            ops.matmul(matrix, matrix)
        np.asarray(ops.convert_to_numpy(ops.matmul(matrix, matrix)[0, 0]))
        return 2 * size**3 * count / (time.perf_counter() - started)

    return run


def _count_taps(config: Config, name: str) -> float:
    """Return the size of a convolution's kernel, times the pixels to which it is applied in an image."""
    network, *_, part, _ = name.split("/")
    level = int(re.findall(r"[0-9]+", name)[0])
    if config.networks.family == "conv":
        height, width, _ = config.image
        pixels = height * width / 4 ** (len(config.conv.widths) - 1 - level)
        return pixels * (16 if network == "E" and part.startswith("conv") else 9)
    pixels = (4 * 2**level) ** 2
    if (network, part) in (("G", "conv1"), ("E", "conv2")):
        return 16 * pixels / 4
    return pixels if "rgb" in part else 9 * pixels
