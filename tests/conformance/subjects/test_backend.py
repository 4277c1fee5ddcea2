"""The subject of a backend frees what it no longer needs."""

from weakref import ref

import pytest

from alae_conformance.case import cases, experiment_of
from alae_conformance.experiments.setting import Setting
from alae_conformance.fixture import fixtures
from alae_conformance.numbers import Frozen
from alae_conformance.subjects.backend import BackendSubject


@pytest.mark.framework
def test_forgotten_runs_are_freed(tmp_path):
    import keras

    subject, case = BackendSubject(keras.backend.backend(), "float32"), cases()["L3-hinge-run"]
    setting = Setting(fixtures()[case.fixture], "float32", Frozen().tape(case.fixture), tmp_path)
    experiment_of(case).run(subject, setting)
    held = [ref(subject.model), ref(subject.runner)]
    assert None not in [each() for each in held]
    subject.forget()
    assert [each() for each in held] == [None, None]
    experiment_of(case).run(subject, setting)
