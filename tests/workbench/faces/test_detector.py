"""Detecting faces: sample faces in larger pictures, agreement with the package mtcnn, and pictures without a face."""

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from alae_workbench.faces.align import crop_square, face_square
from tests.helpers.requirements import FACES, needs_face_weights, needs_faces
from tests.tolerances import FACE_PIXELS
from tests.workbench.faces.helpers import read_sample, rotate

pytestmark = needs_face_weights


@needs_faces
@pytest.mark.parametrize(("number", "degrees", "scale"), [(0, 0, 1.0), (6, 20, 2.3), (2, -35, 1.4)])
def test_sample_face_is_cropped_again_from_a_larger_picture(detector, number, degrees, scale):
    face = read_sample(number)
    alone = detector.find_faces(face)[0]
    # The samples are aligned already, so the CelebA crop is the whole image.
    whole = np.array([[0.0, 0], [0, 128], [128, 128], [128, 0]])
    np.testing.assert_allclose(face_square(alone.landmarks, "celeba"), whole, atol=FACE_PIXELS)

    rng, shift = np.random.default_rng(number), np.array([180.0, 140.0])
    inverse = np.linalg.inv(rotate(np.eye(2), degrees, scale))
    matrix = np.concatenate([inverse.T, (-shift @ inverse)[:, None]], 1).ravel()
    placed = face.transform((640, 480), Image.Transform.AFFINE, tuple(matrix), Image.Resampling.BICUBIC)
    mask = Image.new("L", face.size, 255).transform(placed.size, Image.Transform.AFFINE, tuple(matrix))
    noise = Image.fromarray(rng.integers(60, 120, (480, 640, 3), np.uint8))
    large = Image.composite(placed, noise, mask)

    [found] = detector.find_faces(large)
    expected = rotate(alone.landmarks, degrees, scale, shift)
    np.testing.assert_allclose(found.landmarks, expected, atol=FACE_PIXELS * scale)
    again = np.asarray(crop_square(large, face_square(found.landmarks, "celeba"), 128)).astype(float)
    assert abs(again - np.asarray(face))[16:-16, 16:-16].mean() < 12


@pytest.mark.slow
@needs_faces
def test_faces_agree_with_the_package_mtcnn(detector, tmp_path):
    pytest.importorskip("tensorflow", reason="the package mtcnn needs TensorFlow")
    script = """
import sys, numpy as np
from PIL import Image
from mtcnn import MTCNN
finder = MTCNN()
found = [finder.detect_faces(np.asarray(Image.open(f).convert("RGB")), output_type="numpy", box_format="xyxy")
         for f in sys.argv[2:]]
np.save(sys.argv[1], [faces[np.argmax(faces[:, 3] - faces[:, 1])] for faces in found])
"""
    files = sorted(FACES.glob("*.png"))[:4]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", script, str(tmp_path / "found.npy"), *map(str, files)]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    theirs = np.load(tmp_path / "found.npy")
    ours = [detector.find_faces(read_sample(number))[0] for number in range(len(files))]
    # The package's (0, 0) is the centre of the first pixel.
    landmarks = theirs[:, 6:].reshape(-1, 2, 5).transpose(0, 2, 1) + 0.5
    np.testing.assert_allclose([face.landmarks for face in ours], landmarks, atol=FACE_PIXELS)
    np.testing.assert_allclose([face.box for face in ours], theirs[:, 1:5].clip(0, 128), atol=2 * FACE_PIXELS)


def test_faces_are_not_found_in_noise_or_in_very_small_pictures(detector):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    for picture in (Image.fromarray(noise), Image.new("RGB", (1, 1)), Image.new("RGB", (3000, 11))):
        assert detector.find_faces(picture) == []
