"""TLS and proxies on the way to PrintOS: what is trusted and shown, and what a person is told where it fails."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.certificate import parse_certificate
from agent.config import load_config
from agent.config_files import check_files
from agent.errors import AnswerLostError, ConfigError, ConnectFailedError
from agent.http import HttpClient
from agent.tls import trusting
from tests.authority import Authority, fingerprint, over_tls, served
from tests.scripted_server import OK, answering, read_head, swallow
from tests.test_upload import upload
from tests.web_proxy import web_proxy

HOST = "printos.example"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def good(authority: Authority) -> Path:
    """Give a good certificate for the server on loopback."""
    return authority.issue("127.0.0.1", HOST)


@contextmanager
def secure(certificate: Path, *, clients_of: Authority | None = None) -> Iterator[str]:
    """Run a server that answers everything with `ok` over TLS."""
    with served(answering(OK)) as backend, over_tls(certificate, backend, clients_of=clients_of) as port:
        yield f"https://127.0.0.1:{port}/devices"


def get(url: str, verify: Path, **options: object) -> bytes:
    """Ask with a client of its own."""
    client = HttpClient(connect_timeout_seconds=5, read_timeout_seconds=5, verify=verify, **options)  # type: ignore[arg-type]
    try:
        return client.request("GET", url).body
    finally:
        client.close()


def refusal(url: str, verify: Path, **options: object) -> str:
    """Give what a person is told where no connection is made."""
    with pytest.raises(ConnectFailedError) as caught:
        get(url, verify, **options)
    return str(caught.value)


def test_an_authority_of_ones_own_is_trusted(authority: Authority, good: Path) -> None:
    """As that of a company, which the system doesn't know."""
    with secure(good) as url:
        assert get(url, authority.ca_file) == b"ok"


def test_an_unknown_authority_is_told_with_what_was_presented(good: Path, tmp_path: Path) -> None:
    """Subject, issuer, hosts, validity, fingerprint, and what to do."""
    stranger = Authority(tmp_path, "Somebody Else")
    with secure(good) as url:
        told = refusal(url, stranger.ca_file)
    assert "unable to get local issuer certificate" in told
    assert f"presented was CN=server, issued by CN=Test Authority, for {HOST}, 127.0.0.1, valid 20" in told
    assert fingerprint(good) in told
    assert "into ca_file" in told


def test_a_certificate_of_another_host_is_told(authority: Authority) -> None:
    """With the names that it is for."""
    with secure(authority.issue("other.example")) as url:
        told = refusal(url, authority.ca_file)
    assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in told
    assert "for other.example, valid" in told
    assert "must be named as its certificate names it" in told


@pytest.mark.parametrize("days", [(-9, -2), (2, 9)])
def test_a_certificate_out_of_its_time_is_told(authority: Authority, days: tuple[float, float]) -> None:
    """On a box without a battery it is often the clock that is wrong."""
    with secure(authority.issue("127.0.0.1", days=days)) as url:
        assert "is the clock of this box right?" in refusal(url, authority.ca_file)


def test_a_subject_of_many_hosts_and_control_characters_is_told_in_one_line(authority: Authority) -> None:
    """Whoever answers may have signed anything."""
    hosts = [f"{number}.example" for number in range(99)]
    with secure(authority.issue(*hosts, name="x\x1b[2J\nname")) as url:
        told = refusal(url, authority.ca_file)
    assert told.isprintable()
    assert "4.example and 94 more" in told


@pytest.mark.parametrize("content", [b"", b"0\x82", b"\x30\x03\x02\x01\x01"])
def test_what_is_no_certificate_is_none(content: bytes) -> None:
    """However it is broken."""
    assert parse_certificate(content) is None


def test_a_client_certificate_is_shown_where_one_is_asked_for(authority: Authority, good: Path) -> None:
    """Without one the server hangs up."""
    mine = authority.issue(name="gateway")
    with secure(good, clients_of=authority) as url:
        assert get(url, authority.ca_file, client_certificate=(mine, mine)) == b"ok"
        with pytest.raises(AnswerLostError):
            get(url, authority.ca_file)


