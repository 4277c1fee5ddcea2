"""A web server that runs the model for its page (`page.write_server_page`), for models too large for a browser."""

import asyncio
import hmac
import mimetypes
import socket
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alae_core import AlaeError, ArgumentError
from alae_core.program import Port, Program
from alae_workbench.exports.serving import CONTENT_TYPES, HEADERS, HOST, LOCAL_NAMES

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

# Maximum number of requests that wait, and of bytes of their inputs; others are refused until there is room.
_MOST_WAITING, _MOST_BYTES = 512, 2**30
# Maximum time in which a request must arrive.
_READ_SECONDS = 60
_PACKAGES = ("starlette", "uvicorn")
_SHORTEST_PASSWORD = 8
# Origins of a request that browsers report in `Sec-Fetch-Site`, other than this page and the user.
_OTHER_SITES = ("cross-site", "same-site")

#: computes a program by its name from its inputs, one row each
Compute = Callable[[str, Mapping[str, np.ndarray]], np.ndarray]


def require_packages() -> None:
    """Raise AlaeError if a package that the server needs is not installed."""
    if missing := [package for package in _PACKAGES if find_spec(package) is None]:
        raise AlaeError(f"--server needs {' and '.join(missing)}: pip install 'alae[demo]'")


def bind(host: str = HOST, port: int = 0) -> tuple[socket.socket, str]:
    """Return a socket on `host` and a port, 0 for any free one, and its address. Raises OSError if it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family, backlog=2048)
    name = f"[{host}]" if ":" in host else host
    return bound, f"http://{name}:{bound.getsockname()[1]}/"


def read_password(path: Path) -> str:
    """Return the password in the first line of a file.

    Raises ArgumentError if the file cannot be read as text, or the password has fewer than 8 characters.
    """
    try:
        password = next(iter(path.read_text("utf-8").splitlines()), "").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ArgumentError("password_file", f"is {path}, which cannot be read: {error}") from error
    if len(password) < _SHORTEST_PASSWORD:
        raise ArgumentError(
            "password_file",
            f"is {path}, whose first line has {len(password)} characters; a password needs at least "
            f"{_SHORTEST_PASSWORD}",
        )
    return password


def make_app(site: Path, programs: Sequence[Program], compute: Compute, password: str | None = None) -> "Starlette":
    """Make the application: the files of a page, and `POST /run/NAME`, which runs a program for one row.

    The body is the inputs of the program in order, as little-endian numbers without a header; the answer is the output,
    float32. One thread runs all requests in their order, so `compute` need not be thread-safe. A body of another length
    is refused, and so are requests while too many wait.

    Args:
        site: the folder of the page.
        programs: the programs that may be run.
        compute: runs one; AlaeErrors that it raises are answered with 400 and their message.
        password: required of every request, as HTTP Basic authentication with any user name; without one, only requests
            to names of this machine are answered.
    """
    from starlette.applications import Starlette
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import ClientDisconnect
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Mount, Route
    from starlette.staticfiles import StaticFiles

    ports = {program.name: program.inputs for program in programs}
    lengths = {name: sum(map(_count_bytes, inputs)) for name, inputs in ports.items()}
    most = min(_MOST_WAITING, _MOST_BYTES // max(lengths.values()))
    worker = ThreadPoolExecutor(1)
    waiting = 0

    async def run(request: "Request") -> "Response":
        nonlocal waiting
        name = request.path_params["name"]
        if name not in ports:
            return PlainTextResponse(f"there is no function {name}", 404)
        if request.headers.get("Sec-Fetch-Site") in _OTHER_SITES:
            return PlainTextResponse("requests of other pages are refused", 403)
        if waiting >= most:
            return PlainTextResponse("too many requests are waiting; try again", 503, {"Retry-After": "2"})
        waiting += 1
        try:
            async with asyncio.timeout(_READ_SECONDS):
                body = await _read_body(request, lengths[name])
            if body is None:
                return PlainTextResponse(f"the inputs of {name} must have {lengths[name]:,} bytes", 413)
            inputs = _split_body(body, ports[name])
            output = await asyncio.get_running_loop().run_in_executor(worker, compute, name, inputs)
        except AlaeError as error:
            return PlainTextResponse(str(error), 400)
        except (TimeoutError, ClientDisconnect):
            return PlainTextResponse("the request did not arrive", 408)
        finally:
            waiting -= 1
        return Response(output.astype("<f4").tobytes(), media_type="application/octet-stream")

    async def guard(request: "Request", answer: Any) -> "Response":
        """Refuse requests without the password or by another name, and add the headers of every answer."""
        if password is None and request.url.hostname not in LOCAL_NAMES:
            # Other sites could have their names point to this machine.
            response: Response = PlainTextResponse("this name is not that of the server", 403)
        elif password is not None and not _is_authorized(request.headers.get("Authorization", ""), password):
            challenge = {"WWW-Authenticate": 'Basic realm="alae", charset="UTF-8"'}
            response = PlainTextResponse("the password is missing or wrong", 401, challenge)
        else:
            response = await answer(request)
        response.headers.update(HEADERS)
        return response

    for ending, content_type in CONTENT_TYPES.items():
        # `StaticFiles` asks this module.
        mimetypes.add_type(content_type, ending)
    routes = [Route("/run/{name}", run, methods=["POST"]), Mount("/", StaticFiles(directory=site, html=True))]
    return Starlette(routes=routes, middleware=[Middleware(BaseHTTPMiddleware, dispatch=guard)])


def serve(app: "Starlette", bound: socket.socket) -> Callable[[], None]:
    """Serve an application on a socket in a thread; return a function that stops it and waits for open requests."""
    from threading import Thread

    import uvicorn

    config = uvicorn.Config(app, log_level="error", access_log=False, server_header=False, lifespan="off")
    server = uvicorn.Server(config)
    # In a thread uvicorn leaves signals alone.
    thread = Thread(target=server.run, args=([bound],), daemon=True)
    thread.start()

    def stop() -> None:
        server.should_exit = True
        thread.join()

    return stop


async def _read_body(request: "Request", length: int) -> bytes | None:
    """Return the body of a request; None if its length is not `length`. Reads at most one part more."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > length:
            return None
    return bytes(body) if len(body) == length else None


def _split_body(body: bytes, ports: Sequence[Port]) -> dict[str, np.ndarray]:
    """Return the inputs in a body as arrays of one row."""
    inputs, start = {}, 0
    for port in ports:
        end = start + _count_bytes(port)
        numbers = np.frombuffer(body[start:end], _dtype(port))
        inputs[port.name] = numbers.reshape([1 if size is None else size for size in port.shape])
        start = end
    return inputs


def _count_bytes(port: Port) -> int:
    return int(np.prod([1 if size is None else size for size in port.shape])) * _dtype(port).itemsize


def _dtype(port: Port) -> np.dtype:
    return np.dtype(port.dtype).newbyteorder("<")


def _is_authorized(header: str, password: str) -> bool:
    """Whether an `Authorization` header has the password, with any user name."""
    scheme, _, encoded = header.partition(" ")
    try:
        given = b64decode(encoded, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(given, password.encode())
