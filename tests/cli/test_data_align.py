"""`alae data align`."""

import pytest
from PIL import Image

from tests.cli.conftest import BACKEND
from tests.helpers.requirements import FACES, needs_face_weights, needs_faces


@pytest.fixture
def photos(tmp_path):
    """A folder with a photo of a face and a blank photo."""
    folder = tmp_path / "photos"
    folder.mkdir()
    with Image.open(min(FACES.glob("*.png"))) as face:
        face.resize((200, 200)).save(folder / "face.jpg")
    Image.new("RGB", (50, 40)).save(folder / "nothing.png")
    return folder


@needs_face_weights
@needs_faces
def test_align(run_alae, photos, tmp_path):
    (photos / "bad.png").write_bytes(b"no photo")
    code, out, _ = run_alae("data", "align", photos, "faces", "--backend", BACKEND)
    assert code == 0
    assert "face.jpg: 1 face: 256×256" in out
    assert out.endswith("faces: 1 face in 3 photos; 1 without a face; 1 unreadable\n")
    with Image.open(tmp_path / "faces" / "face.png") as image:
        assert image.size == (256, 256)


@needs_face_weights
def test_mistakes_are_refused_in_one_line(assert_refused, tmp_path):
    Image.new("RGB", (50, 40)).save(tmp_path / "nothing.png")
    assert_refused(("data", "align", "nowhere", "faces"), "nowhere does not exist")
    assert_refused(("data", "align", tmp_path, "faces.png"), "faces.png must be a directory")
    assert_refused(("data", "align", "nothing.png", "faces", "--backend", BACKEND), "no face was found")
