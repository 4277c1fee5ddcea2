"""Images and latents in files for other programs."""

import tracemalloc

import numpy as np
import pytest
from PIL import Image

from alae_core import AlaeError
from alae_core.images import to_uint8
from alae_workbench.figures.image_files import name_by_seed, name_by_source, write_images

RANDOM = np.random.default_rng(0)


def make_batches(count, shape=(6, 5, 3), size=4):
    """Latents and images in batches of `size`, and both as whole arrays."""
    w, images = RANDOM.normal(size=(count, 7)).astype("f4"), RANDOM.uniform(-1.2, 1.2, (count, *shape)).astype("f4")
    places = range(0, count, size)
    return ((w[i : i + size], images[i : i + size]) for i in places), w, images


@pytest.mark.parametrize("ending", [".npy", ".npz"])
def test_arrays_hold_all_batches(tmp_path, ending):
    batches, w, images = make_batches(10)
    out = tmp_path / "new" / f"x{ending}"
    assert write_images(out, batches, 10, (), tmp_path / "w.npy") == (6, 5, 3)
    found = np.load(out)
    if ending == ".npz":
        assert list(found) == ["arr_0"]
        assert found["arr_0"].dtype == np.uint8
    assert np.array_equal(
        found if ending == ".npy" else found["arr_0"], images if ending == ".npy" else to_uint8(images)
    )
    assert np.array_equal(np.load(tmp_path / "w.npy"), w)
    first = out.read_bytes()
    write_images(out, zip([w], [images], strict=True), 10, ())
    assert out.read_bytes() == first, "equal images give equal bytes"


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")])
def test_a_folder_has_a_picture_of_each_image(tmp_path, channels, mode):
    batches, _, images = make_batches(5, (6, 5, channels))
    write_images(tmp_path / "samples", batches, 5, name_by_seed(8, 5))
    names = [f"seed{number:04d}.png" for number in range(8, 13)]
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == names
    for name, image in zip(names, images, strict=True):
        with Image.open(tmp_path / "samples" / name) as picture:
            assert picture.mode == mode
            assert np.array_equal(np.asarray(picture).reshape(image.shape), to_uint8(image))


def test_a_png_is_one_image_without_a_frame(tmp_path):
    batches, _, images = make_batches(1)
    write_images(tmp_path / "new" / "one.png", batches, 1, ())
    assert np.array_equal(np.asarray(Image.open(tmp_path / "new" / "one.png")), to_uint8(images[0]))


def test_images_with_more_channels_than_a_picture_are_refused(tmp_path):
    with pytest.raises(AlaeError, match=r"1 to 4 channels, but these images have 5: write .npy or .npz"):
        write_images(tmp_path / "x", make_batches(2, (4, 4, 5))[0], 2, "ab")


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_memory_does_not_grow_with_the_number_of_images(tmp_path, name):
    peaks = []
    part = np.zeros((100, 8, 8, 3), np.float32)
    for count in (100, 10_000):
        tracemalloc.start()
        write_images(tmp_path / name, ((part[:, 0, 0], part) for _ in range(0, count, 100)), count, ())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_pictures_have_the_names_of_the_images_that_they_were_made_from():
    assert name_by_source(None, 2) == ["image0000", "image0001"]
    assert name_by_source(["a/x.png", "b\\y.v2.jpg", "c.png"], 2) == ["x", "y.v2"]
    assert name_by_source(["a/x.png", "b/x.png"], 2) == ["a-x", "b-x"]
    assert name_by_source(["/a/../x.png", "a-x.jpg", "a/x.png"], 3) == ["a-x-0000", "a-x-0001", "a-x-0002"]
    assert list(name_by_seed(99_999, 2)) == ["seed099999", "seed100000"]
