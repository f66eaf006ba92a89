"""The HTTP door against real servers on loopback, well-behaved and not."""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from agent.errors import AnswerLostError, ConnectFailedError
from agent.http import TRANSLATION, HttpClient
from tests.scripted_server import OK, Script, answering, read_head, scripted, swallow
from tests.test_upload import upload


@pytest.fixture
def client() -> Iterator[HttpClient]:
    """Give a client with short limits."""
    client = HttpClient(connect_timeout_seconds=2, read_timeout_seconds=1)
    yield client
    client.close()


def test_every_exception_of_requests_is_translated() -> None:
    """A version of requests with an exception that the table doesn't name fails here."""
    known = {
        member
        for member in vars(requests.exceptions).values()
        if isinstance(member, type) and issubclass(member, requests.RequestException)
    }
    assert known <= TRANSLATION.keys()


def test_an_answer_is_given_whole_with_headers_of_any_case(client: HttpClient) -> None:
    """Status, headers and body come as the server sent them."""
    with scripted(answering(b"HTTP/1.1 418 Teapot\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\npot")) as url:
        answer = client.request("GET", url)
    assert (answer.status, answer.headers["retry-after"], answer.body) == (418, "7", b"pot")


def test_an_ipv6_address_with_a_zone_is_reached_and_the_zone_stays_here(client: HttpClient) -> None:
    """In a URL it is escaped (RFC 6874); 1 is the loopback interface."""
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    heads: list[bytes] = []

    def serve() -> None:
        peer, _ = server.accept()
        with peer:
            heads.append(read_head(peer))
            peer.sendall(OK)

    with server:
        threading.Thread(target=serve, daemon=True).start()
        port = server.getsockname()[1]
        assert client.request("GET", f"http://[::1%251]:{port}/").status == 200
    assert f"Host: [::1]:{port}".encode() in heads[0]


def test_a_refused_connection_means_that_nothing_was_sent(client: HttpClient) -> None:
    """Nobody listens there."""
    with pytest.raises(ConnectFailedError, match="refused"):
        client.request("POST", "http://127.0.0.1:1/", body=b"x")


def test_an_unknown_name_and_a_bad_url_mean_that_nothing_was_sent(client: HttpClient) -> None:
    """Neither can ever be a connection."""
    for url in ("http://nowhere.invalid/", "nonsense", "http://[", "http://127.0.0.1:99999/"):
        with pytest.raises(ConnectFailedError):
            client.request("GET", url)


def test_a_failed_tls_handshake_means_that_nothing_was_sent(client: HttpClient) -> None:
    """The peer speaks no TLS, so that the request never left."""
    with scripted(lambda sock: sock.sendall(b"220 hello\r\n")) as url, pytest.raises(ConnectFailedError):
        client.request("POST", url.replace("http:", "https:"), body=b"x")


def test_a_broken_connection_after_a_body_is_a_lost_answer(client: HttpClient) -> None:
    """A POST is never repeated, since it may have been taken."""
    with scripted(read_head) as url, pytest.raises(AnswerLostError):
        client.request("POST", url, body=b"x")


def test_a_get_is_repeated_once_on_a_fresh_connection(client: HttpClient) -> None:
    """A kept connection that had gone stale is no failure of the server."""
    with scripted(read_head, answering(OK)) as url:
        assert client.request("GET", url).body == b"ok"


def test_a_message_of_an_error_tells_no_query(client: HttpClient) -> None:
    """What is behind the question mark may be secret."""
    with pytest.raises(ConnectFailedError) as caught:
        client.request("GET", "http://127.0.0.1:1/path?token=secret")
    assert "secret" not in str(caught.value)
    assert "/path" in str(caught.value)


def test_a_message_tells_the_cause_and_not_what_went_before(client: HttpClient) -> None:
    """A caller that is dealing with something else gets the reason of this exchange."""
    try:
        int("something else")
    except ValueError:
        with pytest.raises(ConnectFailedError, match="refused"):
            client.request("GET", "http://127.0.0.1:1/")


def test_a_head_that_drips_ends_at_the_limit(client: HttpClient) -> None:
    """A byte every tenth of a second keeps each wait short, but not the whole."""
    done = threading.Event()

    def drip(sock: socket.socket) -> None:
        read_head(sock)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 100:
            if done.wait(0.1):
                return
            sock.sendall(bytes([byte]))

    began = time.monotonic()
    with scripted(drip) as url:
        with pytest.raises(AnswerLostError):
            client.request("POST", url, timeout_seconds=0.5)
        done.set()
    assert time.monotonic() - began < 2


