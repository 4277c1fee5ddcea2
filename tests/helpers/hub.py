"""A server on 127.0.0.1 that speaks the part of the Hugging Face Hub's protocol that uploads and downloads need."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """The server's address, its files by model, which of them are private, and the requests."""

    address: str = ""
    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)


def commit_of(files):
    """Return the name of the commit with these files."""
    return hashlib.sha1(repr(sorted(files.items())).encode(), usedforsecurity=False).hexdigest()


def apply_commit(files, lines):
    """Change `files` as the lines of a commit request."""
    for line in map(json.loads, lines):
        value = line["value"]
        if line["key"] == "file":
            files[value["path"]] = base64.b64decode(value["content"])
        elif line["key"] in ("deletedFile", "deletedFolder"):
            for name in [name for name in files if fnmatch(name, value["path"] + "*")]:
                del files[name]


def make_handler(hub):
    """Return the request handler of `hub`."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def answer(self, content, code=200, **headers):
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            hub.requests.append(f"{self.command} {self.path}")
            name = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
            files = hub.models.get(name)
            if files is None:
                return self.answer({"error": "not found"}, 404, X_Error_Code="RepoNotFound")
            if parts[0] != "api":
                content = files.get("/".join(parts[4:]))
                if content is None:
                    return self.answer({"error": "no entry"}, 404, X_Error_Code="EntryNotFound")
                etag = hashlib.sha1(content, usedforsecurity=False).hexdigest()
                return self.answer(content, ETag=f'"{etag}"', X_Repo_Commit=commit_of(files))
            entries = [
                {"type": "file", "path": path, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                for path, content in sorted(files.items())
            ]
            if "tree" in parts:
                return self.answer(entries)
            siblings = [{"rfilename": path} for path in sorted(files)]
            self.answer({"id": name, "sha": commit_of(files), "siblings": siblings, "private": name in hub.private})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            parts = unquote(urlsplit(self.path).path).strip("/").split("/")
            hub.requests.append(f"POST {self.path}")
            if parts[-2:] == ["repos", "create"]:
                wanted = json.loads(body)
                name = "/".join(filter(None, (wanted.get("organization"), wanted["name"])))
                hub.models.setdefault(name, {".gitattributes": b""})
                if wanted.get("private") or wanted.get("visibility") == "private":
                    hub.private.add(name)
                return self.answer({"url": f"{hub.address}/{name}", "name": name, "id": name})
            name = "/".join(parts[2:4])
            if parts[-1] == "validate-yaml":
                return self.answer({"errors": [], "warnings": []})
            if "preupload" in parts:
                paths = [file["path"] for file in json.loads(body)["files"]]
                mode = {"uploadMode": "regular", "shouldIgnore": False}
                return self.answer({"files": [{"path": path, **mode} for path in paths]})
            if "commit" in parts:
                apply_commit(hub.models[name], body.splitlines())
                commit = commit_of(hub.models[name])
                return self.answer(
                    {"commitOid": commit, "commitUrl": f"{hub.address}/{name}/commit/{commit}", "success": True}
                )
            self.answer({}, 404)

    return Handler


@contextmanager
def serve_hub() -> Iterator[Hub]:
    """Serve an empty Hub until the context ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), make_handler(hub))
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
