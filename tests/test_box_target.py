"""Box as a destination: what a ticket asks for arrives once, and a job's end is what Box says of it, or is told."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import TicketError
from agent.job import JobOptions, JobState, Ticket
from tests.box_parts import FILE, FOLDER, MENU, BoxBench, box_bench
from tests.conftest import FakeClock

HELD = (JobState.PENDING_HELD, ("agent-outcome-unknown",))
UNCONFIRMED = (JobState.COMPLETED, ("queued-in-device", "agent-completion-unconfirmed"))
PASSED = (JobState.COMPLETED, ("job-completed-successfully",))
HOUR = 3600.0


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[BoxBench]:
    """Give a bench whose configuration names no folder."""
    with box_bench(tmp_path, clock) as it:
        yield it


def test_a_job_is_a_file_in_a_folder_of_its_own(bench: BoxBench) -> None:
    """With what the ticket asked for, and completed once its preflight has passed."""
    bench.accept(
        name="Menu", notes="on thick paper", flow="Posters", substrate="Silk 250", options=JobOptions(copies=3)
    )
    bench.run(0)
    assert bench.outcome() == (JobState.PROCESSING, ("job-interpreting",))
    bench.run()
    assert bench.outcome() == PASSED
    assert bench.job().message == "Box has it and its preflight has passed (2 pages)"
    assert bench.job().impressions_completed is None
    (folder,) = bench.folders()
    (file,) = folder["files"]
    assert folder["name"] == "Menu"
    assert file == {
        "id": bench.job().device_job_id,
        "name": "Menu.pdf",
        "sha256": hashlib.sha256(MENU).hexdigest(),
        "size": len(MENU),
        "status": "ok",
        "copies": 3,
        "notes": "on thick paper",
        "flow": "Posters",
        "substrate": "Silk 250",
    }


def test_a_preflight_that_fails_ends_the_job_with_what_it_said(bench: BoxBench) -> None:
    """It is the document's fault, and nothing is sent again."""
    bench.accept(document=MENU[:-20])
    bench.run()
    assert bench.outcome() == (JobState.ABORTED, ("document-format-error",))
    assert "The file is damaged or no PDF" in bench.job().message
    assert len(bench.files()) == 1


def test_a_folder_of_a_name_is_made_once(bench: BoxBench) -> None:
    """The agent remembers it, since Box lists none."""
    for number in range(3):
        bench.accept(f"menu-{number}", folder="Menus")
        bench.run()
    assert [(folder["name"], len(folder["files"])) for folder in bench.folders()] == [("Menus", 3)]


def test_a_folder_may_be_named_by_its_id(bench: BoxBench) -> None:
    """And then none is made."""
    folder = bench.simulator.box.shelf.add_folder("Theirs", sender="", recipient="")
    bench.accept(folder=folder.id)
    bench.run()
    assert [(folder["name"], len(folder["files"])) for folder in bench.folders()] == [("Theirs", 1)]


def test_a_folder_that_is_gone_is_made_anew(bench: BoxBench) -> None:
    """Somebody has deleted it in Box; the job waits for the new one."""
    bench.accept("first", folder="Menus")
    bench.run()
    bench.simulator.box.shelf.drop_folder(bench.folders()[0]["id"])
    bench.accept("second", folder="Menus")
    bench.run(120)
    assert bench.outcome("second") == PASSED
    assert [(folder["name"], len(folder["files"])) for folder in bench.folders()] == [("Menus", 1)]


def test_what_box_refuses_is_not_sent_again(bench: BoxBench) -> None:
    """The job tells why."""
    bench.accept(flow="Nowhere")
    bench.run(HOUR)
    assert bench.outcome() == (JobState.ABORTED, ("aborted-by-system",))
    assert "there is no flow Nowhere" in bench.job().message
    assert bench.files() == []


@pytest.mark.parametrize("when", ["before", "middle", "after"])
@pytest.mark.parametrize("call", [("POST", FOLDER), ("GET", f"{FILE}/uploadurls"), ("PUT", "/s3/.*")])
def test_what_comes_before_the_file_is_done_again(bench: BoxBench, call: tuple[str, str], when: str) -> None:
    """Wherever the connection ends: an empty folder more is all that can be left of it."""
    bench.fault(*call, when=when)
    bench.accept()
    bench.run(120)
    assert bench.outcome() == PASSED
    assert [file["sha256"] for file in bench.files()] == [hashlib.sha256(MENU).hexdigest()]


