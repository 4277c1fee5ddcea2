"""Commands that are given no run use the model that ships with alae."""

import numpy as np
import pytest

from tests.cli.conftest import describe_case


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["generate", "--count", "4"], "samples.png"),
        (["reconstruct", "--count", "4"], "reconstructions.png"),
        (["reconstruct", "shipped", "--count", "4"], "reconstructions.png"),
        (["figure", "interpolation", "--count", "3"], "interpolation.png"),
        (["figure", "traversal", "--count", "3"], "traversal.png"),
        (["encode"], "w.npy"),
        (["directions", "fit", "--method", "principal", "--out", "found"], "found"),
    ],
    ids=describe_case,
)
def test_the_shipped_model_is_used_without_a_run(run_alae, tmp_path, words, file):
    code, out, err = run_alae(*words)
    assert code == 0, err
    first, *_, last = out.strip().splitlines()
    assert first.startswith("using the model that ships with alae; ")
    assert last.startswith(file)
    assert (tmp_path / file).exists()


def test_directions_of_the_shipped_model_are_listed_and_edit_its_examples(run_alae):
    from alae_workbench.models.directions import load_directions
    from alae_workbench.models.shipped import SHIPPED
    from alae_workbench.storage.directory import Run

    name = load_directions(Run.find(SHIPPED))[0].name
    assert name in run_alae("directions", "list")[1]
    assert run_alae("edit", "--direction", f"{name}=2", "--out", "edited.npy")[0] == 0
    assert run_alae("edit", "--direction", f"{name}=0", "--out", "same.npy")[0] == 0
    assert np.abs(np.load("edited.npy") - np.load("same.npy")).max() > 0.1


def test_the_shipped_model_is_compared_by_its_card_and_drawn_beside_other_images(run_alae, tmp_path):
    code, out, err = run_alae("compare", "shipped")
    assert code == 0, err
    assert all(word in out for word in ("shipped", "reconstruction_error", "0.0071"))
    np.save(tmp_path / "photos.npy", np.random.default_rng(2).integers(0, 256, (20, 32, 32, 3), np.uint8))
    code, _, err = run_alae("figure", "neighbours", "--data", "photos.npy", "--out", "n.svg")
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["edit"], "--direction is missing: give one and how far to move, such as NAME=2.5; the run has "),
        (["edit", "--direction", "absent=1"], "there is no direction 'absent'; the run has "),
        (["generate", "shipped", "--lod", "1"], "--lod is only for style models"),
        (["train", "--resume", "shipped"], "there is no checkpoint in shipped"),
        (["directions", "fit", "--method", "principal"], "cannot be saved in the model that ships with alae: choose"),
        (["figure", "neighbours"], "there is no data 'avatars', on which "),
    ],
    ids=describe_case,
)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(words, message)
