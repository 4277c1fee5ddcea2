"""The weights of the face networks: loaded from the package mtcnn, and refused if they do not fit."""

import re
from importlib.metadata import PackageNotFoundError

import numpy as np
import pytest

from alae_core.errors import CheckpointError
from alae_workbench.faces import mtcnn_weights
from alae_workbench.faces.mtcnn import ONET, PNET, RNET
from alae_workbench.faces.mtcnn_weights import load_weights, require_package, weights_file
from tests.helpers.requirements import needs_face_weights

NETWORKS = pytest.mark.parametrize("network", [PNET, RNET, ONET], ids=lambda network: network.name)


def shapes_of(network):
    return list(network.weight_shapes())


@pytest.fixture
def file(monkeypatch, tmp_path):
    """A file that is loaded in place of the package's."""
    path = tmp_path / "pnet.lz4"
    monkeypatch.setattr(mtcnn_weights, "weights_file", lambda name: path)
    return path


@needs_face_weights
@NETWORKS
def test_weights_fit_the_network(network):
    arrays = load_weights(network.name, shapes_of(network))
    assert [array.shape for array in arrays] == shapes_of(network)
    assert all(array.dtype == np.float32 and array.std() > 0 for array in arrays)


@needs_face_weights
@pytest.mark.parametrize("length", [0, 100, 5000, -1])
def test_truncated_file_is_refused(file, length):
    file.write_bytes(weights_file("pnet").read_bytes()[:length])
    with pytest.raises(CheckpointError, match=f"{re.escape(str(file))} cannot be read: .+; install it again: pip"):
        load_weights("pnet", shapes_of(PNET))


@needs_face_weights
@pytest.mark.parametrize("content", [b"not weights", b"\x04\x22\x4d\x18garbage"])
def test_file_of_another_format_is_refused(file, content):
    file.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_weights("pnet", shapes_of(PNET))


@needs_face_weights
def test_missing_file_is_refused(file):
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        load_weights("pnet", shapes_of(PNET))


@needs_face_weights
@pytest.mark.parametrize("change", ["dtype", "shape", "count", "kind"])
def test_weights_of_another_network_are_refused(file, change):
    import joblib

    arrays = load_arrays("pnet")
    if change == "dtype":
        arrays[1] = arrays[1].astype(np.float64)
    elif change == "shape":
        arrays[1] = arrays[1][:-1]
    elif change == "count":
        arrays.pop()
    joblib.dump({"weights": arrays} if change == "kind" else arrays, file, compress=("lz4", 3))
    with pytest.raises(CheckpointError, match=r"does not have the weights of mtcnn 1.0; install that version: pip"):
        load_weights("pnet", shapes_of(PNET))


@needs_face_weights
def test_weights_that_are_not_finite_are_refused(file):
    import joblib

    arrays = load_arrays("pnet")
    arrays[3][0, 0, 0, 0] = np.nan
    joblib.dump(arrays, file, compress=("lz4", 3))
    with pytest.raises(CheckpointError, match="has weights that are not finite"):
        load_weights("pnet", shapes_of(PNET))


def load_arrays(name):
    import joblib

    return [array.copy() for array in joblib.load(weights_file(name))]


def test_missing_package_is_reported_with_the_command_that_installs_it(monkeypatch):
    def raise_not_found(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mtcnn_weights, "distribution", raise_not_found)
    with pytest.raises(CheckpointError, match=re.escape("the package mtcnn, whose networks detect faces, is missing")):
        require_package()
    with pytest.raises(CheckpointError, match=re.escape("pip install 'alae[faces]'")):
        load_weights("pnet", shapes_of(PNET))


@needs_face_weights
def test_missing_lz4_is_reported_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(mtcnn_weights, "find_spec", lambda name: None)
    with pytest.raises(CheckpointError, match=re.escape("the package lz4, which unpacks the weights")):
        require_package()
