"""The command line for style models: generate, reconstruct and encode with their options, mix, interpolate, import."""

from math import cos, pi
from shutil import copytree

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_core import View
from alae_core.checkpoint import write_checkpoint
from alae_core.growth import scheduled_steps
from alae_core.images import to_float, to_uint8
from alae_core.state import initial_state
from alae_workbench.exchange.official import config_of, convert, read_models
from alae_workbench.figures.grid import compose_grid
from alae_workbench.models.mixing import layer_ranges
from tests.conftest import tiny_config, tiny_style_config
from tests.helpers.requirements import OFFICIAL, needs_official
from tests.tolerances import FLOAT32

CHECKPOINT = OFFICIAL / "style32.pth"
LEVELS = [{"images": 12, "batch_size": 4}, {"images": 24, "batch_size": 4, "fade": 1.0}, {"images": 12}]
SCALES = {"styled1/style": 8, "styled2/style": 8, "G/to_rgb0/bias": 0, "G/to_rgb1/bias": 0, "G/to_rgb2/bias": 0}


def style_config(**overrides):
    return tiny_style_config(image=[16, 16, 3], growth__levels=LEVELS, **overrides)


def state_of(config, step=None):
    """A run's state at some step, by default its last: noise shows, images differ, and so do averages and weights."""
    model, rng = alae.build(config), np.random.default_rng(0)
    state = initial_state(model.config, model.updates, model.weights(), model.mean_of_w())
    for name, value in model.weights().items():
        # Styles that matter, and images within [−1, 1], so that pictures show each difference.
        scale = next((number for part, number in SCALES.items() if part in name), 1)
        state[f"weights/{name}"] = scale * (value + rng.normal(0, 0.5, value.shape)).astype("float32")
        state[f"averages/{name}"] = state[f"weights/{name}"] * np.float32(0.9)
    state["w_mean"] = rng.normal(size=config.networks.w).astype("float32")
    return state | {"step": np.array(scheduled_steps(config) if step is None else step)}


def first_state(config):
    model = alae.build(config)
    return initial_state(model.config, model.updates, model.weights(), None)


@pytest.fixture(scope="module")
def runs(backend, tmp_path_factory):
    """Checkpoints to be copied, and a folder `photos` of three images."""
    directory = tmp_path_factory.mktemp("runs")
    mlp, classes, young = tiny_config(), tiny_config(labels=3), style_config()
    states = {
        "style": (young, state_of(young)),
        # Three steps at 4×4, then three of the six in which 8×8 fades in.
        "young": (young, state_of(young, step=6)),
        "mlp": (mlp, first_state(mlp)),
        "classes": (classes, first_state(classes)),
    }
    for name, (config, state) in states.items():
        write_checkpoint(directory / name / "checkpoints", state, config, author=backend)
    (directory / "photos").mkdir()
    for i, pixels in enumerate(photos()):
        Image.fromarray(pixels).save(directory / "photos" / f"{i}.png")
    return directory


@pytest.fixture(scope="module")
def averaged_model(runs):
    return alae.load_checkpoint(runs / "style").model()


@pytest.fixture
def style(runs, averaged_model, tmp_path):
    """The averaged model of the run `style`, which lies with the others in the test's own directory."""
    copytree(runs, tmp_path, dirs_exist_ok=True)
    return averaged_model


def photos():
    return np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3), np.uint8)


def samples(model, *seeds, psi=None):
    """The styles of one sample per seed."""
    return model.truncate(np.concatenate([model.map(model.sample_prior(1, seed=seed)) for seed in seeds]), psi)


def images_of(model, styles, view=None):
    return model.generate(styles, view, noise=model.sample_noise(1, view=view))


def cells(file, sizes):
    """The cells of a picture of 16×16 images: (lines, columns, H, W, C) by section; `sizes` its lines and columns."""
    pixels, sections, y = np.asarray(Image.open(file)), [], 12
    paper = pixels[0, 0]
    assert (pixels[:, -12:] == paper).all(), "the text is not cut"
    for lines, columns in sizes:
        y += 21
        boxes = [[(y + 66 * line, 12 + 66 * column) for column in range(columns)] for line in range(lines)]
        sections.append(np.array([[pixels[top : top + 64 : 4, x : x + 64 : 4] for top, x in row] for row in boxes]))
        enlarged = pixels[y : y + 64, 12 + 66 * (columns - 1) : 12 + 66 * (columns - 1) + 64]
        assert np.array_equal(enlarged, sections[-1][0, -1].repeat(4, 0).repeat(4, 1))
        y += 66 * lines + 6
    assert (pixels[y : y + 15] != paper).any(), "the caption follows"
    return sections


