"""`alae ablate`: refusals; `tests/workbench/ablation` trains one."""

from typing import get_type_hints

import pytest

from alae_cli.ablate import ablate
from alae_workbench.ablation.matrix import list_ablations
from tests.cli.conftest import describe_case

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
