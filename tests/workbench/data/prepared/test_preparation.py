"""Plans of prepared sets."""

import pytest

from alae_core import AlaeError
from alae_workbench.data.prepared.preparation import plan_preparation
from tests.helpers.prepared_sets import prepare


def test_existing_directories_are_not_overwritten(photos, tmp_path):
    prepare(photos, tmp_path / "set")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "thesis.tex").write_text("mine")
    for out, reason in (("set", "prepared set already"), ("else", "not empty"), ("else/thesis.tex", "is a file")):
        with pytest.raises(AlaeError, match=reason):
            plan_preparation(str(photos), tmp_path / out)
