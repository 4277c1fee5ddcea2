"""Names that `alae_workbench` exports."""

import alae_workbench as bench


def test_what_the_commands_do_is_exported():
    for name in ("train", "evaluate", "compare", "edit", "invert", "load", "import_official", "export_run"):
        assert callable(getattr(bench, name))
    assert callable(bench.figure.samples)
    assert callable(bench.directions.fit)


def test_every_exported_name_loads():
    assert [name for name in bench.__all__ if getattr(bench, name) is None] == []
