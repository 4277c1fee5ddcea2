"""The range of values of a data set's pictures."""

import struct

import numpy as np
import pytest
from PIL import Image

from alae_core import ConfigError
from alae_workbench.data.inspection import inspect
from alae_workbench.data.load import load_data, load_images
from alae_workbench.data.options import SourceOptions
from alae_workbench.data.picture_file import Reading, read_image
from alae_workbench.data.prepared.preparation import plan_preparation
from alae_workbench.data.prepared.reading import open_set
from alae_workbench.data.prepared.writing import write_set
from alae_workbench.data.ranges import ValueRange, parse_range
from alae_workbench.data.resolve import open_source
from alae_workbench.data.source import DataError, read_all
from alae_workbench.figures.contact_sheet import draw_contact_sheet
from alae_workbench.runs.settings import load_experiment
from tests.helpers.data import make_config
from tests.helpers.requirements import REPORTS, needs_reports
from tests.workbench.data.test_picture_file import chunk, png

TWELVE = np.random.default_rng(0).integers(0, 4096, (4, 8, 8)).astype(np.uint16)
TWELVE[2] //= 20  # a dark picture
TWELVE[0, 0, 0] = 4095


def write(folder, arrays, ending="png"):
    folder.mkdir(exist_ok=True)
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(folder / f"{number}.{ending}")
    return folder


def load(folder, **options):
    """Load pictures for training; return them in the order of their names, and the data set."""
    data = load_data(str(folder), make_config(), held_out=1, options=SourceOptions(**options))
    images = np.empty((len(data.train) + len(data.held_out), 8, 8), np.uint8)
    for part in (data.train, data.held_out):
        images[part.indices] = read_all(part)[..., 0]
    return images, data


def test_the_range_is_that_of_all_pictures(tmp_path):
    images, data = load(write(tmp_path / "a", TWELVE))
    assert np.array_equal(images, np.rint(TWELVE * (255 / 4095)).astype(np.uint8))
    assert (data.interpretation, data.value_range) == ("numbers in 0 … 4095", "0..4095")
    floats = np.float32([TWELVE[0] / 65535, TWELVE[1] / 65535 * -1, TWELVE[2] / 65535])
    images, data = load(write(tmp_path / "b", floats, "tiff"))
    assert np.abs(images - (floats + 1) * 127.5).max() <= 0.51
    assert data.interpretation.startswith("numbers in [−1, 1], of which they use only -0.0623 … 0.0625: ")


@needs_reports
def test_twelve_bit_pictures_from_a_report_use_the_whole_range():
    config = make_config(image=[32, 32, 1])
    images = read_all(load_data(str(REPORTS / "twelve-bit"), config, held_out=1).train)
    stored = [np.asarray(Image.open(file)) for file in sorted((REPORTS / "twelve-bit").glob("*.png"))]
    assert max(array.max() for array in stored) <= 4095
    expected = {np.rint(array * (255 / 4095)).astype(np.uint8).tobytes() for array in stored}
    assert all(image.tobytes() in expected for image in images)
    assert images.max() > 200


def test_a_stated_range_is_used_and_checked(tmp_path):
    folder = write(tmp_path / "a", TWELVE)
    images, data = load(folder, range=ValueRange(0, 8190))
    assert np.array_equal(images, np.rint(TWELVE * (255 / 8190)).astype(np.uint8))
    assert data.interpretation == "numbers in 0 … 8190"
    with pytest.raises(DataError, match=r"0.png \(its values are from .* to 4095, not within 0\.\.1023\)"):
        load(folder, range=ValueRange(0, 1023))
    images, data = load(write(tmp_path / "b", (TWELVE % 16).astype(np.uint8)), range=ValueRange(0, 15))
    assert np.array_equal(images, (TWELVE % 16) * 17)


def test_pictures_of_zeros_and_ones_are_black_and_white(tmp_path):
    masks = np.random.default_rng(0).integers(0, 2, (4, 8, 8))
    masks[3] = 0
    for number, dtype in enumerate((np.uint8, np.uint16, bool)):
        images, data = load(write(tmp_path / str(number), masks.astype(dtype)))
        assert np.array_equal(images, masks * 255), dtype
        assert data.interpretation == ("" if dtype is bool else "black and white, 0 and 1")
    colours = np.repeat(masks[..., None], 3, -1).astype(np.uint8)
    assert np.array_equal(load(write(tmp_path / "rgb", colours))[0], masks * 255)
    # One brighter picture makes them bytes.
    masks[3, 0, 0] = 2
    assert np.array_equal(load(write(tmp_path / "more", masks.astype(np.uint8)))[0], masks)


