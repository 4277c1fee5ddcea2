"""Training from Python: data, observers, refused requests, and third-party algorithms."""

import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import alae_core as alae
from alae_workbench import Arrays, DataError, DataSet, Observer, train
from alae_workbench.runs.settings import load_experiment, resume_experiment
from alae_workbench.storage.directory import Run
from tests.conftest import TINY, random_images, tiny_config
from tests.helpers.algorithms import register

BACKEND = os.environ.get("KERAS_BACKEND", "jax")
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 2), np.uint8)
TRAINING = {"training.held_out": 10, "training.report_every": 3, "training.checkpoint_every": 4}


class Recorder(Observer):
    """Records the events of a run by name."""

    def __init__(self):
        self.calls = []

    def on_start(self, start):
        self.calls.append(("start", start.step, start.steps, start.text))

    def on_report(self, report):
        self.calls.append(("report", report.step, report.losses, report.measures))

    def on_measures(self, step, measures):
        self.calls.append(("evaluated", step, measures))

    def on_note(self, text):
        self.calls.append(("note", text))

    def on_finish(self, summary):
        self.calls.append(("finish", summary))

    def close(self):
        self.calls.append(("close",))

    def of(self, name):
        return [call[1:] for call in self.calls if call[0] == name]


def tiny(**overrides):
    return tiny_config(image=[8, 8, 2], **overrides)


def have_same_state(first, second):
    states = [alae.load_checkpoint(each).state for each in (first, second)]
    return states[0].keys() == states[1].keys() and all(np.array_equal(a, states[1][n]) for n, a in states[0].items())


def test_images_in_memory_are_trained_on_and_observers_get_events(backend, tmp_path):
    recorder = Recorder()
    run = train(
        tiny(), data=PIXELS, backend=backend, steps=6, overrides=TRAINING, out=tmp_path / "run", observers=[recorder]
    )
    assert [step for step, *_ in recorder.of("report")] == [3, 6]
    assert [step for step, _ in recorder.of("evaluated")] == [4, 6]
    assert recorder.of("start")[0][:2] == (0, 6)
    assert "training on images in memory, 30 images" in recorder.of("start")[0][2]
    assert "\nlabels: none" in recorder.of("start")[0][2]
    assert recorder.of("finish") == [(run,)]
    assert recorder.calls[-1] == ("close",)
    measures = {"reciprocity_error", "reconstruction_error", "mean_image_error", "nearest_image_error", "overfitting"}
    assert run.measures.keys() == measures
    assert recorder.of("report")[0][2].keys() == {"reciprocity_error"}
    assert {path.name.partition(".")[0] for path in run.path.iterdir()} == {
        *("config", "metrics", "events", "grids", "checkpoints", "summary", "")  # the last is .alae.lock
    }
    assert repr(run).startswith(f"<run {run.path}, step 6: discriminator ")


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one_and_needs_the_same_images(backend, tmp_path):
    def run(steps, out=None, pixels=PIXELS, **choices):
        config = None if "resume" in choices else tiny()
        return train(
            config, data=pixels, backend=backend, steps=steps, out=out, overrides=TRAINING, observers=[], **choices
        )

    straight = run(8, tmp_path / "straight")
    run(5, tmp_path / "run")
    other = PIXELS.copy()
    other[0, 0, 0, 0] ^= 1
    with pytest.raises(alae.ArgumentError, match="other_data is not set, but the run was trained on other images"):
        run(8, pixels=other, resume=tmp_path / "run")
    assert run(8, pixels=other, resume=tmp_path / "run", other_data=True).step == 8
    run(5, tmp_path / "again")
    assert have_same_state(run(8, resume=tmp_path / "again").checkpoint, straight.checkpoint)