def alike(shown, images):
    """Whether what a picture shows is `images`, but for a grey level's rounding."""
    assert (np.abs(images) < 1).mean() > 0.8, "what is clipped shows no difference"
    return np.abs(shown.astype(int) - to_uint8(images).astype(int)).max() <= 1


def generated(run_alae, *words):
    assert run_alae("generate", "style", "--out", "x.npy", "--count", 4, *words)[0] == 0
    return np.load("x.npy")


def test_generate_truncates_as_configured_and_adds_the_same_noise_each_time(run_alae, style):
    w = style.map(style.sample_prior(4, seed=3))
    found = generated(run_alae, "--seed", 3)
    assert np.allclose(found, images_of(style, 0.7 * w + 0.3 * style.mean_of_w()), **FLOAT32)
    assert np.array_equal(found, generated(run_alae, "--seed", 3))


def test_truncation_1_is_none_and_0_leaves_one_image(run_alae, style):
    w = style.map(style.sample_prior(4))
    assert np.allclose(generated(run_alae, "--truncation", 1), images_of(style, w), **FLOAT32)
    found = generated(run_alae, "--truncation", 0)
    assert np.allclose(found, images_of(style, style.mean_of_w()[None]).repeat(4, axis=0), **FLOAT32)


def test_noise_is_fixed_random_or_none(run_alae, style):
    styles = style.truncate(style.map(style.sample_prior(4)))
    none, fixed = generated(run_alae, "--noise", "none"), generated(run_alae, "--noise", "fixed")
    first, second = (generated(run_alae, "--noise", "random") for _ in range(2))
    assert np.array_equal(none, style.generate(styles, noise="none"))
    assert np.array_equal(fixed, generated(run_alae))
    assert not any(np.allclose(a, b, **FLOAT32) for a, b in ((none, fixed), (fixed, first), (first, second)))


def test_the_averaged_networks_are_the_default(run_alae, style):
    default, averaged, raw = generated(run_alae), generated(run_alae, "--averaged"), generated(run_alae, "--raw")
    assert np.array_equal(default, averaged)
    trained = alae.load_checkpoint("style").model(averaged=False)
    assert np.allclose(raw, images_of(trained, trained.truncate(trained.map(trained.sample_prior(4)))), **FLOAT32)
    assert not np.allclose(raw, averaged, **FLOAT32)


@pytest.mark.parametrize("lod", [0, 1, 2])
def test_generate_reconstruct_and_encode_at_a_level_of_detail(run_alae, style, lod):
    size, pooled = 4 * 2**lod, to_float(photos())
    while pooled.shape[1] > size:
        pooled = (pooled[:, ::2] + pooled[:, 1::2]) / 2
        pooled = (pooled[:, :, ::2] + pooled[:, :, 1::2]) / 2
    assert generated(run_alae, "--lod", lod).shape == (4, size, size, 3)
    code, out, _ = run_alae("encode", "style", "photos", "--lod", lod)
    assert (code, out) == (0, "w.npy: 3 × 7\nw.txt: their names, a line each\n")
    assert np.allclose(np.load("w.npy"), style.encode(pooled, View(lod)), **FLOAT32)
    code, out, _ = run_alae("reconstruct", "style", "photos", "--out", "x.npy", "--lod", lod)
    assert (code, out) == (0, f"x.npy: 3 × {size}×{size}×3\n")
    assert np.allclose(np.load("x.npy"), images_of(style, style.encode(pooled, View(lod)), View(lod)), **FLOAT32)


def test_reconstruct_without_noise(run_alae, style):
    run_alae("reconstruct", "style", "photos", "--out", "x.npy", "--noise", "none")
    assert np.allclose(np.load("x.npy"), style.reconstruct(to_float(photos()), noise="none"), **FLOAT32)


def test_a_model_is_shown_where_training_had_come_to(run_alae, style):
    run_alae("generate", "young", "--count", 2, "--out", "x.npy")
    styles = style.truncate(style.map(style.sample_prior(2)))
    blend = 0.5 - 0.5 * cos(pi * 2 / 6)  # before the last step
    assert np.allclose(np.load("x.npy"), images_of(style, styles, View(1, blend)), **FLOAT32)


def test_mixing_takes_a_range_of_layers_from_the_column_and_the_others_from_the_row(run_alae, style):
    code, out, _ = run_alae("figure", "mix", "style", "--rows", "1,2", "--columns", "photos,5")
    assert (code, out) == (0, "mixing.png: 2 rows × 4 columns, coarse, middle, fine styles\n")
    above = np.concatenate([style.encode(to_float(photos()))[:, None].repeat(6, axis=1), samples(style, 5)])
    left = samples(style, 1, 2)
    sections = cells("mixing.png", [(3, 5)] * 3)
    for section, layers in zip(sections, ((0, 1), (2, 3), (4, 5)), strict=True):
        assert alike(section[0, 1:], images_of(style, above))
        assert alike(section[1:, 0], images_of(style, left))
        for i, row in enumerate(left):
            mixed = above.copy()
            others = [layer for layer in range(6) if layer not in layers]
            mixed[:, others] = row[others]
            assert alike(section[1 + i, 1:], images_of(style, mixed))
    run_alae(
        "figure", "mix", "style", "--rows", "1,2", "--columns", "photos,5", "--layers", "middle", "--out", "new/m.png"
    )
    (middle,) = cells("new/m.png", [(3, 5)])
    assert np.abs(middle.astype(int) - sections[1]).max() <= 1


