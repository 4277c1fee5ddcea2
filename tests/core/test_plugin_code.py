"""Loading plug-ins: only code that was given on this machine runs, and a changed file is never used silently."""

import subprocess
import sys
from hashlib import sha256

import pytest

import alae_core as alae
from alae_core import plugin_code
from alae_core.config import load_config, make_config
from tests.helpers.plugins import forget_plugins, write_plugins

OBJECTIVE = "OBJECTIVES = {'mine': alae.Objective(abs, None, abs)}"


@pytest.fixture(autouse=True)
def new_machine(monkeypatch, tmp_path):
    forget_plugins(monkeypatch, tmp_path / "cache")


def write(path, code):
    path.write_text(f"import alae_core as alae\n{code}\n", "utf-8")
    return path


def config_with_mine(path):
    alae.load_plugin(path)
    return load_config("digits-mlp", {"objective": "mine"}).data()


def test_a_configuration_records_the_files_that_it_uses(tmp_path):
    used, unused = write(tmp_path / "used.py", OBJECTIVE), write(tmp_path / "unused.py", OBJECTIVE.replace("mine", "x"))
    alae.load_plugin(unused)
    data = config_with_mine(used)
    assert data["plugins"] == [{"file": "used.py", "sha256": sha256(used.read_bytes()).hexdigest()}]
    assert make_config(data).data() == data


def test_a_configuration_without_plugins_does_not_mention_them():
    data = load_config("digits-mlp").data()
    assert not {"plugins", "algorithm_settings", "objective_settings"} & data.keys()


def test_a_recorded_file_is_found_by_its_content_after_it_was_moved_or_changed(tmp_path, monkeypatch):
    path = write(tmp_path / "mine.py", OBJECTIVE)
    data = config_with_mine(path)
    forget_plugins(monkeypatch)
    write(path, "raise AssertionError('the changed file was used')")
    assert make_config(data).data() == data


