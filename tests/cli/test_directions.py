"""`alae directions`."""

import pytest

from tests.cli.conftest import BACKEND, describe_case


def test_directions_are_found_saved_and_listed(run_alae, home):
    code, out, err = run_alae("directions", "fit", "run", "--data", "labelled", "--backend", BACKEND)
    assert code == 0, err
    assert "run/directions: 1 direction\n" in out
    assert sorted(path.name for path in (home / "run" / "directions").iterdir()) == ["directions.json", "right.npy"]
    assert "method: linear SVM on" in out
    assert run_alae("directions", "fit", "run", "--method", "principal", "--backend", BACKEND)[0] == 0
    fit = ["directions", "fit", "run", "--method", "shift", "--data", "labelled", "--backend", BACKEND]
    assert run_alae(*fit)[0] == 0
    rows = [f"{side}/{i}.png,{('even', 'odd')[i % 2]}" for side in ("left", "right") for i in range(8)]
    (home / "labelled" / "table.csv").write_text("\n".join(["file,number", *rows, ""]))
    code, _, err = run_alae(*fit, "--labels", "table.csv")
    assert code == 0, err
    assert (home / "run" / "directions" / "shift-odd.npy").exists()
    code, out, _ = run_alae("directions", "list", "run")
    assert code == 0
    assert all(word in out for word in ("right", "shift-right", "principal-0", "linear SVM"))


def test_directions_are_saved_elsewhere_if_the_run_is_read_only(run_alae, home, monkeypatch):
    monkeypatch.setattr("alae_workbench.storage.directory.is_writable", lambda path: False)
    fit = ["directions", "fit", "run", "--method", "principal", "--backend", BACKEND]
    code, _, err = run_alae(*fit)
    assert code == 2
    assert "run cannot be written to: choose another folder for the directions with --out" in err
    code, out, err = run_alae(*fit, "--out", "mine/found")
    assert code == 0, err
    assert "mine/found: 7 directions" in out
    assert not (home / "run" / "directions").exists()
    assert "principal-0" in run_alae("directions", "list", "mine/found")[1]
    words = ["edit", "run", "labelled/left", "--direction", "mine/found/principal-0.npy=2", "--backend", BACKEND]
    assert run_alae(*words)[0] == 0


MISTAKES = [
    (["fit", "run", "--method", "magic"], "--method"),
    (
        ["fit", "run", "--method", "principal", "--data", "labelled"],
        "--data is labelled, but only the methods svm and shift",
    ),
    (
        ["fit", "run", "--method", "principal", "--labels", "a.csv"],
        "--labels is a.csv, but only the methods svm",
    ),
    (
        ["fit", "run", "--data", "labelled", "--labels", "a.csv", "--backend", BACKEND],
        "there is no file 'a.csv' for the labels",
    ),
    (["fit", "mlp", "--method", "factorized"], "--method is factorized, which needs a style model"),
    (
        ["fit", "run", "--data", "labelled/left", "--backend", BACKEND],
        "the images have no labels: use --method principal, which needs none, or give class folders",
    ),
    (["fit", "run", "--data", "empty.csv", "--backend", BACKEND], "empty.csv"),
    (["list", "run"], "run has no directions yet: find some with `alae directions fit run`"),
]


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(("words", "message"), MISTAKES, ids=describe_case)
def test_a_mistake_gives_one_line_and_exit_code_2(assert_refused, words, message):
    assert_refused(["directions", *words], message)