def test_mixing_equal_sources_gives_the_plain_image(run_alae, style):
    run_alae("figure", "mix", "style", "--rows", "3", "--columns", "3", "--raw")
    run_alae("generate", "style", "--seed", 3, "--count", 1, "--out", "x.npy", "--raw")
    for section in cells("mixing.png", [(2, 2)] * 3):
        for line, column in ((0, 1), (1, 0), (1, 1)):
            assert alike(section[line, column], np.load("x.npy")[0])


def test_a_folder_gives_up_to_eight_sources(run_alae, style, tmp_path):
    for i in range(9):
        Image.fromarray(photos()[0]).save(tmp_path / "photos" / f"more{i}.png")
    _, out, _ = run_alae("figure", "mix", "style", "--rows", "photos", "--columns", "1", "--layers", "fine")
    assert out == "mixing.png: 8 rows × 1 columns, fine styles\n"


@pytest.mark.parametrize(
    ("lods", "ranges"),
    [
        (1, [range(1)]),
        (2, [range(1), range(1, 2)]),
        (3, [range(1), range(1, 2), range(2, 3)]),
        (4, [range(2), range(2, 3), range(3, 4)]),
        (5, [range(2), range(2, 4), range(4, 5)]),
        (9, [range(2), range(2, 4), range(4, 9)]),
    ],
)
def test_ranges_of_layers(lods, ranges):
    assert layer_ranges(lods) == dict(zip(("coarse", "middle", "fine"), ranges, strict=False))


def test_two_corners_are_a_row(run_alae, style):
    code, out, _ = run_alae("figure", "interpolation", "style", 1, "photos/0.png", "--count", 3)
    assert (code, out) == (0, "interpolation.png: 2 corners, 3 images from corner to corner\n")
    a, b = samples(style, 1)[0], style.encode(to_float(photos()[:1])).repeat(6, axis=0)
    (row,) = cells("interpolation.png", [(1, 3)])
    assert alike(row[0], images_of(style, np.stack([a, (a + b) / 2, b])))


def test_three_corners_are_a_triangle(run_alae, style):
    run_alae("figure", "interpolation", "style", 1, 2, 3, "--count", 3)
    a, b, c = samples(style, 1, 2, 3)
    (triangle,) = cells("interpolation.png", [(3, 3)])
    rows = [[a, (a + b) / 2, b], [(a + c) / 2, (b + c) / 2], [c]]
    for shown, row in zip(triangle, rows, strict=True):
        assert alike(shown[: len(row)], images_of(style, np.stack(row)))
        assert (shown[len(row) :] == (250, 250, 248)).all()


def test_four_corners_are_a_square(run_alae, style):
    code, out, _ = run_alae("figure", "interpolation", "style", "--count", 3, "--raw")
    assert (code, out) == (0, "interpolation.png: 4 corners, 3 images from corner to corner\n")
    trained = alae.load_checkpoint("style").model(averaged=False)
    a, b, c, d = samples(trained, 0, 1, 2, 3)
    rows = [[a, (a + b) / 2, b], [(a + c) / 2, (a + b + c + d) / 4, (b + d) / 2], [c, (c + d) / 2, d]]
    (square,) = cells("interpolation.png", [(3, 3)])
    assert alike(square.reshape(9, 16, 16, 3), images_of(trained, np.concatenate(rows)))


@pytest.mark.parametrize("reciprocity", ["latent", "z"])
def test_mlp_models_interpolate_as_well(run_alae, backend, tmp_path, reciprocity):
    config = tiny_config(image=[16, 16, 1], networks__z=7, reciprocity=reciprocity)
    path = write_checkpoint(tmp_path / "mlp", first_state(config), config, author=backend)
    Image.fromarray(photos()[0, :, :, 0]).save(tmp_path / "mine.png")
    run_alae("figure", "interpolation", "mlp", 4, "mine.png", "--count", 3)
    model = alae.load_checkpoint(path).model()
    ends = np.concatenate([model.generate(samples_of(model, 4)), model.reconstruct(to_float(photos()[:1, :, :, :1]))])
    (row,) = cells("interpolation.png", [(1, 3)])
    assert alike(row[0, ::2, :, :, :1], ends)


