"""The web listener answers pages and nothing else, and nobody can hold it, fill it or make it fail."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import ConflictError
from agent.http import Answer, HttpClient
from agent.web import BODY_LIMIT_BYTES, WebAnswer, WebRequest, WebServer
from tests.running_agent import run_command
from tests.web_parts import THREADS, listening


def echo(request: WebRequest) -> WebAnswer:
    """Tell what was asked."""
    if request.query.get("fail"):
        raise KeyError("a mistake of ours")
    told = f"{request.method} {sorted(request.query.items())} {request.headers.get('x-word')} "
    return WebAnswer(200, told.encode() + request.body)


@pytest.fixture
def web() -> Iterator[WebServer]:
    """Give a listener with one page."""
    with listening({"/echo": echo}) as it:
        yield it


def ask(web: WebServer, method: str, target: str, body: bytes | None = None) -> Answer:
    """Ask it as any client does."""
    with closing(HttpClient()) as http:
        return http.request(method, f"http://127.0.0.1:{web.port}{target}", headers={"X-Word": "w"}, body=body)


def raw(web: WebServer, request: bytes) -> bytes:
    """Send it bytes and give all that comes back."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def test_a_page_is_given_what_was_asked(web: WebServer) -> None:
    """Method, query, headers and body."""
    assert ask(web, "POST", "/echo?a=1&b=%20", b"body").body == b"POST [('a', '1'), ('b', ' ')] w body"
    assert ask(web, "GET", "/echo").status == 200
    head = ask(web, "HEAD", "/echo")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("target", ["/", "/echo/", "/echo/../etc/passwd", "/%2e%2e/etc/passwd", "/agent.toml"])
def test_what_is_no_page_is_not_found(web: WebServer, target: str) -> None:
    """There is no file behind any path."""
    answer = ask(web, "GET", target)
    assert (answer.status, answer.body) == (404, b"not found\n")


def test_a_page_that_fails_is_told_so_and_nothing_more(web: WebServer) -> None:
    """The log has the rest, and the next request is answered."""
    answer = ask(web, "GET", "/echo?fail=1")
    assert (answer.status, answer.body) == (500, b"failed\n")
    assert ask(web, "GET", "/echo").status == 200


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"POST /echo HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT_BYTES + 1), b"413"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", b"413"),
        (b"POST /echo HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"411"),
        (b"GET http://[bad/ HTTP/1.1\r\n\r\n", b"400"),
        (b"BREW /echo HTTP/1.1\r\n\r\n", b"501"),
        (b"GET /echo HTTP/9.9\r\n\r\n", b"505"),
        (b"nonsense\r\n\r\n", b"400"),
    ],
)
def test_what_is_no_request_is_refused(web: WebServer, request_bytes: bytes, status: bytes) -> None:
    """By its status, without a traceback."""
    answer = raw(web, request_bytes)
    assert answer.split(b" ", 2)[1] == status
    assert b"Traceback" not in answer


def test_a_client_may_wait_for_our_word_before_it_sends(web: WebServer) -> None:
    """As curl does with a large body."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"ok")
        assert connection.recv(1000).endswith(b"ok")


def test_headers_without_end_are_cut_off(web: WebServer) -> None:
    """No memory is filled by them."""
    with pytest.raises(ConnectionError):
        raw(web, b"GET /echo HTTP/1.1\r\n" + 50_000 * (b"x: " + b"y" * 1000 + b"\r\n"))
    assert ask(web, "GET", "/echo").status == 200


def test_who_says_nothing_holds_nobody() -> None:
    """A request has its time in all, however it drips."""
    with listening({"/echo": echo}, request_seconds=0.2) as web:
        silent = [socket.create_connection(("127.0.0.1", web.port), timeout=10) for _ in range(3 * THREADS)]
        assert ask(web, "GET", "/echo").status == 200
        for connection in silent:
            connection.close()


def test_a_place_that_is_taken_is_told(web: WebServer) -> None:
    """With the key that names it."""
    with pytest.raises(ConflictError, match=r"web\.listen"):
        WebServer(listen=f"127.0.0.1:{web.port}", pages={}).open()


def test_an_agent_whose_place_is_taken_says_so_and_does_not_start(tmp_path: Path, web: WebServer) -> None:
    """Whoever wants postbacks would wait for them in vain otherwise."""
    file = tmp_path / "agent.toml"
    file.write_text(f'[agent]\nstate_dir = "{tmp_path}/state"\n[web]\nlisten = "127.0.0.1:{web.port}"\n')
    done = run_command("--config", file, "run")
    assert (done.returncode, "web.listen" in done.stderr) == (5, True)
