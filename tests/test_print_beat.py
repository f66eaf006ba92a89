"""Print Beat's client against the simulator: two keys, two roles, and answers that may be anything."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.errors import CloudRefusedError, CloudUnreachableError
from agent.printos.print_beat import KEYS_LIMIT, RECORD_LIMIT_BYTES, parse_attempts, parse_historic, parse_real_time
from agent.printos.signing import ApiKey, sign_printos
from tests.beat_parts import DATA_KEY, JOBS_KEY, JOBS_KEYS, KEYS, PRESSES, client, live, print_beat, printed
from tests.printos_parts import Bench

UNITS = "resolution=Day&unitSystem=Metric"
JAMS = f"/externalApi/v1/Historic/Jams?devices=40000001&{UNITS}"


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Give a simulator with two presses."""
    with print_beat() as it:
        yield it


def get(
    bench: Bench, path: str, *, key: ApiKey = DATA_KEY, signed: str = "", content_type: str = ""
) -> tuple[int, Any]:
    """Send a signed GET as any client would; gives status and JSON."""
    signed_path = signed or path.partition("?")[0].replace("//", "/")
    typed = {"content-type": content_type} if content_type else {}
    given = {**sign_printos(key, "GET", signed_path, bench.ticker.now()), **typed}
    answer = bench.http.request("GET", f"{bench.simulator.url}/printbeat{path}", headers=given)
    return answer.status, json.loads(answer.body)


def test_attempts_come_in_the_order_of_their_markers_page_by_page(bench: Bench) -> None:
    """The next page begins after the last marker."""
    printed(bench, *(f"{number}.pdf" for number in range(130)))
    first = client(bench).attempts(PRESSES, after=0)
    rest = client(bench).attempts(PRESSES, after=first[-1].marker)
    assert [it.marker for it in (*first, *rest)] == list(range(1, 131))
    assert [it.marker for it in client(bench).newest(PRESSES)] == list(range(31, 131))


@pytest.mark.parametrize("devices_as", ["repeated", "joined"])
def test_several_presses_stand_in_a_query_in_either_way(bench: Bench, devices_as: str) -> None:
    """Both have been seen; which one is right today is a setting."""
    printed(bench, "a.pdf", press=PRESSES[0])
    printed(bench, "b.pdf", press=PRESSES[1])
    it = client(bench, devices_as=devices_as)
    assert [attempt.serial for attempt in it.attempts(PRESSES, after=0)] == list(PRESSES)
    assert [press.serial for press in it.presses(PRESSES).presses] == list(PRESSES)


def test_the_last_row_of_real_time_data_may_be_the_total(bench: Bench) -> None:
    """It has no serial number, and no name but that of a total; a press is never taken for it."""
    printed(bench, "a.pdf")
    real_time = client(bench).presses(PRESSES)
    assert [(press.name, press.facts["value"]) for press in real_time.presses] == [
        ("Press 40000001", 10), ("Press 40000002", 0),
    ]  # fmt: skip
    assert real_time.total == {"pressName": "Total", "value": 10}
    nameless = parse_real_time({"data": [{"pressName": "A", "pressState": "UP"}, {"pressName": "B"}]})
    assert ([press.name for press in nameless.presses], nameless.total) == (["A", "B"], None)


def test_a_figure_over_time_has_its_dates(bench: Bench) -> None:
    """The dates of the query have a space where others have a T."""
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    (point,) = client(bench).historic(PRESSES[:1], "PrintVolume", moment, moment, "Week")
    assert (point.press, point.date, point.value) == ("Press 40000001", "2026-01-02 03:04:05", 1.0)


def test_each_key_has_its_role() -> None:
    """That of data access reads no attempts, and the other nothing else."""
    with print_beat(**JOBS_KEYS) as bench:
        both = client(bench, jobs=JOBS_KEY)
        assert (both.attempts(PRESSES, after=0), len(both.presses(PRESSES).presses)) == ((), 2)
        swapped = client(bench, data=JOBS_KEY, jobs=DATA_KEY)
        for ask in (lambda: swapped.attempts(PRESSES, after=0), lambda: swapped.presses(PRESSES)):
            with pytest.raises(CloudRefusedError, match="has not the role") as refusal:
                ask()
            assert refusal.value.status == 403


