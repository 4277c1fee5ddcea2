"""The server of a model's page."""

import threading
from http.client import HTTPConnection

import pytest

from alae_workbench.exports.serving import make_server


@pytest.fixture
def port(tmp_path):
    (tmp_path / "site" / "js").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("page")
    (tmp_path / "site" / "js" / "main.js").write_text("script")
    (tmp_path / "secret.txt").write_text("secret")
    server, address = make_server(tmp_path / "site")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert address == f"http://127.0.0.1:{server.server_port}/"
    yield server.server_port
    server.shutdown()
    server.server_close()


def get(port, path, host="127.0.0.1"):
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers={"Host": f"{host}:{port}"})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer, content


def test_files_of_the_page_are_served_isolated_from_other_pages(port):
    answer, content = get(port, "/")
    assert (answer.status, content) == (200, b"page")
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert get(port, "/js/main.js")[0].headers["Content-Type"] == "text/javascript; charset=utf-8"


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/js/", "/absent"])
def test_other_files_and_directories_are_not_served(port, path):
    assert get(port, path)[0].status == 404


def test_requests_by_other_names_are_refused(port):
    assert get(port, "/", host="example.org")[0].status == 403
    assert get(port, "/", host="localhost")[0].status == 200