def test_a_copy_of_a_run_continues_in_another_directory_and_leaves_the_run_as_it_is(backend, tmp_path):
    def run(steps, out, **choices):
        config = None if "resume" in choices else tiny()
        return train(
            config, data=PIXELS, backend=backend, steps=steps, out=out, overrides=TRAINING, observers=[], **choices
        )

    def read_files(directory):
        return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}

    first = tmp_path / "first"
    run(5, first)
    before = read_files(first)
    branch = run(8, tmp_path / "branch", resume=first)
    assert read_files(first) == before
    copied = [path.name for path in sorted((tmp_path / "branch" / "checkpoints").iterdir())]
    assert copied == ["step-00000005", "step-00000008"]
    steps = [step for step, record in read_records(tmp_path / "branch") if "images_per_second" in record]
    assert steps == [3, 5, 6, 8]
    # In its own directory, which is given again, a run continues.
    assert have_same_state(run(8, first, resume=first).checkpoint, branch.checkpoint)
    with pytest.raises(alae.AlaeError, match=r"branch is not empty: continue that run with --resume .*branch"):
        run(9, tmp_path / "branch", resume=first)
    # An earlier checkpoint, and one outside of a run.
    shutil.copytree(first / "checkpoints" / "step-00000004", tmp_path / "step-00000004")
    for number, checkpoint in enumerate([first / "checkpoints" / "step-00000004", tmp_path / "step-00000004"]):
        other = run(8, tmp_path / f"again-{number}", resume=checkpoint)
        assert have_same_state(other.checkpoint, branch.checkpoint)


def read_records(path):
    return list(Run(path).read_records())


def test_a_run_resumes_with_another_batch_size_after_as_many_images(backend, tmp_path):
    recorder = Recorder()
    options = {"backend": backend, "overrides": TRAINING, "data": PIXELS}
    train(tiny(), steps=4, out=tmp_path / "run", observers=[], **options)
    options["overrides"] = TRAINING | {"batch_size": 3}
    done = train(resume=tmp_path / "run", steps=7, observers=[recorder], **options)
    text = recorder.of("start")[0][2]
    assert "resuming at step 4 of 7, after 24 images" in text
    assert "changed: batch_size=3, training.steps=7; before: batch_size=6, training.steps=4" in text
    assert alae.load_checkpoint(done.checkpoint).shown == (24 + 3 * 3,)
    records = dict(read_records(tmp_path / "run"))
    assert (records[4]["images"], records[7]["images"]) == (24, 33)


def test_a_run_on_images_in_memory_resumes_only_with_data(backend, tmp_path):
    run = train(tiny(), data=PIXELS, backend=backend, steps=2, overrides=TRAINING, out=tmp_path / "run", observers=[])
    with pytest.raises(DataError, match="no training data: name a data set or a path"):
        train(resume=run.path, backend=backend, steps=4)


def test_a_terminal_shows_every_update_by_its_symbol(backend, tmp_path, monkeypatch, capsys):
    register(monkeypatch)
    config = tiny(algorithm="alae+pixels")
    train(config, data=PIXELS, backend=backend, steps=3, overrides=TRAINING, out=tmp_path / "run")
    out = capsys.readouterr().out
    line = next(line for line in out.splitlines() if line.startswith("3/3"))
    assert all(f" {symbol} " in line for symbol in "DGRPe")
    assert "losses: D discriminator, G generator, R reciprocity, P pixels; e reciprocity error" in out
    assert "pixels loss" in out


def test_observers_are_closed_after_an_error(backend, tmp_path):
    recorder = Recorder()
    with pytest.raises(alae.AlaeError, match="so the run stopped"):
        train(
            tiny(adam__learning_rate=1e18),
            data=PIXELS,
            backend=backend,
            steps=200,
            overrides=TRAINING,
            out=tmp_path / "run",
            observers=[recorder],
        )
    assert recorder.calls[-1] == ("close",)


def test_images_may_be_arrays_sources_or_data_sets(backend, tmp_path):
    found = []
    for number, data in enumerate((PIXELS, Arrays(PIXELS), DataSet(Arrays(PIXELS[:30]), Arrays(PIXELS[30:])))):
        run = train(
            tiny(), data=data, backend=backend, steps=2, overrides=TRAINING, out=tmp_path / str(number), observers=[]
        )
        found.append(alae.load_checkpoint(run.checkpoint).run["data"])
    assert found[0] == found[1]
    assert found[0] != found[2]


