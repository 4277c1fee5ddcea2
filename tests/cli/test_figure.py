"""`alae figure`: every kind of figure."""

import numpy as np
import pytest
from PIL import Image

import alae_core as alae
from alae_cli.figure import parse_sources
from alae_core.checkpoint_writing import write_checkpoint
from alae_core.errors import ArgumentError
from alae_core.images import to_float
from tests.cli.conftest import (
    BACKEND,
    describe_case,
    generate_images,
    make_first_state,
    photos,
    sample_styles,
)
from tests.conftest import tiny_config
from tests.helpers.pictures import are_alike, read_cells

KINDS = [
    ["lods", "digits-style", "--count", "2"],
    ["lods", "style", "--count", "2", "--lod", "1", "--truncation", "1", "--noise", "none"],
    ["neighbours", "run", "--count", "2", "--nearest", "3"],
    ["neighbours", "digits-style", "--count", "1", "--nearest", "1", "--truncation", "0.5", "--noise", "none"],
    ["losses", "run", "other"],
    ["mix", "digits-style", "--rows", "1", "--columns", "2"],
    ["interpolation", "run", "1", "2", "--count", "3"],
    ["interpolation", "run", "digits", "--count", "3"],
    ["traversal", "run", "1,labelled/left/0.png", "--count", "3"],
    ["traversal", "run", "digits", "--count", "3"],
]


@pytest.mark.parametrize("words", KINDS, ids=" ".join)
def test_every_kind_of_figure_is_reproducible(run_alae, home, words):
    options = [] if words[0] == "losses" else ["--backend", BACKEND]
    for name in ("a", "b"):
        code, out, err = run_alae("figure", *words, "--out", f"new/{name}.png", *options)
        assert (code, out.partition(".png")[0]) == (0, f"new/{name}"), err
    first, second = ((home / "new" / f"{name}.png").read_bytes() for name in "ab")
    assert first == second
    picture = np.asarray(Image.open(home / "new" / "a.png").convert("L"))
    assert picture.std() > 10, "the picture is not blank"