def test_too_many_requests_are_told_when_to_come_back(bench: Bench) -> None:
    """The pause is that of Retry-After."""
    bench.call("POST", "/simulator/beat/limit?requests=1")
    client(bench).presses(PRESSES)
    with pytest.raises(CloudUnreachableError) as error:
        client(bench).presses(PRESSES)
    assert error.value.retry_after_seconds == 61


def test_the_requests_of_hps_python_sample_are_taken(bench: Bench) -> None:
    """With its doubled slash, whole seconds, a content type on a GET and without devices."""
    printed(bench, "a.pdf")
    status, content = get(
        bench, "//externalApi/jobs?startMarker=0", signed="/externalApi/jobs", content_type="application/json"
    )
    assert (status, [it["marker"] for it in content["attempts"]]) == (200, [1])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/externalApi/jobs?startMarker=x", "startMarker must be a number"),
        ("/externalApi/jobs?sortOrder=UP", "sortOrder must be one of ASC, DESC"),
        ("/externalApi/jobs?marker=1", "marker is unknown"),
        (f"/externalApi/v1/RealTimeData?{UNITS}", "devices is missing"),
        (f"/externalApi/v1/RealTimeData?devices=9&{UNITS}", "no press has the serial number 9"),
        ("/externalApi/v1/RealTimeData?devices=40000001&resolution=Hour&unitSystem=Metric", "resolution must be"),
        ("/externalApi/v1/RealTimeData?devices=40000001&resolution=Day", "unitSystem must be one of"),
        (f"{JAMS}&from=2026-01-02T03:04:05", "from must be of the form"),
        (f"{JAMS}&from=2026-01-02%2003:04:05&to=2025-01-02%2003:04:05", "to is before from"),
    ],
)
def test_what_is_asked_wrongly_is_refused(bench: Bench, path: str, message: str) -> None:
    """And told what is wrong with it."""
    status, content = get(bench, path)
    assert (status, content["smsError"]["message"].startswith(message)) == (400, True)


@pytest.mark.parametrize(
    ("key", "signed", "message"),
    [
        (ApiKey("other", "demo-secret"), "", "the key is unknown"),
        (ApiKey("demo-key", "wrong"), "", "the digest is wrong"),
        (DATA_KEY, "/printbeat/externalApi/jobs", "/printbeat is not signed"),
        (DATA_KEY, "/externalApi/jobs?startMarker=0", "the query is not signed"),
    ],
)
def test_what_is_signed_wrongly_is_refused(bench: Bench, key: ApiKey, signed: str, message: str) -> None:
    """With the mistake, where it is a known one."""
    status, content = get(bench, "/externalApi/jobs?startMarker=0", key=key, signed=signed)
    assert (status, message in content["smsError"]["message"]) == (401, True)


@pytest.mark.parametrize("content", [None, {}, "text", 7, {"attempts": {}}, {"error": "no"}])
def test_an_answer_that_is_none_is_asked_again_later(content: Any) -> None:
    """The marker stays where it was."""
    for parse in (parse_attempts, parse_real_time, parse_historic):
        with pytest.raises(CloudUnreachableError, match="answers something else"):
            parse(content)


def test_attempts_of_a_hostile_answer_are_cleaned_or_left_out() -> None:
    """No control characters, no wrong types, no floods; a marker that is none tells of no attempt."""
    no_markers: list[Any] = [None, True, -1, 1 << 63, 1.5, "x", []]
    rows: list[Any] = [
        {"marker": 3, "jobName": "a\x1b[2J\nb", "impressions": "many", "jobProgress": 7, "x": float("inf")},
        {"marker": 2, "jobName": "x" * 100_000, "new": {"a": {"b": {"c": {"d": {"e": {"f": [1]}}}}}}},
        {"marker": 3, "jobName": "again"},
        *({"marker": marker} for marker in no_markers),
        {"marker": "1", **{f"k{number}": number for number in range(10_000)}},
        {"marker": 4, "inks": [{"color": "y" * 300} for _ in range(10_000)]},
        "no attempt",
    ]
    first, second, third, fourth = parse_attempts({"attempts": rows})
    assert [first.marker, second.marker, third.marker, fourth.marker] == [1, 2, 3, 4]
    assert (len(first.facts) <= KEYS_LIMIT + 1, len(second.facts["jobName"])) == (True, 300)
    assert third.facts == {"marker": 3, "jobName": "again"}
    assert len(json.dumps(fourth.facts)) <= RECORD_LIMIT_BYTES
    (typed,) = parse_attempts(rows[:1])
    assert typed.facts == {"marker": 3, "jobName": "a [2J b", "impressions": None, "jobProgress": None, "x": None}


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), "Press 40000001"),
        ((), "b.pdf"),
        (("--json",), '"total": {"pressName": "Total"'),
        (("--json",), '"attempts": [{"marker": 1'),
        (("jobs",), "b.pdf"),
        (("jobs", "--json", "--limit", "1"), '[{"marker": 2'),
        (("historic", "PrintVolume", "--from", "2026-01-01", "--to", "2026-01-02"), "1.0"),
        (("historic", "PrintVolume", "--json", "--press", "40000002"), '"press": "Press 40000002"'),
    ],
)
def test_people_can_ask_without_an_agent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], shown: str
) -> None:
    """The command line asks HP itself, with the keys of agent.toml."""
    with live() as bench:
        printed(bench, "a.pdf", "b.pdf")
        assert main(["--config", str(a_config(tmp_path, bench)), "beat", *arguments]) == 0
    assert shown in capsys.readouterr().out


