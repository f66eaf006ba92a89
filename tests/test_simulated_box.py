"""The pretended Box takes what HP's sample sends, header by header, and refuses what the real one would."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from agent.simulator.pdf import write_pdf
from tests.file_server import FileServer
from tests.printos_parts import Bench, printos

KEY, SECRET = "demo-key", "demo-secret"
PDF = write_pdf("Menu", pages=2)
FOLDER, FILE = "/api/partner/folder", "/api/partner/file"


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Run a simulator with a key."""
    with printos(api_key=KEY, api_secret=SECRET) as running:
        yield running


def sample_headers(bench: Bench, method: str, path: str, **changes: str) -> dict[str, str]:
    """Sign as HP's Python sample does: whole seconds, names in lower case."""
    date = bench.ticker.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = hmac.new(SECRET.encode(), f"{method} {path}{date}".encode(), hashlib.sha256).hexdigest()
    headers = {
        "content-type": "application/json",
        "x-hp-hmac-authentication": f"{KEY}:{digest}",
        "x-hp-hmac-date": date,
        "x-hp-hmac-algorithm": "SHA256",
    }
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


def ask(bench: Bench, method: str, path: str, content: Any = None, *, query: str = "") -> tuple[int, Any]:
    """Send a signed call and give its status and what it says."""
    answer = bench.call(method, f"/box{path}{query}", content, headers=sample_headers(bench, method, path))
    return answer.status, json.loads(answer.body)


def a_folder(bench: Bench) -> dict[str, Any]:
    """Make the sample's folder."""
    payload = {"name": "Python_Folder", "from": "Python_Sender", "to": "Python_Receiver"}
    status, folder = ask(bench, "POST", FOLDER, payload)
    assert status == 200
    return dict(folder)


def a_file(bench: Bench, document: bytes = PDF, *, media_type: str = "application/pdf") -> dict[str, Any]:
    """Send a document as the sample does: URLs, PUT with a word more in the query, file."""
    _, urls = ask(bench, "GET", f"{FILE}/uploadurls", query=f"?mimeType={media_type.replace('/', '%2F')}")
    put = f"{urls['uploadUrl']}&file=C%3A%5CFilePath%5CFileName.pdf"
    assert bench.http.request("PUT", put, headers={"Content-Type": media_type}, body=document).status == 200
    payload = {
        "url": urls["fetchUrl"],
        "name": "Python_File.pdf",
        "notes": "File was uploaded using Python",
        "folderId": a_folder(bench)["_id"],
        "copies": 1,
    }
    status, file = ask(bench, "POST", FILE, payload)
    assert status == 200
    return dict(file)


def looked_at(bench: Bench, file: Mapping[str, Any]) -> dict[str, Any]:
    """Give a file once its preflight is over."""
    bench.ticker.advance(1)
    return dict(ask(bench, "GET", f"{FILE}/{file['id']}")[1])


def test_hps_sample_succeeds(bench: Bench) -> None:
    """Folder, URLs, PUT, file; then the preflight, the substrates, the flows and the folder."""
    file = a_file(bench)
    assert (file["lastAction"], file["currentVersion"]["status"], file["size"]) == ("Preflighting", "pending", 0)
    done = looked_at(bench, file)
    assert (done["currentVersion"]["status"], done["currentVersion"]["pageCount"], done["size"]) == ("ok", 2, len(PDF))
    assert ask(bench, "GET", f"{FOLDER}/{file['folderId']}")[1]["fileCount"] == 1
    assert all(isinstance(name, str) for name in ask(bench, "GET", "/api/partner/substrate")[1])
    assert ask(bench, "GET", "/api/partner/flow")[1]["items"][0].keys() >= {"name", "_id"}
    assert bench.simulator.report()["box"]["folders"][0]["files"][0]["sha256"] == hashlib.sha256(PDF).hexdigest()


def test_copies_may_be_digits_as_text_and_what_is_not_given_null(bench: Bench) -> None:
    """As HP's JavaScript and C# samples have them."""
    file = {"url": "http://127.0.0.1:9/a.jpg", "name": "a.jpg", "copies": "3", "substrate": None}
    payload = file | {"folderId": a_folder(bench)["_id"]}
    assert ask(bench, "POST", FILE, payload)[1]["printInstructions"] == {"copies": 3}
    assert ask(bench, "POST", FOLDER, {"name": "C", "from": None, "files": [file | {"folderId": None}]})[0] == 200


def test_a_client_that_names_no_algorithm_is_told_by_its_digest(bench: Bench) -> None:
    """HP's Java and PHP samples sign with SHA256 and don't say so."""
    headers = sample_headers(bench, "GET", "/api/partner/substrate")
    del headers["x-hp-hmac-algorithm"]
    assert bench.call("GET", "/box/api/partner/substrate", headers=headers).status == 200