def test_pictures_of_8_bits_beside_deeper_ones_keep_their_values(tmp_path):
    folder = write(tmp_path / "a", [*TWELVE, np.full((8, 8), 77, np.uint8)])
    images, data = load(folder)
    assert (images[4] == 77).all()
    assert images[0].max() == 255
    assert data.interpretation == "numbers in 0 … 4095 in 4 of 5 images, which have more than 8 bits"


def test_nearly_black_pictures_are_reported(tmp_path, monkeypatch):
    # Values of a picture are read only if those before it leave a doubt.
    monkeypatch.setattr("alae_workbench.data.reading._TOGETHER", 1)
    folder = write(tmp_path / "a", (TWELVE % 10).astype(np.uint8))
    use = "of which they use only 0 … 9: if white is another value, set training.range"
    assert load(folder)[1].interpretation == f"numbers in 0 … 255, {use}"
    # One picture of the others is enough.
    write(tmp_path / "b", [(TWELVE[0] % 10).astype(np.uint8), np.arange(64).reshape(8, 8).astype(np.uint8)])
    assert load(tmp_path / "b")[1].interpretation == ""
    np.save(tmp_path / "a.npy", (TWELVE % 10).astype(np.uint8))
    assert load_data(str(tmp_path / "a.npy"), make_config(), held_out=1).interpretation == f"bytes, {use}"


def test_values_of_no_known_range_are_refused_with_the_way_out(tmp_path):
    folder = write(tmp_path / "a", np.float32([TWELVE[0], TWELVE[1] - 1000.0]), "tiff")
    with pytest.raises(DataError, match=r"values from -.* to 4095, so black and white .*training.range=-\d+\.\.4095"):
        load(folder)
    (folder / "1.tiff").unlink()
    Image.fromarray(np.float32([[0, np.nan]] * 2)).save(folder / "2.tiff")
    Image.fromarray(np.float32(TWELVE[1])).save(folder / "3.tiff")
    with pytest.raises(DataError, match="1 of 3 images"):
        load(folder)


def test_a_trained_model_reads_other_pictures_in_the_range_of_its_training(tmp_path):
    dark = write(tmp_path / "a", [TWELVE[2]])
    options = SourceOptions(wide_range=ValueRange(0, 4095))
    (image,) = read_all(load_images(str(dark), make_config(), options=options))
    assert np.array_equal(image[..., 0], np.rint(TWELVE[2] * (255 / 4095)).astype(np.uint8))
    brighter = write(tmp_path / "b", [TWELVE[0] * 16])
    (image,) = read_all(
        load_images(str(brighter), make_config(), options=SourceOptions(wide_range=ValueRange(0, 4095)))
    )
    assert image.max() > 250


def test_runs_of_early_versions_keep_their_pixels(tmp_path):
    folder = write(tmp_path / "a", [*TWELVE, (TWELVE[0] % 2).astype(np.uint8)])
    images, data = load(folder, early=True)
    assert np.array_equal(images[:4], np.rint(TWELVE / 257).astype(np.uint8))
    assert images[4].max() == 1
    assert data.value_range is None, "the next checkpoint would no longer be one of an early version"


def test_sets_are_prepared_in_one_range_and_record_it(tmp_path):
    folder = write(tmp_path / "a", TWELVE)
    plan = plan_preparation(str(folder), tmp_path / "set")
    assert "\nread as numbers in 0 … 4095\n" in str(plan)
    write_set(plan)
    splits = open_set(tmp_path / "set")
    assert np.array_equal(read_all(splits.images)[..., 0], np.rint(TWELVE * (255 / 4095)).astype(np.uint8))
    assert (splits.interpretation, splits.value_range) == ("numbers in 0 … 4095", "0..4095")
    np.save(tmp_path / "b.npy", (TWELVE % 2).astype(bool))
    write_set(plan_preparation(str(tmp_path / "b.npy"), tmp_path / "b"))
    assert open_set(tmp_path / "b").value_range == "0..1"
    assert np.array_equal(read_all(open_set(tmp_path / "b").images)[..., 0], (TWELVE % 2) * 255)


