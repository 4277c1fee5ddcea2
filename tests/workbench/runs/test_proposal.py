"""Configurations made for a user's images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alae_core import AlaeError, load_config
from alae_core.growth import position
from alae_workbench import Arrays, DataError, load_experiment
from alae_workbench.data.load import load_data
from alae_workbench.data.survey import Survey, survey, survey_source
from alae_workbench.runs.plan import plan
from alae_workbench.runs.proposal import propose
from alae_workbench.runs.request import RunRequest
from alae_workbench.runs.settings import change_experiment


def write_folder(path, sizes, mode="RGB"):
    path.mkdir(parents=True, exist_ok=True)
    for i, size in enumerate(sizes):
        Image.new(mode, size, i).save(path / f"{i}.png")
    return path


def make_survey(side=100, count=200, channels=3):
    return Survey("photos", "photos", count, side, channels)


@given(
    survey=st.builds(make_survey, st.integers(8, 5000), st.integers(2, 10**6), st.sampled_from([1, 3])),
    size=st.none() | st.sampled_from([8, 16, 64, 1024]),
    images=st.integers(1_000, 10**8),
)
def test_every_style_proposal_is_an_experiment_within_its_budget(survey, size, images):
    experiment = propose(survey, family="style", size=size, images=images).experiment
    config = experiment.config
    assert config.image == (config.image[0], config.image[0], survey.channels)
    assert config.image[0] == (size or min(128, 2 ** (survey.side.bit_length() - 1)))
    levels = config.growth.levels
    assert sum(level.images for level in levels) == images
    assert levels[-1].images * 2 >= images
    assert all(level.batch_size >= 16 and level.batch_size.bit_count() == 1 for level in levels)
    assert all(level.images / level.batch_size >= 500 for level in levels if level.batch_size > 16)
    assert 0 < experiment.training.held_out * survey.count <= 10_000 or experiment.training.held_out == 0.1


@given(
    survey=st.builds(make_survey, st.integers(8, 5000), st.integers(2, 10**6), st.sampled_from([1, 3])),
    size=st.none() | st.sampled_from([8, 28, 48, 64, 96, 128]),
    images=st.integers(1_000, 10**8),
)
def test_every_conv_proposal_is_an_experiment_within_its_budget(survey, size, images):
    experiment = propose(survey, family="conv", size=size, images=images).experiment
    config = experiment.config
    side = config.image[0]
    assert config.image == (side, side, survey.channels)
    assert side == size if size else side <= min(64, survey.side) < side * 5 / 4 or side == 64
    assert 4 <= side / config.conv.factor <= 8
    assert 0 <= experiment.steps * config.batch_size - images < config.batch_size
    assert config.schedule.images == experiment.steps * config.batch_size


@pytest.mark.parametrize(
    ("choices", "family", "reason"),
    [
        ({}, "conv", "they learn in minutes"),
        ({"images": 999_999}, "conv", "they learn in minutes"),
        ({"images": 1_000_000}, "style", "a training of 1,000,000 images is long enough"),
        ({"images": 1_000_000, "cpu": True}, "conv", "would take days on a CPU"),
        ({"images": 1_000, "family": "style"}, "style", "as requested"),
    ],
    ids=str,
)
def test_long_trainings_on_an_accelerator_get_style_networks(choices, family, reason):
    proposal = propose(make_survey(), **choices)
    assert proposal.experiment.config.networks.family == family
    assert reason in proposal.reasons[0].text


@pytest.mark.parametrize(("preset", "size"), [("photos-conv", 32), ("photos-conv64", 64)])
def test_the_default_training_follows_the_presets(preset, size):
    proposed, shipped = propose(make_survey(size, count=10_000)).experiment.config, load_config(preset)
    same = {"description", "schedule"}
    assert proposed.model_dump(exclude=same) == shipped.model_dump(exclude=same)


@pytest.mark.parametrize(("preset", "size"), [("celeba", 128), ("celeba-hq256", 256), ("ffhq", 1024)])
def test_a_published_training_length_gives_the_published_configuration(preset, size):
    published = load_config(preset)
    images = sum(level.images for level in published.growth.levels)
    config = propose(make_survey(size), size=size, images=images).experiment.config
    assert config.style == published.style
    assert [level.batch_size for level in config.growth.levels] == [
        level.batch_size for level in published.growth.levels
    ]
    for same in ("objective", "r1_gamma", "reciprocity", "updates", "adam", "average_halflife"):
        assert getattr(config, same) == getattr(published, same)


@pytest.mark.parametrize(
    ("changes", "gone", "line"),
    [
        ({"training.steps": 9}, "steps of 32 images", "training.steps=9: as requested"),
        ({"networks.widths": [8, 8]}, "feature maps", "networks.widths=[8, 8]: as requested"),
        ({"networks": {"family": "mlp"}}, "feature maps", 'networks={"family": "mlp"}: as requested'),
        ({"image": [32, 32, 1]}, "3 channels", "image=[32, 32, 1]: as requested"),
        ({"training.held_out": 9}, "held out", "training.held_out=9: as requested"),
        ({"training.mirror": False}, "mirrored", "training.mirror=false: as requested"),
        ({"training.fit": "pad"}, "cropped", 'training.fit="pad": as requested'),
    ],
    ids=str,
)
def test_a_reason_is_replaced_with_its_setting(changes, gone, line):
    proposal = propose(make_survey())
    before, after = proposal.explain({}), proposal.explain(changes | {"seed": 3})
    assert any(gone in reason for reason in before)
    assert not any(gone in reason for reason in after)
    assert after[-1] == line
    assert len(after) < len(before) + 1
    assert len(proposal.explain({"training.data": "x", "seed": 3})) == len(before)


@pytest.mark.parametrize("family", ["conv", "style"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_that_are_shown_often_are_augmented(family, channels):
    """10 % of the images are held out, so 4,444 leave 4,000, each shown 50 times."""
    few, more = (propose(make_survey(count=count, channels=channels), family=family) for count in (4_444, 4_446))
    assert few.experiment.config.augment.p == 0.15
    assert any("D would memorise images that it sees 50 times" in line for line in few.explain({}))
    assert "augment=null: as requested" in few.explain({"augment": None})
    # The reason is that of the training as changed.
    for changes in ({"training.held_out": 3_000}, {"training.steps": 10} if family == "conv" else {"seed": 3}):
        changed = change_experiment(few.experiment.config, few.experiment.training.model_dump(), changes, "test")
        (line,) = [line for line in few.explain(changes, changed) if line.startswith("augmentation")]
        held_out = changes.get("training.held_out", 444)
        shown = position(changed.config, changed.steps).shown / (4_444 - held_out)
        assert ("50 times or more" in line) == (shown >= 50)
        assert ("augment=null is better" in line) == (shown < 50)
    assert more.experiment.config.augment is None


def test_a_folder_is_surveyed_by_its_headers_and_trained_as_proposed(tmp_path):
    path = write_folder(tmp_path / "photos", [(40, 70), (33, 90), (200, 20), (64, 64), (35, 35)])
    (path / "broken.png").write_bytes(b"no image")
    seen = survey(str(path))
    assert seen == Survey(str(path), str(path), 5, 35, 3)
    assert survey(str(write_folder(tmp_path / "grey", [(16, 16)] * 3, mode="L"))).channels == 1
    (path / "broken.png").unlink()
    proposal = propose(seen, images=2_000)
    assert "size 32: the largest possible within the median shorter side of 35" in proposal.reasons[1].text
    data = load_data(str(path), proposal.experiment.config, held_out=proposal.experiment.training.held_out)
    assert (data.train.shape, len(data.train), len(data.held_out)) == ((32, 32, 3), 4, 1)


def test_arrays_keep_their_size_within_a_margin():
    mnist, odd = (survey_source(Arrays(random_pixels(30, size)), "arrays") for size in (28, 30))
    for survey_, family, side, margin in (
        (mnist, "conv", 28, 0),
        (mnist, "style", 32, 2),
        (odd, "conv", 32, 1),
    ):
        made = propose(survey_, family=family).experiment
        assert (made.config.image, made.training.margin) == ((side, side, 1), margin)


def random_pixels(count, size):
    return np.random.default_rng(0).integers(0, 256, (count, size, size), np.uint8)


def test_the_yaml_explains_every_key_and_reads_back(tmp_path):
    experiment = propose(make_survey(), images=1_000_000).experiment
    path = tmp_path / "my.yaml"
    path.write_text(experiment.to_explained_yaml(), "utf-8")
    assert load_experiment(path) == experiment
    text = path.read_text("utf-8")
    assert "  held_out: 0.1  # images kept out of training, or the fraction of all" in text
    assert "    - {images: 125000, batch_size: 128, fade: 0.5}\n" in text


@pytest.mark.parametrize(
    ("seen", "choices", "message"),
    [
        (make_survey(), {"size": 100}, "size is 100; conv networks make images of 8, 10, 12"),
        (make_survey(), {"size": 48, "family": "style"}, "size is 48; style networks make images of 8, 16, 32"),
        (make_survey(), {"images": 3}, "images is 3; it must be at least 1,000"),
        (make_survey(count=1), {}, "photos has 1 image"),
        (make_survey(side=5), {}, "have a median shorter side of 5 pixels; it must be at least 8"),
        (Survey("a", "a", 9, 20, 1, (28, 20)), {}, "conv networks cannot make.* resize them to 24×24 or 28×28"),
        (Survey("a", "a", 9, 33, 1, (33, 33)), {"family": "style"}, "resize them to 32×32 or 64×64"),
        (Survey("a", "a", 9, 32, 1, (32, 32)), {"size": 64}, "arrays are not resized"),
    ],
    ids=str,
)
def test_impossible_proposals_are_refused(seen, choices, message):
    with pytest.raises(AlaeError, match=message):
        propose(seen, **choices)


def test_a_folder_without_readable_images_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 1 images"):
        survey(str(tmp_path))


def test_a_fraction_of_the_images_is_held_out(tmp_path):
    path = str(write_folder(tmp_path, [(8, 8)] * 20, mode="L"))
    for held_out, count in ((0.1, 2), (0.001, 1), (3, 3)):
        assert len(load_data(path, load_config("digits-mlp"), held_out=held_out).held_out) == count
    with pytest.raises(DataError, match="there are only 20 images; set it lower, or to a fraction"):
        load_data(path, load_config("digits-mlp"), held_out=20)


def test_a_configuration_is_made_for_images_in_memory(tmp_path):
    chosen = plan(RunRequest(data=np.zeros((40, 16, 16, 3), np.uint8), out=tmp_path / "run"))
    assert chosen.experiment.config.image == (16, 16, 3)