def test_no_recorded_file_runs_on_a_machine_where_it_was_never_given(tmp_path, monkeypatch):
    path = write(tmp_path / "mine.py", OBJECTIVE)
    data = config_with_mine(path)
    forget_plugins(monkeypatch, tmp_path / "other")
    write(path, "raise AssertionError('it ran')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(alae.PluginError, match=r"needs mine.py \(SHA-256 .{12}…\), which was never given"):
        make_config(data)


def test_no_recorded_module_is_imported_on_a_machine_where_it_was_never_given(tmp_path, monkeypatch):
    write(tmp_path / "a_module_of_mine.py", OBJECTIVE)
    monkeypatch.syspath_prepend(tmp_path)
    data = config_with_mine("a_module_of_mine")
    assert data["plugins"] == [{"module": "a_module_of_mine"}]
    forget_plugins(monkeypatch)
    assert make_config(data).data() == data
    forget_plugins(monkeypatch, tmp_path / "other")
    with pytest.raises(alae.PluginError, match="needs a_module_of_mine, which was never given on this machine"):
        make_config(data)


def test_all_missing_plugins_are_listed_at_once(tmp_path, monkeypatch):
    for name in write_plugins(tmp_path).values():
        alae.load_plugin(name)
    data = load_config(
        "digits-mlp",
        {"objective": "least_squares", "algorithm": "contrastive", "networks": {"family": "residual", "z": 3, "w": 3}},
    ).data()
    forget_plugins(monkeypatch, tmp_path / "other")
    with pytest.raises(alae.PluginError, match=r"contrastive.py .*, residual.py .*, least_squares.py") as caught:
        make_config(data)
    assert [record.file for record in caught.value.records] == ["contrastive.py", "residual.py", "least_squares.py"]


def test_a_changed_file_is_refused_for_a_configuration_that_records_another_version(tmp_path, monkeypatch):
    path = write(tmp_path / "mine.py", OBJECTIVE)
    data = config_with_mine(path)
    forget_plugins(monkeypatch)
    alae.load_plugin(write(path, OBJECTIVE + "  # changed"))
    with pytest.raises(alae.PluginError, match=r"another version of mine.py .* give that version, or none"):
        make_config(data)


def test_two_versions_of_a_file_serve_the_configurations_that_record_them(tmp_path):
    path = write(tmp_path / "mine.py", OBJECTIVE)
    first = config_with_mine(path)
    second = config_with_mine(write(path, OBJECTIVE + "  # changed"))
    assert first["plugins"] != second["plugins"]
    assert [make_config(data).data() for data in (first, second)] == [first, second]


def test_a_damaged_copy_in_the_cache_is_not_run(tmp_path, monkeypatch):
    data = config_with_mine(write(tmp_path / "mine.py", OBJECTIVE))
    (copy,) = (tmp_path / "cache" / "plugins").iterdir()
    copy.write_text("raise AssertionError('it ran')")
    forget_plugins(monkeypatch)
    with pytest.raises(alae.PluginError, match="never given on this machine"):
        make_config(data)


def test_a_missing_package_names_the_command_that_installs_it():
    data = load_config("digits-mlp").data() | {"objective": "mine", "plugins": [{"package": "alae-of-nobody"}]}
    with pytest.raises(alae.PluginError, match=r"needs the package alae-of-nobody, .* pip install alae-of-nobody"):
        make_config(data)


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ({"file": "../mine.py", "sha256": "0" * 64}, "file is '../mine.py'"),
        ({"file": "mine.py", "sha256": "../../x"}, "sha256 is '../../x'"),
        ({"module": "os; x"}, "module is 'os; x'"),
        ({"module": "os", "package": "x"}, "a plug-in is recorded as file and sha256, as module, or as package"),
        ("mine.py", "plugins"),
    ],
)
def test_hostile_records_are_refused(record, problem):
    with pytest.raises(alae.PluginError, match=problem):
        make_config(load_config("digits-mlp").data() | {"objective": "mine", "plugins": [record]})


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("x = 1", "mine.py has none of ALGORITHMS, FAMILIES, OBJECTIVES; see docs/your-own.md"),
        ("OBJECTIVES = []", r"OBJECTIVES of the plug-in mine.py is \[\], but must be a dict"),
        ("OBJECTIVES = {'mine': 3}", r"mine.py, OBJECTIVES\['mine'\], is 3, but must be of the type Objective"),
        ("OBJECTIVES = {'hinge': alae.Objective(abs, None, abs)}", "cannot be called 'hinge'"),
        ("OBJECTIVES = {'x': alae.Objective(abs, None, abs, int)}", "must be a subclass of Settings"),
        ("1 / 0", "mine.py, line 2 cannot be loaded: ZeroDivisionError: division by zero"),
        ("def f(:", "mine.py, line 2 cannot be loaded: SyntaxError"),
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise SystemExit", "cannot be loaded: SystemExit"),
    ],
)
def test_broken_plugins_are_explained(tmp_path, code, problem):
    with pytest.raises(alae.PluginError, match=problem):
        alae.load_plugin(write(tmp_path / "mine.py", code))
    assert not plugin_code._LOADED


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("nowhere.py", "nowhere.py cannot be read: No such file or directory"),
        ("mine.txt/x", "neither a Python file, whose name ends in .py, nor the name of a module"),
        ("no_such_module", "No module named 'no_such_module'"),
    ],
)
def test_missing_plugins_are_explained(source, problem):
    with pytest.raises(alae.PluginError, match=problem):
        alae.load_plugin(source)


def test_the_guides_plugins_load_without_keras_and_one_that_imports_it_is_refused(tmp_path):
    files = [str(path) for path in write_plugins(tmp_path).values()]
    code = f"import sys, alae_core as alae\nfor f in {files}: alae.load_plugin(f)\nassert 'keras' not in sys.modules\n"
    eager = write(tmp_path / "eager.py", f"import keras\n{OBJECTIVE}")
    (tmp_path / "keras.py").write_text("")
    code += f"sys.path.insert(0, {str(tmp_path)!r})\nalae.load_plugin({str(eager)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "eager.py imports Keras when it is loaded" in done.stderr.strip().splitlines()[-1]