def test_inspect_prints_the_range_and_the_sheet_uses_it(tmp_path):
    folder = write(tmp_path / "a", TWELVE)
    contents = open_source(str(folder))
    assert "read as numbers in 0 … 4095" in inspect("a", contents)
    assert np.asarray(draw_contact_sheet("a", contents).convert("L")).min() < 10


def test_unusable_profiles_are_counted(tmp_path):
    for number, array in enumerate(TWELVE.astype(np.uint8)):
        Image.fromarray(array).save(tmp_path / f"{number}.png", icc_profile=b"x" if number < 3 else None)
    assert load(tmp_path)[1].interpretation == "3 with a colour profile that cannot be used, as if in sRGB"


@pytest.mark.parametrize("ending", ["gif", "tiff", "webp"])
def test_files_of_several_pictures_are_counted(tmp_path, ending):
    first, *others = [Image.fromarray(array.astype(np.uint8)) for array in TWELVE]
    first.save(tmp_path / f"0.{ending}", save_all=True, append_images=others)
    first.save(tmp_path / "1.png")
    assert load(tmp_path)[1].interpretation == "the first of several pictures in 1 file"


def write_tiff(path, pixels):
    """Write bytes (H, W, C) as an uncompressed TIFF of C channels: red, green, blue, and others without a meaning."""
    height, width, channels = pixels.shape
    tags = [(256, width), (257, height), (259, 1), (262, 2), (273, 8), (277, channels), (278, height)]
    tags += [(279, pixels.size), (284, 1)]
    directory = 8 + pixels.size
    after = directory + 2 + 12 * (len(tags) + 2) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags]
    entries += [struct.pack("<HHII", 258, 3, channels, after), struct.pack("<HHIHH", 338, 3, channels - 3, 0, 0)]
    content = b"II*\0" + struct.pack("<I", directory) + pixels.tobytes() + struct.pack("<H", len(entries))
    content += b"".join(sorted(entries, key=lambda entry: struct.unpack("<H", entry[:2]))) + bytes(4)
    path.write_bytes(content + struct.pack(f"<{channels}H", *[8] * channels))


def test_channels_that_are_not_read_are_counted(tmp_path):
    """As those of satellites, with infrared."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 5), np.uint8)
    write_tiff(tmp_path / "0.tif", pixels)
    Image.fromarray(pixels[..., :3]).save(tmp_path / "1.tif")
    assert load(tmp_path)[1].interpretation == "the first channels of 1 file with more of them"
    assert np.array_equal(read_image(tmp_path / "0.tif", (8, 8, 3)), pixels[..., :3])
    write_tiff(tmp_path / "2.tif", np.zeros((8, 8, 9), np.uint8))
    with pytest.raises(DataError, match=r"2.tif \(it is a kind of this format that is not read, such as floats of 64"):
        read_image(tmp_path / "2.tif", (8, 8, 3))


def test_16_bit_transparency_is_honoured(tmp_path):
    grey = np.full((8, 8), 0x1234, np.uint16)
    grey[:4] = 0x1235
    (tmp_path / "grey.png").write_bytes(png(grey, depth=16, extra=chunk(b"tRNS", b"\x12\x34")))
    found = read_image(tmp_path / "grey.png", (8, 8, 1))
    assert (found[4:] == 255).all()
    assert (found[:4] == 0x12).all()
    colours = np.full((8, 8, 3), 0x3456, np.uint16)
    colours[:4] = 0x7856  # the same low byte
    (tmp_path / "colour.png").write_bytes(png(colours, 16, 2, chunk(b"tRNS", b"\x34\x56" * 3)))
    found = read_image(tmp_path / "colour.png", (8, 8, 3))
    assert (found[4:] == 255).all()
    assert (found[:4] == 0x78).all()
    assert (read_image(tmp_path / "grey.png", (8, 8, 1), Reading(early=True))[4:] == 0x12).all()


@pytest.mark.parametrize(
    ("text", "found"), [("auto", None), ("0..1", (0, 1)), (" -1.5 … 2 ", (-1.5, 2)), ("0..65535", (0, 65535))]
)
def test_ranges_are_parsed(text, found):
    assert parse_range(text) == found
    assert found is None or parse_range(str(ValueRange(*found))) == found


@pytest.mark.parametrize("text", ["", "0", "1..0", "0..0", "0-255", "nan..1", "0..1e9", "a..b"])
def test_other_texts_are_no_range(text):
    with pytest.raises(ConfigError, match=r"training.range: .* is neither auto nor the values of black and white"):
        load_experiment("digits-mlp", {"training.range": text})