@pytest.mark.parametrize("status", [429, 503])
def test_a_file_that_box_had_no_time_for_comes_later(bench: BoxBench, status: int) -> None:
    """After the pause that it asked for."""
    bench.fault("POST", FILE, status=status, headers={"Retry-After": "40"})
    bench.accept()
    bench.run(30)
    assert bench.files() == []
    bench.run(120)
    assert bench.outcome() == PASSED
    assert len(bench.files()) == 1


def test_what_never_left_whole_uses_no_other_folder(bench: BoxBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is gone after the upload, before the request that counts: it goes on where it was."""
    with monkeypatch.context() as patched:
        patched.setattr(bench.memory, "add_file", breaking)
        bench.accept()
        bench.run(5)
    assert [folder["files"] for folder in bench.folders()] == [[]]
    bench.run(120)
    assert (bench.outcome(), [len(folder["files"]) for folder in bench.folders()]) == (PASSED, [1])


def breaking(*_arguments: Any, **_named: Any) -> None:
    """End the connection."""
    raise ConnectionResetError("the network is gone")


def test_a_file_that_may_have_arrived_is_never_sent_again(bench: BoxBench) -> None:
    """That its folder shows none proves nothing: a person is told, and decides."""
    bench.fault("POST", FILE, when="before")
    bench.accept()
    bench.run(HOUR)
    assert bench.outcome() == HELD
    assert "Box shows no file of this job" in bench.job().message
    assert "look in Box, then confirm or reprint" in bench.job().message
    assert bench.files() == []


def test_a_lost_answer_is_settled_by_the_folder_of_the_job(bench: BoxBench) -> None:
    """One file is in it: it has arrived, though nobody can ask for its preflight."""
    bench.fault("POST", FILE, when="after")
    bench.accept()
    bench.run(60)
    assert bench.outcome() == UNCONFIRMED
    assert len(bench.files()) == 1


def test_a_folder_of_a_job_that_is_gone_is_made_anew(bench: BoxBench) -> None:
    """Somebody deleted it before the file was there."""
    fault = bench.fault("PUT", "/s3/.*", when="before")
    bench.accept()
    bench.run(0)
    assert fault.met.is_set()
    bench.simulator.box.shelf.drop_folder(bench.folders()[0]["id"])
    bench.run(120)
    assert bench.outcome() == PASSED
    assert [len(folder["files"]) for folder in bench.folders()] == [1]


def test_a_folder_that_is_not_there_is_the_tickets_fault(bench: BoxBench) -> None:
    """Of an id that the agent did not make, it makes nothing."""
    bench.accept(folder="0" * 24)
    bench.run(HOUR)
    assert bench.outcome() == (JobState.ABORTED, ("aborted-by-system",))
    assert bench.folders() == []


def test_folders_whose_answer_is_lost_are_made_ever_more_rarely(bench: BoxBench) -> None:
    """Each may leave an empty one behind."""
    for _ in range(50):
        bench.fault("POST", FOLDER, when="after")
    bench.accept()
    bench.run(HOUR)
    assert bench.job().state is JobState.PENDING
    assert len(bench.folders()) < 25


def test_one_folder_whose_answer_is_lost_costs_seconds_however_long_the_job_has_waited(bench: BoxBench) -> None:
    """What counts is how many answers were lost, not how often Box could not be reached."""
    for _ in range(20):
        bench.fault("POST", FOLDER, status=500)
    bench.accept()
    bench.run(HOUR / 3)
    bench.fault("POST", FOLDER, when="after")
    tries = bench.job().attempts
    bench.dispatcher.printer_is_back("box")
    bench.run(10)
    assert (bench.outcome(), tries > 10) == (PASSED, True)


@pytest.mark.parametrize("folder", ["", "Menus"])
def test_a_lost_answer_is_settled_by_what_a_folder_lists(bench: BoxBench, folder: str) -> None:
    """The file is known by where it came from, and its preflight followed."""
    bench.simulator.box.lists_files = True
    bench.accept("other", folder="Menus")
    bench.run()
    bench.fault("POST", FILE, when="after")
    bench.accept(folder=folder)
    bench.run(60)
    assert bench.outcome() == PASSED
    assert bench.job().device_job_id == bench.files()[-1]["id"]


def test_a_lost_answer_in_a_common_folder_is_a_persons_to_settle(bench: BoxBench) -> None:
    """How many files it has says nothing of this one."""
    bench.fault("POST", FILE, when="after")
    bench.accept(folder="Menus")
    bench.run(HOUR)
    assert bench.outcome() == HELD
    assert len(bench.files()) == 1


@pytest.mark.parametrize("status", [408, 500, 502, 504])
def test_a_failure_of_the_server_may_hide_a_file(bench: BoxBench, status: int) -> None:
    """A gateway that gave up waiting knows nothing of what came of it."""
    bench.fault("POST", FILE, status=status)
    bench.accept()
    bench.run(HOUR)
    assert bench.outcome() == HELD


def test_a_reprint_is_a_file_in_another_folder(bench: BoxBench) -> None:
    """So that the first, should it come late, is not taken for it."""
    bench.fault("POST", FILE, when="before")
    bench.accept()
    bench.run(60)
    bench.parts.spool.reprint("menu", attempts=1)
    bench.run(60)
    assert bench.outcome() == PASSED
    assert [len(folder["files"]) for folder in bench.folders()] == [0, 1]


def test_a_key_that_is_refused_holds_jobs_up_and_loses_none(bench: BoxBench) -> None:
    """Whoever mends the key need not send anything again."""
    secrets, bench.simulator.signatures.secrets = bench.simulator.signatures.secrets, {}
    bench.accept()
    bench.run(600)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))
    assert "the key is unknown" in bench.job().message
    bench.simulator.signatures.secrets = secrets
    bench.run(120)
    assert bench.outcome() == PASSED


def test_an_outage_in_the_middle_of_a_preflight_is_waited_for(bench: BoxBench) -> None:
    """What is in Box stays there."""
    bench.accept()
    bench.run(0)
    bench.simulator.cloud.begin_outage(600, dropping=True)
    bench.run(300)
    assert bench.outcome() == (JobState.PROCESSING, ("job-interpreting", "agent-printer-unreachable"))
    bench.run(600)
    assert bench.outcome() == PASSED


def test_a_cancel_before_the_file_is_made_is_one(bench: BoxBench) -> None:
    """Nothing is in Box."""
    fault = bench.fault("PUT", "/s3/.*", status=503)
    bench.accept()
    bench.run(0)
    assert fault.met.is_set()
    bench.parts.spool.cancel("menu")
    bench.run(HOUR)
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-user",))
    assert bench.files() == []


def test_a_cancel_breaks_off_a_document_on_its_way(bench: BoxBench) -> None:
    """It has left, and is not yet a file: nothing is in Box."""
    fault = bench.fault("PUT", "/s3/.*", when="hold-before")
    bench.accept()
    thread = threading.Thread(target=bench.dispatcher.step)
    thread.start()
    assert fault.met.wait(20)
    bench.parts.spool.cancel("menu")
    thread.join(20)
    fault.let_go.set()
    assert bench.outcome() == (JobState.CANCELED, ("job-canceled-by-user",))
    bench.run(HOUR)
    assert bench.files() == []


def test_a_cancel_afterwards_claims_nothing(bench: BoxBench) -> None:
    """Box takes back no file: the job ends as it would have."""
    bench.accept()
    bench.run(0)
    bench.parts.spool.cancel("menu")
    bench.run(60)
    assert bench.outcome() == PASSED
    assert len(bench.files()) == 1


def test_a_cancel_that_box_cannot_hear_of_is_not_believed(bench: BoxBench) -> None:
    """A printer that is off prints nothing; Box has it."""
    bench.accept()
    bench.run(0)
    bench.simulator.cloud.begin_outage(600, dropping=True)
    bench.parts.spool.cancel("menu")
    bench.run(60)
    assert bench.job().state is JobState.PROCESSING
    bench.run(900)
    assert bench.outcome() == PASSED


def test_a_preflight_is_followed_for_a_while(tmp_path: Path, clock: FakeClock) -> None:
    """Then the job tells that Box has it and that nobody knows more."""
    with box_bench(tmp_path, clock, preflight_seconds=60) as bench:
        bench.simulator.box.shelf.preflight_seconds = HOUR
        bench.accept()
        bench.run(50)
        assert bench.outcome() == (JobState.PROCESSING, ("job-interpreting",))
        bench.run(60)
        assert bench.outcome() == UNCONFIRMED
        assert "it had not ended in time (Preflighting, pending)" in bench.job().message


def test_a_long_preflight_is_looked_at_ever_more_rarely(bench: BoxBench) -> None:
    """HP's services count requests, and there may be hundreds of files."""
    bench.simulator.box.shelf.preflight_seconds = 1800
    bench.accept()
    bench.run(0)
    before = bench.simulator.box.calls
    bench.run(1790)
    assert bench.job().state is JobState.PROCESSING
    assert 30 < bench.simulator.box.calls - before < 50
    bench.run(90)
    assert bench.outcome() == PASSED


def test_patience_that_box_asks_for_is_had_with_all_files(bench: BoxBench) -> None:
    """One is answered 429, and none is looked at for as long as that says."""
    bench.simulator.box.shelf.preflight_seconds = 30
    for number in range(3):
        bench.accept(f"menu-{number}")
    bench.run(1)
    bench.fault("GET", f"{FILE}/[0-9a-f]*", status=429, headers={"Retry-After": "100"})
    bench.run(10)
    before = bench.simulator.box.calls
    bench.run(80)
    assert bench.simulator.box.calls == before
    bench.run(60)
    assert {bench.outcome(f"menu-{number}") for number in range(3)} == {PASSED}


def test_a_restart_follows_on(bench: BoxBench) -> None:
    """The file's id is on the disk."""
    bench.accept()
    bench.run(0)
    bench.restart()
    bench.run(60)
    assert bench.outcome() == PASSED
    assert len(bench.files()) == 1


def test_the_configuration_names_a_folder_and_who_it_is_from(tmp_path: Path, clock: FakeClock) -> None:
    """For tickets that name none."""
    with box_bench(tmp_path, clock, folder="Site 7", sender="site7@example.com", recipient="Press room") as bench:
        bench.accept()
        bench.run()
        (folder,) = bench.simulator.box.shelf.folders()
    assert (folder.name, folder.sender, folder.recipient) == ("Site 7", "site7@example.com", "Press room")


def test_a_pin_hides_the_name(bench: BoxBench) -> None:
    """In Box as in a printer's list."""
    bench.accept(name="Salaries", pin="1234")
    bench.parts.spool.release("menu", pin="1234")
    bench.run()
    assert [(folder["name"], folder["files"][0]["name"]) for folder in bench.folders()] == [("menu", "menu.pdf")]


def test_what_box_cannot_be_told_is_left_out_where_that_may_be(bench: BoxBench) -> None:
    """And the job says so."""
    bench.accept(options=JobOptions(copies=2, sides="two-sided-long-edge"), fidelity="best-effort")
    bench.run()
    assert bench.outcome() == (JobState.COMPLETED, ("job-completed-successfully", "agent-option-ignored"))
    assert bench.files()[0]["copies"] == 2


def test_settings_name_what_an_answer_calls_its_urls(tmp_path: Path, clock: FakeClock) -> None:
    """Wrong ones hold jobs up and say what there is; right ones are followed."""
    with box_bench(tmp_path / "wrong", clock, upload_url_key="nothing") as bench:
        bench.accept()
        bench.run(60)
        assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))
        assert "uploadUrl, fetchUrl" in bench.job().message
    with box_bench(tmp_path / "right", clock, upload_url_key="uploadUrl", fetch_url_key="fetchUrl") as bench:
        bench.accept()
        bench.run()
        assert bench.outcome() == PASSED


def test_where_there_are_no_upload_urls_jobs_wait(bench: BoxBench) -> None:
    """A wrong box.base_url is no fault of theirs."""
    bench.fault("GET", f"{FILE}/uploadurls", status=404)
    bench.accept()
    bench.run(0.5)
    assert bench.outcome() == (JobState.PENDING, ("agent-printer-unreachable",))
    assert "box.base_url" in bench.job().message
    bench.run(60)
    assert bench.outcome() == PASSED


@pytest.mark.parametrize("options", [{"sides": "one-sided"}, {"media": "iso_a4_210x297mm", "copies": 2}])
def test_what_box_cannot_be_told_is_refused_at_once(bench: BoxBench, options: dict[str, Any]) -> None:
    """A strict ticket means what it says; one that asks for the best effort is taken."""
    ticket = Ticket(printer="", destination="box", options=JobOptions(**options))
    with pytest.raises(TicketError, match="Box can't be told"):
        bench.target.check(ticket)
    bench.target.check(Ticket(printer="", destination="box", options=JobOptions(**options), fidelity="best-effort"))
    bench.target.check(Ticket(printer="", destination="box", options=JobOptions(copies=9)))