def test_a_batch_larger_than_the_data_is_reported(backend, tmp_path):
    for batch, remark in ((30, False), (31, True)):
        recorder = Recorder()
        train(
            tiny(batch_size=batch),
            data=PIXELS,
            backend=backend,
            steps=1,
            overrides=TRAINING,
            out=tmp_path / str(batch),
            observers=[recorder],
        )
        assert (", 30 images" in recorder.of("start")[0][2], "more than once" in recorder.of("start")[0][2]) == (
            True,
            remark,
        )


REFUSED = {
    "config": ({"config": "mnist"}, "no preset 'mnist'"),
    "group": ({"overrides": {"steps": 1}}, "unknown key 'steps'; did you mean 'training.steps'?"),
    "key": ({"overrides": {"training.stepz": 1}}, "unknown key 'training.stepz'; did you mean 'training.steps'?"),
    "margin": ({"overrides": {"training.margin": 4}}, "training.margin is 4, which leaves nothing"),
    "data": ({"data": "absent"}, "there is no data 'absent'"),
    "held_out": ({"overrides": {"training.held_out": 5000}}, "training.held_out is 5000, but there are only 1797"),
    "out": ({"out": "taken"}, "taken is not empty: it has other files than those of a run; choose another --out"),
    "resume": ({"resume": "absent"}, "no checkpoint in absent"),
    "backend": ({"backend": "tpu"}, "no backend 'tpu'"),
    "weights": ({"overrides": {"networks.w": 10**9}}, "but this machine has"),
    "batch": ({"overrides": {"batch_size": 10**12}}, "most of it for a batch of 1,000,000,000,000 images, but this"),
    "steps": ({"steps": 2**63}, f"training.steps is {2**63}: input should be less than or equal to {10**12}"),
    "shape": (
        {"config": "digits-mlp", "overrides": {"image": [9, 9, 1]}},
        "digits are 8×8×1, but the configuration says 9×9×1",
    ),
}


@pytest.mark.parametrize(("choices", "message"), REFUSED.values(), ids=REFUSED)
def test_wrong_requests_are_refused_before_a_framework_is_imported(tmp_path, choices, message):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    script = (
        "import sys, alae_workbench\n"
        f"try: alae_workbench.train(**{choices!r})\n"
        "except ValueError as error: print(error)\n"
        "print('LOADED', sorted({'keras', 'jax', 'torch', 'tensorflow'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    said, loaded = found.stdout.strip().splitlines()
    assert message in said
    assert loaded == "LOADED []"


def test_a_configuration_and_its_training_settings_share_one_file(tmp_path):
    experiment = load_experiment("digits-mlp", {"training.steps": 7, "seed": 3, **TINY})
    (tmp_path / "config.yaml").write_text(experiment.to_yaml(), "utf-8")
    assert load_experiment(tmp_path / "config.yaml") == experiment
    assert experiment.steps == 7
    assert alae.load_config(tmp_path / "config.yaml") == experiment.config
    assert experiment.config.description.startswith("digits-mlp, but ")
    assert load_experiment("mnist-style").steps == 3 * 4_688 + 28_125


def test_a_run_resumes_with_its_own_seed(backend, tmp_path):
    runner = backend.runner(alae.build(tiny(seed=3)))
    runner.step(random_images(6, (8, 8, 2)))
    checkpoint = alae.load_checkpoint(alae.save_checkpoint(tmp_path, runner, run={"training": {"steps": 5}}))
    assert resume_experiment(checkpoint, {"training.steps": 9}).steps == 9
    with pytest.raises(alae.ConfigError, match="seed is 4, but the run was started with seed 3"):
        resume_experiment(checkpoint, {"seed": 4})
