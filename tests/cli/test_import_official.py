"""`alae import-official`."""

import numpy as np
import pytest

import alae_core as alae
from alae_workbench.exchange.official import config_of, convert, read_models
from tests.cli.conftest import describe_case
from tests.helpers.requirements import OFFICIAL, needs_official

CHECKPOINT = OFFICIAL / "style32.pth"


@needs_official
def test_a_checkpoint_becomes_a_run(run_alae):
    code, out, _ = run_alae("import-official", CHECKPOINT, "new/run")
    assert code == 0
    description, written = out.splitlines()
    assert description.endswith(
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
def test_a_truncated_file_is_refused(assert_refused, tmp_path, kept):
    content = CHECKPOINT.read_bytes()
    (tmp_path / "torn.pth").write_bytes(content[: int(kept * len(content)) if isinstance(kept, float) else kept])
    assert_refused(["import-official", "torn.pth", "out"], "torn.pth")


@needs_official
def test_a_run_that_cannot_be_written_leaves_nothing(assert_refused, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("alae_core.checkpoint_writing.write_atomically", fail)
    assert_refused(["import-official", CHECKPOINT, "out"], "No space left on device", code=4)


MISTAKES = [
    (["absent.pth", "out"], "absent.pth cannot be read: No such file"),
    (["photos/0.png", "out"], "photos/0.png"),
    (["photos", "out"], "photos"),
    (["photos/0.png", "style"], "style exists already: choose another directory"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(["import-official", *words], message)
