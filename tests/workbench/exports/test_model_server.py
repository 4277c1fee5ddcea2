"""The server that runs a model for its page."""

import mimetypes
import threading
import time
from base64 import b64encode
from collections import Counter
from contextlib import contextmanager
from http.client import HTTPConnection

import numpy as np
import pytest

from alae_core import AlaeError, ArgumentError
from alae_core.program import Port, Program
from alae_workbench.exports.model_server import bind, make_app, read_password, serve

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
IMAGES = Port("images", (None, 4, 4, 1))
PROGRAMS = [
    Program("E", "w = E(images)", None, (IMAGES, Port("labels", (None,), "int64")), Port("w", (None, 3))),
    Program("G", "images = G(w)", None, (Port("w", (None, 3)),), IMAGES),
]


class Model:
    """Computes sums, and counts the calls that run at the same time."""

    def __init__(self):
        self.running, self.most, self.lock = 0, 0, threading.Lock()

    def compute(self, name, inputs):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        # Long enough for other calls to begin.
        time.sleep(0.001)
        if name == "E" and inputs["labels"][0] > 9:
            raise AlaeError("there are ten classes")
        output = np.float32(inputs["images"].sum() + inputs["labels"]) if name == "E" else inputs["w"] * 2
        with self.lock:
            self.running -= 1
        return output


@contextmanager
def serving(folder, model, password=None):
    folder.joinpath("index.html").write_text("page")
    bound, address = bind()
    stop = serve(make_app(folder, PROGRAMS, model.compute, password), bound)
    yield bound.getsockname()[1], address
    stop()


@pytest.fixture
def model():
    return Model()


@pytest.fixture
def port(tmp_path, model):
    with serving(tmp_path, model) as (port, address):
        assert address == f"http://127.0.0.1:{port}/"
        yield port


def ask(port, method, path, body=None, **headers):
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def make_body(label=3):
    return np.full(16, 0.5, "<f4").tobytes() + np.array([label], "<i8").tobytes()


def test_the_page_and_its_requests_are_answered(port):
    answer, content = ask(port, "GET", "/")
    assert (answer.status, content) == (200, b"page")
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    answer, content = ask(port, "POST", "/run/E", make_body())
    assert (answer.status, np.frombuffer(content, "<f4").tolist()) == (200, [11.0])
    answer, content = ask(port, "POST", "/run/G", np.arange(3, dtype="<f4").tobytes())
    assert np.frombuffer(content, "<f4").tolist() == [0, 2, 4]


def test_content_types_are_not_those_of_the_operating_system(tmp_path, model):
    mimetypes.add_type("text/plain", ".js")
    (tmp_path / "main.js").touch()
    with serving(tmp_path, model) as (port, _):
        assert ask(port, "GET", "/main.js")[0].headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("POST", "/run/D", b"", {}, 404),
        ("GET", "/run/E", None, {}, 404),
        ("GET", "/../secret", None, {}, 404),
        ("POST", "/run/E", make_body()[1:], {}, 413),
        ("POST", "/run/E", make_body() + b"1", {}, 413),
        ("POST", "/run/E", b"0" * 1_000_000, {}, 413),
        ("POST", "/run/E", make_body(99), {}, 400),
        ("POST", "/run/E", make_body(), {"Sec_Fetch_Site": "cross-site"}, 403),
        ("GET", "/", None, {"Host": "example.org"}, 403),
    ],
    ids=["unknown", "get", "outside", "shorter", "longer", "large", "class", "other site", "other name"],
)
def test_other_requests_are_refused(port, method, path, body, headers, status):
    assert ask(port, method, path, body, **headers)[0].status == status
    assert ask(port, "POST", "/run/E", make_body())[0].status == 200


def test_each_of_200_requests_at_once_is_answered_and_one_runs_at_a_time(port, model):
    answers = [None] * 200

    def request(i):
        answers[i] = ask(port, "POST", "/run/E", make_body(i % 10))

    threads = [threading.Thread(target=request, args=(i,)) for i in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert Counter(answer.status for answer, _ in answers) == {200: 200}
    for i, (_, content) in enumerate(answers):
        assert np.frombuffer(content, "<f4").tolist() == [8 + i % 10]
    assert model.most == 1


def test_requests_are_refused_while_too_many_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("alae_workbench.exports.model_server._MOST_WAITING", 1)
    begun, release = threading.Event(), threading.Event()

    class Slow:
        def compute(self, name, inputs):
            begun.set()
            release.wait(30)
            return inputs["w"]

    body = np.zeros(3, "<f4").tobytes()
    with serving(tmp_path, Slow()) as (port, _):
        first = threading.Thread(target=ask, args=(port, "POST", "/run/G", body))
        first.start()
        assert begun.wait(30)
        answer, content = ask(port, "POST", "/run/G", body)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert b"try again" in content
        release.set()
        first.join(30)
        assert ask(port, "POST", "/run/G", body)[0].status == 200


def test_a_password_is_required_of_every_request(tmp_path, model):
    with serving(tmp_path, model, "correct horse") as (port, _):
        for header in ("", "Basic !", "Bearer x", encode("wrong"), encode("correct hors"), encode("")):
            answer, _ = ask(port, "GET", "/", Authorization=header)
            assert answer.status == 401, header
            assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert ask(port, "POST", "/run/E", make_body())[0].status == 401
        assert ask(port, "GET", "/", Authorization=encode("correct horse"), Host="model.example")[0].status == 200


def encode(password):
    return f"Basic {b64encode(f'anyone:{password}'.encode()).decode()}"


def test_a_password_is_the_first_line_of_its_file(tmp_path):
    (tmp_path / "word").write_text(" correct horse\nsecond\n")
    assert read_password(tmp_path / "word") == "correct horse"
    (tmp_path / "word").write_text("short\n")
    with pytest.raises(ArgumentError, match="first line has 5 characters; a password needs at least 8"):
        read_password(tmp_path / "word")
    with pytest.raises(ArgumentError, match="cannot be read"):
        read_password(tmp_path / "absent")
