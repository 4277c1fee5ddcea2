"""`alae ablate`: refusals and Ctrl-C; `tests/workbench/ablation` trains one."""

import signal
import sys
from typing import get_type_hints

import pytest
import yaml

import alae_core as alae
from alae_cli.ablate import ablate
from alae_workbench.ablation.matrix import list_ablations
from tests.cli.conftest import describe_case
from tests.helpers.processes import end, find_children, start, wait_for_end, wait_for_steps
from tests.helpers.runs import SMALL_RUN

MISTAKES = [
    (["reciprocty"], "there is no ablation 'reciprocty'; did you mean 'reciprocity'?"),
    (["reciprocity", "--seeds", "0,x"], "--seeds is '0,x': 'x' is not a whole number"),
    (["reciprocity", "--base", "digits-mpl"], "there is no preset 'digits-mpl'"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused(assert_refused, words, message):
    assert_refused(["ablate", *words], message)


def test_the_help_names_every_ablation_that_ships():
    (argument,) = get_type_hints(ablate, include_extras=True)["ablation"].__metadata__
    assert all(name in argument.help for name in list_ablations())


@pytest.mark.slow
@pytest.mark.framework
@pytest.mark.skipif(sys.platform != "linux", reason="finds child processes in /proc")
def test_ctrl_c_saves_every_run_that_is_in_progress(tmp_path):
    fields = {"base": "digits-mlp", "overrides": SMALL_RUN, "variants": {"a": {}, "b": {"r1_gamma": 1.0}, "c": {}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(fields))
    words = ["ablate", "mine.yaml", "--jobs", 2, "--out", "out", "--backend", "jax", "--device", "cpu"]
    process = start(tmp_path, *words, "--steps", 1000000)
    runs = [tmp_path / "out" / variant / "seed-0" for variant in "ab"]
    for run in runs:
        wait_for_steps(run, [process])
    children = find_children(process.pid)
    process.send_signal(signal.SIGINT)
    code, _, err = end(process)
    assert code == 130, err
    assert err == "alae: stopped by SIGINT; its runs have saved; run the same command again to continue\n"
    wait_for_end(children)
    assert all(alae.load_checkpoint(run).step > 0 for run in runs)
    assert not (tmp_path / "out" / "c").exists()