def samples_of(model, seed):
    return model.map(model.sample_prior(1, seed=seed))


def test_a_long_caption_widens_the_picture(tmp_path):
    compose_grid([("a title", [np.zeros((1, 16, 16, 3))])], "a caption of ψ and × " * 20).save(tmp_path / "x.png")
    cells(tmp_path / "x.png", [(1, 1)])


@needs_official
def test_import_official_says_what_it_found_and_writes_a_run(run_alae):
    code, out, _ = run_alae("import-official", CHECKPOINT, "new/run")
    assert code == 0
    found, written = out.splitlines()
    assert found.endswith(
        "StyleALAE for images 32×32×3: z 16, w 16, 3 layers in F, 8 to 32 feature maps, 97,373 weights"
    )
    path = written.removeprefix("written to ")
    models = read_models(CHECKPOINT)
    for averaged in (False, True):
        expected = convert(models, config_of(models), averaged=averaged)
        weights = alae.load_checkpoint(path).model(averaged).weights()
        assert all(np.array_equal(weights[name], array) for name, array in expected.items())
    assert run_alae("generate", "new/run", "--count", 2)[:2] == (0, "samples.png: 2 × 32×32×3\n")


@needs_official
@pytest.mark.parametrize("kept", [0, 100, 0.5, -1])
def test_a_torn_file_is_not_imported(refused, tmp_path, kept):
    content = CHECKPOINT.read_bytes()
    (tmp_path / "torn.pth").write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    refused(["import-official", "torn.pth", "out"], "torn.pth")


@needs_official
def test_an_import_that_cannot_be_written_leaves_nothing(refused, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alae_core.checkpoint.write_atomically", full)
    refused(["import-official", CHECKPOINT, "out"], "No space left on device")


MISTAKES = [
    (
        ["generate", "mlp", "--truncation", "0.5"],
        "--truncation is only for style models, but this model's networks are of",
    ),
    (["generate", "mlp", "--lod", "1"], "--lod is only for style models"),
    (
        ["generate", "mlp", "--noise", "fixed"],
        "--noise is only for style models, but this model's networks are of the family mlp",
    ),
    (["reconstruct", "mlp", "--lod", "0"], "--lod is only for style models"),
    (["reconstruct", "mlp", "--noise", "none"], "--noise is only for style models"),
    (["encode", "mlp", "--lod", "0"], "--lod is only for style models"),
    (["generate", "style", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["reconstruct", "style", "photos", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["encode", "style", "photos", "--lod", "3"], "--lod is 3, but the model has the levels 0 … 2"),
    (["generate", "style", "--truncation", "1.5"], "--truncation is 1.5: it must lie in 0 … 1"),
    (["generate", "style", "--truncation", "nan"], "--truncation is nan: it must lie in 0 … 1"),
    (["generate", "style", "--seed", "-1"], "--seed is -1: it must lie in 0 … 2**63 - 1"),
    (["generate", "style", "--label", "1"], "was trained without labels"),
    (["figure", "mix", "mlp"], "style mixing needs a style model, but this model's networks are of the family mlp"),
    (["figure", "mix", "style", "--rows", "absent"], "there is no data 'absent'"),
    (["figure", "mix", "style", "--rows", "1,,2"], "a source is empty: it should be a seed"),
    (["figure", "mix", "style", "--columns", ""], "a source is empty"),
    (["figure", "mix", "style", "--columns", str(2**63)], "--seed is 9223372036854775808: it must lie in"),
    (["figure", "mix", "style", "--out", "m.npy"], "m.npy must end in .png"),
    (
        ["figure", "mix", "young", "--layers", "fine"],
        "--layers is fine, but at 8×8 pixels there are coarse and middle styles only",
    ),
    (["figure", "interpolation", "style", "1"], "interpolation needs 2, 3 or 4 corners, not 1"),
    (["figure", "interpolation", "style", "photos", "1", "2"], "interpolation needs 2, 3 or 4 corners, not 5"),
    (["figure", "interpolation", "style", "1", "absent.png"], "there is no data 'absent.png'"),
    (["figure", "interpolation", "style", "--out", "m.npy"], "m.npy must end in .png"),
    (
        ["figure", "interpolation", "classes"],
        "mixing in w needs a model without labels, but this model has 3 classes",
    ),
    (["import-official", "absent.pth", "out"], "absent.pth cannot be read: No such file"),
    (["import-official", "photos/0.png", "out"], "photos/0.png"),
    (["import-official", "photos", "out"], "photos"),
    (["import-official", "photos/0.png", "style"], "style is there already: choose another place"),
]


@pytest.mark.parametrize(
    ("words", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_a_mistake_is_one_line_and_exit_code_2(refused, style, words, message):
    refused(words, message)
