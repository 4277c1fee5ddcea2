"""Animations as .gif, .webp and .mp4."""

import numpy as np
import pytest
from PIL import Image

from alae_core import AlaeError
from alae_workbench.figures.animation import require_encoder, save_animation

#: four grey levels, far enough apart for every codec
LEVELS = np.array([-0.9, -0.3, 0.3, 0.9], np.float32)


def make_frames(shape=(40, 33, 3)):
    return [np.full((1, *shape), level) for level in LEVELS]


@pytest.mark.parametrize(("ending", "milliseconds"), [(".gif", 100), (".webp", 100)])
def test_frames_are_enlarged_and_repeat_for_ever(tmp_path, ending, milliseconds):
    out = tmp_path / "new" / f"walk{ending}"
    assert save_animation(out, make_frames(), fps=10) == 4
    with Image.open(out) as animation:
        assert (animation.n_frames, animation.size, animation.info["loop"]) == (4, (231, 280), 0)
        for number, level in enumerate(LEVELS):
            animation.seek(number)
            animation.load()
            assert animation.info["duration"] == milliseconds
            assert np.abs(np.asarray(animation.convert("RGB")) - (level + 1) * 127.5).max() < 4


# imageio-ffmpeg leaves the pipes of FFmpeg to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_has_every_frame(tmp_path, channels):
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    out = tmp_path / "walk.mp4"
    assert save_animation(out, make_frames((40, 33, channels)), fps=10) == 4
    reader = imageio_ffmpeg.read_frames(str(out))
    facts = next(reader)
    # Sides of videos are even.
    assert (facts["size"], facts["fps"]) == ((232, 280), 10)
    means = [np.frombuffer(frame, np.uint8).mean() for frame in reader]
    np.testing.assert_allclose(means, (LEVELS + 1) * 127.5, atol=4)
    assert [path.name for path in tmp_path.iterdir()] == ["walk.mp4"]


def test_the_error_about_a_missing_package_names_it_and_formats_that_need_none(tmp_path, monkeypatch):
    monkeypatch.setattr("alae_workbench.figures.animation.find_spec", lambda name: None)
    with pytest.raises(AlaeError, match=r"pip install 'alae\[video\]', or write a .gif or .webp"):
        require_encoder(tmp_path / "a.mp4")
    require_encoder(tmp_path / "a.gif")
