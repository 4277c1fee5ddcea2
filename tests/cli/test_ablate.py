"""`alae ablate`: refusals; `tests/workbench/ablation` trains one."""

import pytest

from tests.cli.conftest import describe_case

MISTAKES = [
    (["reciprocty"], "there is no ablation 'reciprocty'; did you mean 'reciprocity'?"),
    (["reciprocity", "--seeds", "0,x"], "--seeds is '0,x': 'x' is not a whole number"),
    (["reciprocity", "--base", "digits-mpl"], "there is no preset 'digits-mpl'"),
]


@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_is_refused(assert_refused, words, message):
    assert_refused(["ablate", *words], message)