def test_a_body_that_drips_ends_at_the_limit(client: HttpClient) -> None:
    """The same limit holds for the body."""
    done = threading.Event()

    def drip(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not done.wait(0.1):
            sock.sendall(b"1\r\nx\r\n")

    with scripted(drip) as url:
        with pytest.raises(AnswerLostError):
            client.request("GET", url, timeout_seconds=0.5)
        done.set()


def test_a_body_over_the_limit_is_a_lost_answer(client: HttpClient) -> None:
    """The limit counts decoded bytes, so that a compressed bomb is caught."""
    bomb = gzip.compress(bytes(1_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with scripted(answering(head + bomb)) as url, pytest.raises(AnswerLostError, match="over 100000 bytes"):
        client.request("GET", url, limit_bytes=100_000)


def test_a_short_body_is_a_lost_answer(client: HttpClient) -> None:
    """Fewer bytes than were promised are no whole answer."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"
    with scripted(answering(answer)) as url, pytest.raises(AnswerLostError):
        client.request("GET", url)


@pytest.mark.parametrize("chunk", [b"-1\r\n", b"-5\r\n", b"5" * 70_000])
def test_a_chunk_of_no_size_is_a_lost_answer(chunk: bytes, client: HttpClient) -> None:
    """It would have all that ever comes read into the memory at once."""
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk + bytes(100_000)
    with scripted(answering(answer)) as url, pytest.raises(AnswerLostError):
        client.request("GET", url)


def test_what_is_no_http_is_a_lost_answer(client: HttpClient) -> None:
    """Garbage is told short and printable."""
    with scripted(answering(b"\x00\x1b[2Jgarbage" * 50 + b"\r\n\r\n")) as url, pytest.raises(AnswerLostError) as caught:
        client.request("POST", url)
    assert str(caught.value).isprintable()


def test_no_redirect_is_followed_and_no_cookie_kept(client: HttpClient) -> None:
    """The second request carries nothing of the first answer."""
    heads: list[bytes] = []

    def twice(sock: socket.socket) -> None:
        for _ in range(2):
            heads.append(read_head(sock))
            sock.sendall(b"HTTP/1.1 302 Found\r\nLocation: /x\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n")

    with scripted(twice) as url:
        assert client.request("GET", url).status == 302
        assert client.request("GET", url, headers={"Cookie": "mine=1"}).headers["Set-Cookie"] == "a=b"
    assert b"a=b" not in heads[1]
    assert b"mine=1" in heads[1]


def test_a_redirection_is_only_an_answer(client: HttpClient) -> None:
    """However wrong its Location is, and with the limit that every body has."""
    head = b"HTTP/1.1 302 Found\r\nLocation: http://[nowhere\r\nContent-Length: %d\r\n\r\n"
    with scripted(answering(head % 2 + b"ok")) as url:
        answer = client.request("GET", url)
    assert (answer.status, answer.headers["Location"], answer.body) == (302, "http://[nowhere", b"ok")
    with scripted(answering(head % 9 + b"x" * 9)) as url, pytest.raises(AnswerLostError, match="over 8 bytes"):
        client.request("GET", url, limit_bytes=8)


def test_nothing_is_taken_from_the_environment(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with scripted(answering(OK)) as url:
        assert client.request("GET", url).status == 200


def test_a_proxy_is_asked_where_one_is_configured() -> None:
    """For plain HTTP with the whole URL, for TLS by CONNECT; its refusal of the latter means that nothing was sent."""
    heads: list[bytes] = []

    def script(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK if heads[-1].startswith(b"GET") else b"HTTP/1.1 403 No\r\n\r\n")

    with scripted(script, script) as url:
        client = HttpClient(proxy=url)
        assert client.request("GET", "http://printos.example/x").body == b"ok"
        client.close()
        with pytest.raises(ConnectFailedError, match="403"):
            client.request("POST", "https://printos.example/x", body=b"x")
        client.close()
    assert heads[0].startswith(b"GET http://printos.example/x HTTP/1.1\r\n")
    assert heads[1].startswith(b"CONNECT printos.example:443 ")


def test_credentials_go_as_utf_8() -> None:
    """A password with letters beyond Latin-1 works (RFC 7617)."""
    heads: list[bytes] = []

    def script(sock: socket.socket) -> None:
        heads.append(read_head(sock))
        sock.sendall(OK)

    client = HttpClient(basic=("me", "пароль"))
    with scripted(script) as url:
        client.request("GET", url)
    client.close()
    assert b"Authorization: Basic bWU60L/QsNGA0L7Qu9GM" in heads[0]


def test_two_threads_share_a_client(client: HttpClient) -> None:
    """Each exchange has a connection of its own while it lasts."""
    barrier = threading.Barrier(2)
    bodies: list[bytes] = []

    def script(sock: socket.socket) -> None:
        read_head(sock)
        sock.sendall(OK)

    def ask(url: str) -> None:
        barrier.wait(5)
        bodies.append(client.request("GET", url).body)

    with scripted(script, script) as url:
        threads = [threading.Thread(target=ask, args=(url,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert bodies == [b"ok", b"ok"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a self-signed certificate for 127.0.0.1 with its key, as printers make their own."""
    path = tmp_path_factory.mktemp("tls") / "printer.pem"
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "printer")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    signed = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(signed.public_bytes(Encoding.PEM) + private)
    return path


def over_tls(certificate: Path, size: int) -> Script:
    """Take a body of `size` bytes over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def script(sock: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(sock, server_side=True) as secure:
            read_head(secure)
            swallow(secure, size)
            secure.sendall(OK)

    return script


@pytest.mark.parametrize("trusts", ["nothing", "the certificate"])
def test_a_document_goes_over_tls(certificate: Path, trusts: str) -> None:
    """Where no certificate is demanded, without a warning; else where it is the one that is known."""
    client = HttpClient(verify=False if trusts == "nothing" else certificate)
    with scripted(over_tls(certificate, 3_000_000)) as url:
        body = upload(bytes(3_000_000), [])
        assert client.request("POST", url.replace("http:", "https:"), body=body).body == b"ok"
    client.close()


def test_a_certificate_that_nobody_signed_means_that_nothing_was_sent(certificate: Path, client: HttpClient) -> None:
    """So a document may wait until an operator has said what to trust."""
    body = upload(b"doc", [])
    with scripted(over_tls(certificate, 3)) as url, pytest.raises(ConnectFailedError, match="certificate"):
        client.request("POST", url.replace("http:", "https:"), body=body)
    assert not body.has_started