@pytest.mark.parametrize(("ending", "magic"), [("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_plots_in_pdf_and_svg_are_reproducible(run_alae, home, ending, magic):
    for name in ("a", "b"):
        assert run_alae("figure", "losses", "run", "--out", f"{name}.{ending}")[0] == 0
    first, second = ((home / f"{name}.{ending}").read_bytes() for name in "ab")
    assert first == second
    assert first.startswith(magic)


@pytest.mark.parametrize(
    "words",
    [["mix", "style", "--rows", "1", "--columns", "2"], ["interpolation", "style", "1,2"], ["traversal", "style", "1"]],
    ids=lambda words: words[0],
)
def test_level_noise_and_truncation_change_the_figure(run_alae, home, words):
    pictures = []
    for options in ([], ["--lod", "1"], ["--noise", "none"], ["--truncation", "1"]):
        code, _, err = run_alae("figure", *words, *options, "--out", "x.png", "--backend", BACKEND)
        assert code == 0, err
        pictures.append((home / "x.png").read_bytes())
    assert len(set(pictures)) == 4


def test_sources_are_seeds_and_images_separated_by_commas_or_spaces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a,b.png").touch()
    assert parse_sources("corners", ["0,1", "photos", "a,b.png", "2 , c"]) == [0, 1, "photos", "a,b.png", 2, "c"]
    with pytest.raises(ArgumentError, match="corners is 9223372036854775808: a seed must be less than"):
        parse_sources("corners", [str(2**63)])


def test_mixing_takes_a_range_of_layers_from_the_column_and_the_others_from_the_row(run_alae, style):
    code, out, _ = run_alae("figure", "mix", "style", "--rows", "1,2", "--columns", "photos", "--columns", "5")
    assert (code, out) == (0, "mixing.png: 2 rows × 4 columns, coarse, middle, fine styles\n")
    above = np.concatenate([style.encode(to_float(photos()))[:, None].repeat(6, axis=1), sample_styles(style, 5)])
    left = sample_styles(style, 1, 2)
    sections = read_cells("mixing.png", [(3, 5)] * 3)
    for section, layers in zip(sections, ((0, 1), (2, 3), (4, 5)), strict=True):
        assert are_alike(section[0, 1:], generate_images(style, above))
        assert are_alike(section[1:, 0], generate_images(style, left))
        for i, row in enumerate(left):
            mixed = above.copy()
            others = [layer for layer in range(6) if layer not in layers]
            mixed[:, others] = row[others]
            assert are_alike(section[1 + i, 1:], generate_images(style, mixed))
    run_alae(
        "figure", "mix", "style", "--rows", "1,2", "--columns", "photos,5", "--layers", "middle", "--out", "new/m.png"
    )
    (middle,) = read_cells("new/m.png", [(3, 5)])
    assert np.abs(middle.astype(int) - sections[1]).max() <= 1


@pytest.mark.usefixtures("style")
def test_mixing_equal_sources_gives_the_plain_image(run_alae):
    run_alae("figure", "mix", "style", "--rows", "3", "--columns", "3", "--raw")
    run_alae("generate", "style", "--seed", 3, "--count", 1, "--out", "x.npy", "--raw")
    for section in read_cells("mixing.png", [(2, 2)] * 3):
        for line, column in ((0, 1), (1, 0), (1, 1)):
            assert are_alike(section[line, column], np.load("x.npy")[0])


@pytest.mark.usefixtures("style")
def test_a_folder_gives_up_to_eight_sources(run_alae, tmp_path):
    for i in range(9):
        Image.fromarray(photos()[0]).save(tmp_path / "photos" / f"more{i}.png")
    _, out, _ = run_alae("figure", "mix", "style", "--rows", "photos", "--columns", "1", "--layers", "fine")
    assert out == "mixing.png: 8 rows × 1 columns, fine styles\n"


def test_two_corners_give_a_row(run_alae, style):
    code, out, _ = run_alae("figure", "interpolation", "style", 1, "photos/0.png", "--count", 3)
    assert (code, out) == (0, "interpolation.png: 2 corners, 3 images from corner to corner\n")
    a, b = sample_styles(style, 1)[0], style.encode(to_float(photos()[:1])).repeat(6, axis=0)
    (row,) = read_cells("interpolation.png", [(1, 3)])
    assert are_alike(row[0], generate_images(style, np.stack([a, (a + b) / 2, b])))


def test_more_corners_give_a_row_from_each_to_the_next(run_alae, style):
    code, out, err = run_alae("figure", "interpolation", "style", "1,2,3,4,5", "--count", 3)
    assert (code, out) == (0, "interpolation.png: 5 corners, 3 images from corner to corner\n"), err
    rows = read_cells("interpolation.png", [(4, 3)])[0]
    assert all(np.array_equal(rows[i][2], rows[i + 1][0]) for i in range(3))
    assert not np.array_equal(rows[0][0], rows[0][2])


def test_an_animation_passes_through_seeds_images_and_latents(run_alae, style, home):
    np.save(home / "mine.npy", sample_styles(style, 8, 9))
    words = ["figure", "interpolation", "style", "1", "photos/0.png", "mine.npy", "--count", 3, "--fps", 10]
    code, out, err = run_alae(*words, "--out", "walk.gif")
    assert (code, out) == (0, "walk.gif: 7 frames, 0.7 s\n"), err
    code, out, _ = run_alae(*words, "--out", "loop.webp", "--loop")
    assert (code, out) == (0, "loop.webp: 8 frames, 0.8 s\n")
    with Image.open(home / "loop.webp") as animation:
        assert (animation.n_frames, animation.size) == (8, (256, 256))


def test_three_corners_give_a_triangle(run_alae, style):
    run_alae("figure", "interpolation", "style", "1,2,3", "--count", 3)
    a, b, c = sample_styles(style, 1, 2, 3)
    (triangle,) = read_cells("interpolation.png", [(3, 3)])
    rows = [[a, (a + b) / 2, b], [(a + c) / 2, (b + c) / 2], [c]]
    for shown, row in zip(triangle, rows, strict=True):
        assert are_alike(shown[: len(row)], generate_images(style, np.stack(row)))
        assert (shown[len(row) :] == (250, 250, 248)).all()


@pytest.mark.usefixtures("style")
def test_four_corners_give_a_square(run_alae):
    code, out, _ = run_alae("figure", "interpolation", "style", "--count", 3, "--raw")
    assert (code, out) == (0, "interpolation.png: 4 corners, 3 images from corner to corner\n")
    trained = alae.load_checkpoint("style").model(averaged=False)
    a, b, c, d = sample_styles(trained, 0, 1, 2, 3)
    rows = [[a, (a + b) / 2, b], [(a + c) / 2, (a + b + c + d) / 4, (b + d) / 2], [c, (c + d) / 2, d]]
    (square,) = read_cells("interpolation.png", [(3, 3)])
    assert are_alike(square.reshape(9, 16, 16, 3), generate_images(trained, np.concatenate(rows)))


@pytest.mark.parametrize("reciprocity", ["latent", "z"])
def test_mlp_models_interpolate_too(run_alae, backend, tmp_path, reciprocity):
    config = tiny_config(image=[16, 16, 1], networks__z=7, reciprocity=reciprocity)
    path = write_checkpoint(tmp_path / "mlp", make_first_state(config), config, author=backend)
    Image.fromarray(photos()[0, :, :, 0]).save(tmp_path / "mine.png")
    run_alae("figure", "interpolation", "mlp", 4, "mine.png", "--count", 3)
    model = alae.load_checkpoint(path).model()
    sampled = model.generate(model.map(model.sample_prior(1, seed=4)))
    ends = np.concatenate([sampled, model.reconstruct(to_float(photos()[:1, :, :, :1]))])
    (row,) = read_cells("interpolation.png", [(1, 3)])
    assert are_alike(row[0, ::2, :, :, :1], ends)


def test_a_traversal_accepts_directions_by_name_or_file(run_alae, home):
    np.save(home / "along.npy", np.ones(7, np.float32))
    assert run_alae("directions", "fit", "run", "--method", "principal", "--backend", BACKEND)[0] == 0
    words = ["figure", "traversal", "run", "3", "--direction", "principal-0,along.npy", "--direction", "principal-1"]
    code, _, err = run_alae(*words, "--backend", BACKEND)
    assert code == 0, err


MISTAKES = [
    (["losses", "style"], "style has no records yet"),
    (["losses", "run", "--out", "x.gif"], "--out is x.gif; it must end in .png or .svg or .pdf"),
    (["lods", "run", "--backend", BACKEND], "a figure of levels needs a style model"),
    (["neighbours", "run", "--nearest", "5000", "--backend", BACKEND], "5000 neighbours were requested, but"),
    (["neighbours", "run", "--truncation", "0.5", "--backend", BACKEND], "--truncation is only for style models"),
    (["mix", "run", "--rows", "0", "--columns", "1"], "style mixing needs a style model"),
    (["mix", "mlp"], "style mixing needs a style model, but this model's networks are of the family mlp"),
    (["mix", "style", "--rows", "absent"], "there is no data 'absent'"),
    (["mix", "style", "--rows", "1,,2"], "--rows is '1,,2': a value is empty"),
    (["mix", "style", "--columns", ""], "--columns is '': a value is empty"),
    (["mix", "style", "--columns", str(2**63)], "--columns is 9223372036854775808: a seed must be less than"),
    (["mix", "style", "--out", "m.npy"], "--out is m.npy; it must end in .png"),
    (["mix", "style", "--truncation", "3"], "--truncation"),
    (
        ["mix", "young", "--layers", "fine"],
        "--layers is fine, but at 8×8 pixels there are coarse and middle styles only",
    ),
    (["interpolation", "style", "1"], "interpolation needs 2 or more corners, not 1"),
    (["interpolation", "style", "1", "--out", "walk.gif"], "an animation needs 2 or more stops, not 1"),
    (["interpolation", "style", "1,2", "--loop"], "--loop is for animations, but interpolation.png is a picture"),
    (["interpolation", "style", "1", "absent.png"], "there is no data 'absent.png'"),
    (["interpolation", "style", "--out", "m.npy"], "--out is m.npy; it must end in .png"),
    (["interpolation", "classes"], "mixing in w needs a model without labels, but this model has 3 classes"),
    (["interpolation", "run", "0", "1", "--count", "100000", "--backend", BACKEND], "6,600,000 × 66 pixels"),
    (
        ["interpolation", "run", "--count", "100000", "--backend", BACKEND],
        "100,000 × 100,000 images would have 6,600,000 ×",
    ),
    (["traversal", "run", "--direction", "smile", "--backend", BACKEND], "there is no direction 'smile'"),
    (["traversal", "run", "--direction", "short.npy", "--backend", BACKEND], "short.npy has 3 numbers, but w of"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(["figure", *words], message)