def test_attempts_can_be_watched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of before, then each once as it comes, a line of JSON each; an outage is told and waited out."""
    with live() as bench:
        printed(bench, "a.pdf")
        fault = "/simulator/fault?method=GET&path=/printbeat/externalApi/jobs&status=503"
        steps: list[Callable[[], object]] = [
            lambda: printed(bench, "b.pdf"),
            lambda: bench.call("POST", fault),
            lambda: printed(bench, "c.pdf"),
        ]

        def pause(_seconds: float) -> None:
            if not steps:
                raise KeyboardInterrupt
            steps.pop(0)()

        monkeypatch.setattr("agent.cli.beat.time.sleep", pause)
        assert main(["--config", str(a_config(tmp_path, bench)), "beat", "jobs", "--watch", "--json"]) == 130
    told = capsys.readouterr()
    assert [json.loads(line)["jobName"] for line in told.out.splitlines()] == ["a.pdf", "b.pdf", "c.pdf"]
    assert "HTTP 503" in told.err


@pytest.mark.parametrize(
    ("options", "arguments", "code"),
    [
        ({"secret": "wrong"}, (), 4),
        ({"devices": []}, (), 3),
        ({"key": ""}, (), 2),
        ({}, ("historic", "../x"), 2),
        ({}, ("historic", "Jams", "--from", "2026-02-01", "--to", "2026-01-01"), 2),
    ],
)
def test_what_is_wrong_has_its_exit_code(
    tmp_path: Path, options: dict[str, Any], arguments: tuple[str, ...], code: int
) -> None:
    """A wrong secret, no press, no key, no name of a figure, an end before the beginning."""
    with live() as bench:
        config = a_config(tmp_path, bench, **options)
        assert main(["--config", str(config), "beat", *arguments]) == code


@pytest.mark.parametrize("arguments", [(), ("jobs",)])
def test_a_list_that_is_refused_is_told_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    """Nobody waits half a minute a press for a command to find out which of them is unknown."""
    with live() as bench:
        config = a_config(tmp_path, bench, devices=[*PRESSES, "49999999"])
        assert main(["--config", str(config), "beat", *arguments]) == 4
    assert (
        "49999999 (subCode 4000); where it is one of the presses, ask about each by --press" in capsys.readouterr().err
    )


def test_one_key_shows_its_half(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other is null."""
    with live() as bench:
        config = a_config(tmp_path, bench)
        config.write_text(config.read_text().replace("jobs_", "# "))
        assert main(["--config", str(config), "beat", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (len(told["presses"]), told["attempts"]) == (2, None)


def a_config(
    folder: Path, bench: Bench, *, key: str = "demo-key", secret: str = KEYS["api_secret"], devices: Any = PRESSES
) -> Path:
    """Write an agent.toml for the simulator."""
    (folder / "secret").write_text(secret)
    keys = f'key = "{key}"\nsecret_file = "secret"\njobs_key = "{key}"\njobs_secret_file = "secret"\n' if key else ""
    beat = f'[beat]\n{keys}base_url = "{bench.simulator.url}/printbeat"\ndevices = {json.dumps(list(devices))}\n'
    (folder / "agent.toml").write_text(f'[agent]\nstate_dir = "{folder / "state"}"\n{beat}')
    return folder / "agent.toml"
