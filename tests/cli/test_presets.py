"""`alae presets`."""

import alae_core as alae


def test_presets_are_listed_and_printed(run_alae):
    _, out, _ = run_alae("presets", "list")
    assert [line.split()[0] for line in out.splitlines()] == alae.preset_names()
    _, out, _ = run_alae("presets", "show", "mnist-mlp")
    assert "learning_rate" in out


def test_an_unknown_preset_is_refused(assert_refused):
    assert_refused(["presets", "show", "nothing"], "no preset 'nothing'")