def test_a_key_that_is_encrypted_is_told_with_what_to_do(authority: Authority) -> None:
    """Nobody is there to give its passphrase; OpenSSL must not ask the terminal either."""
    mine = authority.issue(passphrase=b"a secret")
    with pytest.raises(ConfigError, match=rf"{mine}: is encrypted.* openssl pkey -in {mine}"):
        HttpClient(client_certificate=(mine, mine))


def test_files_that_are_no_certificates_are_told(authority: Authority, tmp_path: Path) -> None:
    """A key of another certificate, a text, a file that isn't there."""
    mine, other = authority.issue(), authority.issue()
    (tmp_path / "text").write_text("hello\n")
    wrong = {
        "does not belong to the certificate": (mine, other),
        "no certificate in PEM": (tmp_path / "text", other),
        "No such file": (tmp_path / "none", other),
    }
    for problem, files in wrong.items():
        with pytest.raises(ConfigError, match=problem):
            HttpClient(client_certificate=files)
    with pytest.raises(ConfigError, match="text: no certificate in PEM"):
        HttpClient(verify=tmp_path / "text")


def test_tls_before_1_2_is_not_spoken(authority: Authority, good: Path) -> None:
    """A server that has nothing better is none for credentials."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(good)
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with served(lambda sock: context.wrap_socket(sock, server_side=True)) as port:
        told = refusal(f"https://127.0.0.1:{port}/", authority.ca_file)
    assert "protocol version" in told


def test_nothing_of_tls_is_taken_from_the_environment(
    authority: Authority, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an authority nor a file in which the keys of sessions are logged."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    client = HttpClient()
    with secure(good) as url:
        with pytest.raises(ConnectFailedError, match="unable to get local issuer"):
            client.request("GET", url)
        assert get(url, authority.ca_file) == b"ok"
    client.close()
    assert not (tmp_path / "keys").exists()


def test_where_the_system_trusts_nobody_there_are_others(
    authority: Authority, good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a box without ca-certificates: then those that came with the package are trusted."""
    nothing = ssl.DefaultVerifyPaths("", "", "", str(tmp_path / "none"), "", str(tmp_path / "none"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    assert trusting(None, otherwise=authority.ca_file).cert_store_stats()["x509_ca"] == 1
    with secure(good) as url, pytest.raises(ConnectFailedError, match="unable to get local issuer"):
        HttpClient().request("GET", url)


def test_a_proxy_with_a_login_leads_to_tls_and_to_plain_http(authority: Authority, good: Path) -> None:
    """By CONNECT and by whole URLs; the name is only looked up by the proxy."""
    with served(answering(OK)) as plain, over_tls(good, plain) as port:
        routes = {f"{HOST}:443": port, f"{HOST}:80": plain}
        with web_proxy(routes, login="gate:pass wörd") as (proxy, url):
            through = {"proxy": url, "proxy_login": ("gate", "pass wörd")}
            assert get(f"https://{HOST}/a", authority.ca_file, **through) == b"ok"
            assert get(f"http://{HOST}/a", authority.ca_file, **through) == b"ok"
    assert [line.rpartition(" ")[0] for line in proxy.asked] == [f"CONNECT {HOST}:443", f"GET http://{HOST}/a"]


def test_a_document_goes_through_a_proxy_and_tls(authority: Authority, good: Path) -> None:
    """Whole, and its end is told."""
    size, told = 3_000_000, list[str]()

    def take(sock: socket.socket) -> None:
        read_head(sock)
        swallow(sock, size)
        sock.sendall(OK)

    with served(take) as plain, over_tls(good, plain) as port, web_proxy({f"{HOST}:443": port}) as (_, url):
        client = HttpClient(verify=authority.ca_file, proxy=url)
        assert client.request("PUT", f"https://{HOST}/card", body=upload(bytes(size), told)).body == b"ok"
        client.close()
    assert (told[0], "end" in told) == ("start", True)


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("login", [None, ("gate", "wrong-secret")])
def test_a_proxy_that_wants_a_login_is_told_with_what_to_do(
    authority: Authority, scheme: str, login: tuple[str, str] | None
) -> None:
    """Also where the one that was given is wrong; it is not repeated."""
    with web_proxy({}, login="gate:right") as (_, url):
        told = refusal(f"{scheme}://{HOST}/a", authority.ca_file, proxy=url, proxy_login=login)
    assert f"{url.removeprefix('http://')} asks for a login, or for another one (407)" in told
    assert "proxy_password_file" in told
    assert "secret" not in told


def test_a_proxy_that_is_down_is_told_as_its_fault(authority: Authority) -> None:
    """Not as that of PrintOS."""
    told = refusal(f"https://{HOST}/a", authority.ca_file, proxy="http://127.0.0.1:1", proxy_login=("gate", "secret"))
    assert "the proxy 127.0.0.1:1 can't be reached: [Errno 111] Connection refused" in told
    assert "secret" not in told


def test_a_proxy_that_does_not_get_through_is_told(authority: Authority) -> None:
    """With the place that it was asked for."""
    with web_proxy({}) as (_, url):
        told = refusal(f"https://{HOST}/a", authority.ca_file, proxy=url)
    assert f"does not connect to {HOST}:443: 502 Bad Gateway" in told


def test_a_proxy_that_drips_its_answer_ends_at_the_limit(authority: Authority) -> None:
    """A byte every now and then keeps each wait short, but not the whole."""
    with served(answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 9)) as port:
        client = HttpClient(connect_timeout_seconds=0.3, verify=authority.ca_file, proxy=f"http://127.0.0.1:{port}")
        with pytest.raises(ConnectFailedError, match="through the proxy"):
            client.request("GET", f"https://{HOST}/")
        client.close()


def test_a_proxy_that_looks_into_tls_is_told_with_its_authority(tmp_path: Path, authority: Authority) -> None:
    """What it presented is seen through it, by a second connection."""
    inspector = Authority(tmp_path, "Company Inspection")
    certificate = inspector.issue(HOST, name=HOST)
    with (
        served(answering(OK)) as plain,
        over_tls(certificate, plain) as port,
        web_proxy({f"{HOST}:443": port}, login="gate:right") as (proxy, url),
    ):
        through = {"proxy": url, "proxy_login": ("gate", "right")}
        told = refusal(f"https://{HOST}/a", authority.ca_file, **through)
        assert get(f"https://{HOST}/a", inspector.ca_file, **through) == b"ok"
    assert "issued by CN=Company Inspection" in told
    assert fingerprint(certificate) in told
    assert len(proxy.asked) == 3


def test_an_error_repeats_neither_a_query_nor_a_header() -> None:
    """Where they have letters that they may not have, the libraries would quote them."""
    for token, url in (
        ("two\nlines-of-secret", "http://127.0.0.1:1/"),
        ("secret-слово", "http://127.0.0.1:1/"),
        ("good", "http://[bad/?q=secret"),
        ("good", "nonsense?q=secret"),
    ):
        client = HttpClient(bearer=token)
        with pytest.raises(ConnectFailedError, match="letters that it may not have") as caught:
            client.request("GET", url)
        client.close()
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize("section", ["printos", "mqtt", "[printer]"])
def test_a_certificate_that_cannot_be_shown_is_told_before_anything_starts(
    authority: Authority, tmp_path: Path, section: str
) -> None:
    """With the key that names it, and its line."""
    path = tmp_path / "agent.toml"
    certificate = f'client_cert_file = "{authority.issue(passphrase=b"secret")}"\n'
    (tmp_path / "login").write_text(certificate)
    keys = {
        "printos": certificate,
        "mqtt": f"tls = true\n{certificate}",
        "[printer]": 'host = "h"\ncredentials_file = "login"\n',
    }
    path.write_text(f"[{section}]\n{keys[section]}")
    with pytest.raises(ConfigError, match=r"agent.toml:[23]: .*_file: .* is encrypted"):
        check_files(load_config(path))


def test_a_file_without_an_authority_is_told_before_anything_starts(tmp_path: Path) -> None:
    """As where the key was given in place of the certificate."""
    path = tmp_path / "agent.toml"
    path.write_text('[printos]\nca_file = "agent.toml"\n')
    with pytest.raises(ConfigError, match=r"agent.toml:2: printos.ca_file: .* no certificate in PEM"):
        check_files(load_config(path))