@pytest.mark.parametrize(
    ("document", "media_type", "status", "words"),
    [
        (b"no pdf at all", "application/pdf", "error", "damaged"),
        (PDF[:-10], "application/pdf", "error", "damaged"),
        (b"\x89PNG", "image/png", "ok", "converted"),
    ],
)
def test_the_preflight_tells_what_it_found(
    bench: Bench, document: bytes, media_type: str, status: str, words: str
) -> None:
    """A PDF that is cut short fails, an image passes with a warning."""
    version = looked_at(bench, a_file(bench, document, media_type=media_type))["currentVersion"]
    assert version["status"] == status
    assert words in json.dumps(version["preflight"])


def test_a_file_may_come_from_anybodys_url(bench: Bench) -> None:
    """Box fetches it itself; what can't be fetched fails in the preflight."""
    with FileServer(PDF, statuses=[0, 404]) as server:
        files = [{"url": server.url(path), "name": "menu.pdf"} for path in ("/menu.pdf", "/other.pdf")]
        folder = ask(bench, "POST", FOLDER, {"name": "Menus", "files": files})[1]
    bench.ticker.advance(1)
    assert [file["status"] for file in bench.simulator.report()["box"]["folders"][0]["files"]] == ["ok", "error"]
    assert folder["fileCount"] == 2


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": None}, "name is missing"),
        ({"name": ""}, "name is empty"),
        ({"url": "FileUrl1"}, "url must be"),
        ({"url": "file:///etc/passwd"}, "url must be"),
        ({"copies": 0}, "copies"),
        ({"copies": "many"}, "copies"),
        ({"copies": True}, "copies"),
        ({"colour": "red"}, "colour is unknown"),
        ({"substrate": "Papyrus"}, "no substrate"),
        ({"flow": "Nowhere"}, "no flow"),
    ],
)
def test_a_file_that_cannot_be_is_refused(bench: Bench, change: dict[str, Any], words: str) -> None:
    """With the field's name."""
    payload = {"url": "http://127.0.0.1:9/a.pdf", "name": "a.pdf", "folderId": a_folder(bench)["_id"], **change}
    status, said = ask(bench, "POST", FILE, {name: value for name, value in payload.items() if value is not None})
    assert status == 400
    assert words in said["smsError"]["message"]


def test_a_file_needs_a_folder_that_there_is(bench: Bench) -> None:
    """As do those that only ask."""
    payload = {"url": "http://127.0.0.1:9/a.pdf", "name": "a.pdf", "folderId": "0" * 24}
    assert ask(bench, "POST", FILE, payload)[0] == 404
    assert ask(bench, "GET", f"{FOLDER}/{'0' * 24}")[0] == 404
    assert ask(bench, "GET", f"{FILE}/{'0' * 24}")[0] == 404


@pytest.mark.parametrize("query", ["", "?mimeType=pdf", "?mimetype=application/pdf"])
def test_upload_urls_are_for_a_media_type(bench: Bench, query: str) -> None:
    """It becomes part of what S3 signs."""
    assert ask(bench, "GET", f"{FILE}/uploadurls", query=query)[0] == 400


def wrong_key(headers: dict[str, str]) -> dict[str, str]:
    """Name another key."""
    return headers | {"x-hp-hmac-authentication": headers["x-hp-hmac-authentication"].replace(KEY, "other")}


def wrong_date(headers: dict[str, str]) -> dict[str, str]:
    """Send another date than was signed."""
    return headers | {"x-hp-hmac-date": headers["x-hp-hmac-date"].replace("Z", ".000Z")}


def retired(headers: dict[str, str]) -> dict[str, str]:
    """Sign as before 2022."""
    return headers | {"x-hp-hmac-algorithm": "SHA1"}


@pytest.mark.parametrize(("spoil", "status"), [(wrong_key, 401), (wrong_date, 401), (retired, 400)])
def test_what_is_wrongly_signed_is_refused(bench: Bench, spoil: Any, status: int) -> None:
    """Whatever is asked, before anything else is looked at."""
    headers = spoil(sample_headers(bench, "POST", FOLDER))
    assert bench.call("POST", f"/box{FOLDER}", {"name": "x"}, headers=headers).status == status
    assert bench.simulator.report()["box"]["folders"] == []


@pytest.mark.parametrize("signed_path", ["/api/partner/file", "/box/api/partner/folder", "/api/partner/folder?a=b"])
def test_another_path_is_refused(bench: Bench, signed_path: str) -> None:
    """What is signed is the path behind the service's segment, without a query."""
    headers = sample_headers(bench, "POST", signed_path)
    assert bench.call("POST", f"/box{FOLDER}", {"name": "x"}, headers=headers).status == 401


def test_without_a_key_box_takes_nothing() -> None:
    """As a simulator does that was given none."""
    with printos() as bench:
        assert ask(bench, "POST", FOLDER, {"name": "x"})[0] == 401
