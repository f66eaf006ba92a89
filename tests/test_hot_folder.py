from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from agent.hot_folder import HotFolder
from agent.hot_folder_journal import HotFolderJournal
from agent.hot_folders import HotFolders
from agent.job import JobState
from tests.conftest import FakeClock
from tests.disks import make_read_only, small_disk
from tests.hot_folder_parts import DOCUMENT, SETTLE_SECONDS, Hot, hot_folder

JDF = '<JDF Version="1.3" DescriptiveName="Brochure"><ComponentLink Usage="Output" Amount="{copies}"/>{more}</JDF>'


@pytest.fixture
def hot(tmp_path: Path, clock: FakeClock) -> Iterator[Hot]:
    """Give a hot folder that has been looked into once."""
    with hot_folder(tmp_path / "state", tmp_path / "hot", clock, wait_seconds=600) as it:
        it.look()
        yield it


def names_of(hot: Hot) -> list[str | None]:
    """Name the jobs."""
    return [job.name for job in hot.jobs()]


def test_a_file_becomes_one_job_and_is_put_away_when_that_is_printed(hot: Hot) -> None:
    """It is `processing` until then, and the document of the job is what was dropped."""
    hot.drop("Order 17.pdf")
    hot.settle()
    (job,) = hot.jobs()
    assert (job.name, job.printer_id, job.publisher, job.document.format) == ("Order 17", "p", None, "application/pdf")
    assert job.document.path.read_bytes() == DOCUMENT
    assert (hot.names(), hot.names("done")) == ([], [])
    hot.print_all()
    hot.look()
    assert (hot.names("done"), list((hot.path / "processing").iterdir())) == (["Order 17.pdf"], [])


def test_a_file_that_still_changes_is_left_alone(hot: Hot) -> None:
    """Its size and its time must stay for a while, whatever that time is: it may lie in the future."""
    file = hot.drop("order.pdf", b"")
    for piece in (b"%PDF-1.4 ", b"half of it ", b"%%EOF"):
        hot.look(SETTLE_SECONDS - 1)
        file.write_bytes(file.read_bytes() + piece)
        os.utime(file, (4e9, 4e9))
    hot.look(SETTLE_SECONDS - 1)
    assert hot.jobs() == []
    hot.look(SETTLE_SECONDS)
    assert [job.document.path.read_bytes() for job in hot.jobs()] == [b"%PDF-1.4 half of it %%EOF"]


def test_a_file_that_was_renamed_into_place_waits_as_any_other(hot: Hot) -> None:
    """Under its temporary name it is nobody's."""
    file = hot.drop("order.pdf.part")
    hot.look(60)
    file.rename(hot.path / "order.pdf")
    hot.look()
    assert hot.jobs() == []
    hot.look(SETTLE_SECONDS)
    assert names_of(hot) == ["order"]


def test_a_file_that_a_program_here_writes_to_is_left_alone(hot: Hot) -> None:
    """As Samba does on this box, however long nothing comes; who only reads disturbs nobody."""
    file = hot.drop("order.pdf")
    with file.open("ab"):
        hot.look()
        hot.look(3600)
        assert hot.jobs() == []
    with file.open("rb"):
        hot.look()
    assert names_of(hot) == ["order"]


@pytest.mark.parametrize("content", [b"", b"%PDF-1.4 half", bytes(5000), b"%PDF-1.4" + bytes(5000)])
def test_a_document_that_is_not_whole_waits_and_is_refused_in_the_end(hot: Hot, content: bytes) -> None:
    """Shares make room first, so that a file has its size and not its content."""
    file = hot.drop("order.pdf", content)
    hot.settle()
    hot.look(599 - SETTLE_SECONDS)
    assert (hot.jobs(), hot.names()) == ([], ["order.pdf"])
    hot.look(1)
    hot.look()
    assert (hot.jobs(), hot.names("failed")) == ([], ["order.pdf", "order.pdf.txt"])
    assert not file.exists()
    assert "order.pdf was not printed.\nit is not whole: " in hot.reason("order.pdf")


def test_files_are_taken_in_the_order_in_which_they_came(hot: Hot) -> None:
    """Of those that were there at once, the oldest first."""
    for name, at in (("b.pdf", 1000), ("a.pdf", 2000), ("c.pdf", 500)):
        os.utime(hot.drop(name), (at, at))
    hot.look()
    hot.drop("0.pdf")
    hot.settle()
    assert names_of(hot) == ["c", "b", "a", "0"]


def test_many_files_at_once_are_taken_a_few_at_a_time(hot: Hot) -> None:
    """So that another folder has its turn, without a pause."""
    for number in range(120):
        hot.drop(f"{number}.pdf")
    hot.look()
    hot.clock.advance(SETTLE_SECONDS)
    assert [hot.folder.look() for _ in range(3)] == [True, True, False]
    assert len(set(names_of(hot))) == 120


def test_folders_take_turns_and_one_that_fails_keeps_no_other_from_its_own(hot: Hot) -> None:
    """Whatever goes wrong in one, the next step is the other's."""

    class Broken:
        path = Path("/broken")

        def look(self) -> bool:
            raise RuntimeError("a mistake of ours")

    journal = HotFolderJournal(hot.parts.store, now=hot.clock)
    folders = HotFolders([cast("HotFolder", Broken()), hot.folder], journal=journal)
    hot.drop("order.pdf")
    for _ in range(2):
        with pytest.raises(RuntimeError):
            folders.step()
        assert folders.step() == 0.5
        hot.clock.advance(SETTLE_SECONDS)
    assert names_of(hot) == ["order"]


def test_the_same_file_dropped_again_is_another_job_and_overwrites_nothing(hot: Hot) -> None:
    """Whoever copies it a second time wants it printed a second time."""
    for content in (DOCUMENT, DOCUMENT, DOCUMENT + b"%%EOF"):
        hot.drop("order.pdf", content)
        hot.settle()
        hot.print_all()
        hot.look()
    assert len(hot.jobs()) == 3
    assert hot.names("done") == ["order (2).pdf", "order (3).pdf", "order.pdf"]


@pytest.mark.parametrize("name", ["notes.txt", "order.docx", "order.pdf"])
def test_what_is_no_document_fails_and_a_person_is_told_why(hot: Hot, name: str) -> None:
    """By what it begins with, not by its name."""
    hot.drop(name, b"PK\x03\x04 of another kind" if name != "notes.txt" else b"remember the milk")
    hot.settle()
    hot.look()
    assert (hot.jobs(), hot.names("failed")) == ([], [name, f"{name}.txt"])
    assert "no document that is printed from a hot folder" in hot.reason(name)
    (event,) = hot.events()
    assert (event["type"], event["file"], event["printer"]) == ("hot-folder-refused", name, "p")


def test_neither_folders_nor_links_nor_pipes_are_taken(hot: Hot, tmp_path: Path) -> None:
    """A link could lead to what its maker may not read."""
    (tmp_path / "secret.pdf").write_bytes(DOCUMENT)
    (hot.path / "link.pdf").symlink_to(tmp_path / "secret.pdf")
    (hot.path / "folder.pdf").mkdir()
    os.mkfifo(hot.path / "pipe.pdf")
    hot.settle()
    assert hot.jobs() == []


def test_a_hostile_name_is_harmless(hot: Hot) -> None:
    """It is no UTF-8, has a line break in it, or is as long as a name can be."""
    names = [os.fsdecode(b"caf\xe9\n\x1b[2J.pdf"), "ö" * 125 + ".pdf", "-rf.pdf", "a'b\";$(x).pdf"]
    for name in names:
        hot.drop(name)
    hot.settle()
    hot.print_all()
    hot.look()
    assert all(job.name and job.name.isprintable() for job in hot.jobs())
    assert len(hot.names("done")) == len(names)


def test_a_job_that_its_printer_refuses_goes_to_failed_with_the_reason(hot: Hot) -> None:
    """In plain words beside it."""
    hot.drop("order.pdf")
    hot.settle()
    hot.reject("the printer can't print application/pdf")
    hot.look()
    assert hot.names("failed") == ["order.pdf", "order.pdf.txt"]
    assert "the printer can't print application/pdf" in hot.reason("order.pdf")
    assert hot.jobs()[0].id in hot.reason("order.pdf")


def test_a_job_that_is_cancelled_goes_to_failed(hot: Hot) -> None:
    """`done` has what was printed, and nothing else."""
    hot.drop("order.pdf")
    hot.settle()
    hot.parts.spool.cancel(hot.jobs()[0].id)
    hot.look()
    assert "was cancelled" in hot.reason("order.pdf")


def test_a_file_of_unknown_outcome_stays_until_a_person_says(hot: Hot) -> None:
    """It is neither done nor failed."""
    hot.drop("order.pdf")
    hot.settle()
    job = hot.parts.spool.attempts.claim()
    assert job is not None
    hot.parts.spool.attempts.journal(job, beat=lambda: None).sending()
    hot.parts.spool.attempts.hold_unknown(job.id, "no answer")
    hot.look()
    assert (hot.names("done"), hot.names("failed")) == ([], [])
    hot.parts.spool.confirm(job.id, attempts=1)
    hot.look()
    assert hot.names("done") == ["order.pdf"]


def test_a_jdf_says_how_its_document_is_printed(hot: Hot) -> None:
    """Both are taken together, whichever came first, and put away together."""
    hot.drop("order.jdf", JDF.format(copies=3, more='<DigitalPrintingParams Sides="TwoSidedFlipY"/>'))
    hot.look(SETTLE_SECONDS)
    hot.drop("Order.pdf")
    hot.settle()
    (job,) = hot.jobs()
    assert (job.name, job.options.copies, job.options.sides) == ("Brochure", 3, "two-sided-long-edge")
    assert job.fidelity == "strict"
    hot.print_all()
    hot.look()
    assert hot.names("done") == ["Order.pdf", "order.jdf"]


def test_a_jdf_that_comes_a_moment_after_the_document_that_it_names_is_not_missed(hot: Hot) -> None:
    """Until it is read nobody knows which document is its."""
    hot.drop("artwork.pdf")
    hot.look()
    hot.look(SETTLE_SECONDS - 1)
    hot.drop("order.jdf", JDF.format(copies=2, more='<RunList><FileSpec URL="file:///out/artwork.pdf"/></RunList>'))
    hot.look(1)
    hot.look(SETTLE_SECONDS)
    assert [(job.name, job.options.copies) for job in hot.jobs()] == [("Brochure", 2)]


def test_a_document_waits_for_a_jdf_only_where_it_is_told_to(tmp_path: Path, clock: FakeClock) -> None:
    """A site where each has one says for how long; then it is printed without."""
    with hot_folder(tmp_path / "state", tmp_path / "hot", clock, jdf_wait_seconds=30) as hot:
        hot.look()
        hot.drop("order.pdf")
        hot.settle()
        hot.look(29)
        assert hot.jobs() == []
        hot.look(1)
        assert names_of(hot) == ["order"]


def test_a_jdf_without_a_document_fails_in_the_end(hot: Hot) -> None:
    """It has waited for it."""
    hot.drop("order.jdf", JDF.format(copies=3, more=""))
    hot.settle()
    hot.look(595)
    hot.look()
    assert "did not come within 600 s" in hot.reason("order.jdf")


@pytest.mark.parametrize(
    "ticket", ["<JDF", JDF.format(copies=0, more=""), JDF.format(copies=3, more='<RunList Pages="x"/>')]
)
def test_a_document_whose_jdf_is_wrong_is_not_printed(hot: Hot, ticket: str) -> None:
    """Both fail, with the reason beside the document."""
    hot.drop("order.jdf", ticket)
    hot.drop("order.pdf")
    hot.settle()
    hot.look()
    assert (hot.jobs(), hot.names("failed")) == ([], ["order.jdf", "order.pdf", "order.pdf.txt"])


def test_while_the_spool_is_full_files_stay_and_are_tried_again(tmp_path: Path, clock: FakeClock) -> None:
    """One is taken and waits, the others are not touched; what it waits for is told once."""
    large = b"%PDF-1.4 " + bytes(700_000) + b"%%EOF"
    with hot_folder(tmp_path / "state", tmp_path / "hot", clock, max_bytes=1 << 20, max_job_bytes=1 << 20) as hot:
        hot.look()
        for number in range(3):
            hot.drop(f"{number}.pdf", large)
        hot.settle()
        hot.look(1)
        assert (len(hot.jobs()), len(hot.names())) == (1, 1)
        (event,) = hot.events()
        assert "no room" in event["message"]
        for _ in range(3):
            hot.print_all()
            hot.look(1)
        assert (len(hot.jobs()), hot.names("done")) == (3, ["0.pdf", "1.pdf", "2.pdf"])
        assert [event["type"] for event in hot.events()] == ["hot-folder-back"]


def test_a_document_that_is_too_large_fails(tmp_path: Path, clock: FakeClock) -> None:
    """It would never fit."""
    with hot_folder(tmp_path / "state", tmp_path / "hot", clock, max_job_bytes=1024) as hot:
        hot.look()
        hot.drop("order.pdf", b"%PDF-1.4 " + bytes(2000) + b"%%EOF")
        hot.settle()
        hot.look()
        assert "a job may have 1024" in hot.reason("order.pdf")


def test_files_wait_for_a_printer_that_has_not_been_met(hot: Hot) -> None:
    """They are not touched until there is somewhere to print them."""
    printer, hot.printer = hot.printer, None
    hot.drop("order.pdf")
    hot.settle()
    assert (hot.names(), hot.folder.to_json()["problem"]) == (["order.pdf"], "its printer has not been found yet")
    hot.printer = printer
    hot.look()
    assert names_of(hot) == ["order"]


def test_from_a_share_that_can_t_be_written_nothing_is_printed(tmp_path: Path, clock: FakeClock) -> None:
    """A file that can't be moved away would be printed again and again; it is told, and printed when that is mended."""
    with small_disk(tmp_path / "hot") as path, hot_folder(tmp_path / "state", path, clock) as hot:
        hot.look()
        hot.drop("order.pdf")
        make_read_only(path)
        hot.settle()
        assert hot.jobs() == []
        (event,) = hot.events()
        assert (event["type"], event["folder"]) == ("hot-folder-trouble", str(path))
        assert event["message"].startswith("can't be written")


def test_a_share_that_is_mounted_later_is_seen(tmp_path: Path, clock: FakeClock) -> None:
    """Until then it is told, once, and nothing else happens."""
    with hot_folder(tmp_path / "state", tmp_path / "mnt" / "hot", clock) as hot:
        hot.look()
        hot.look(60)
        assert [event["type"] for event in hot.events()] == ["hot-folder-trouble"]
        (tmp_path / "mnt").mkdir()
        hot.look(60)
        assert [event["type"] for event in hot.events()] == ["hot-folder-back"]
        hot.drop("order.pdf")
        hot.settle()
        assert names_of(hot) == ["order"]


def test_a_share_that_goes_while_a_job_prints_is_tidied_up_when_it_is_back(hot: Hot, tmp_path: Path) -> None:
    """The job is printed from the spool, and remembered, however long the share is away."""
    hot.drop("order.pdf")
    hot.settle()
    hot.path.rename(tmp_path / "away")
    hot.print_all()
    hot.look()
    hot.look(6 * 86_400)
    assert "order.pdf was here and is gone" in hot.folder.to_json()["problem"]
    hot.path.rename(tmp_path / "the empty one")
    (tmp_path / "away").rename(hot.path)
    hot.look()
    assert (hot.names("done"), hot.folder.to_json()["problem"]) == (["order.pdf"], None)


def test_the_end_of_a_job_is_remembered_longer_than_the_job(hot: Hot) -> None:
    """The folder may be away, or the agent off, for as long as the spool remembers jobs, and longer."""
    hot.drop("order.pdf")
    hot.settle()
    hot.print_all()
    hot.clock.advance(30 * 86_400)
    hot.parts.spool.prune()
    hot.look()
    assert (hot.jobs(), hot.names("done")) == ([], ["order.pdf"])


def test_what_nobody_knows_of_is_told_and_left_alone(hot: Hot) -> None:
    """It may have been printed, by an agent whose state is lost; others are taken all the same."""
    stranger = hot.path / "processing" / "0123456789abcdef"
    stranger.mkdir()
    (stranger / "order.pdf").write_bytes(DOCUMENT)
    hot.drop("other.pdf")
    hot.settle()
    assert names_of(hot) == ["other"]
    assert "knows nothing of processing/0123456789abcdef" in hot.folder.to_json()["problem"]
    assert (stranger / "order.pdf").exists()


def test_a_link_in_the_place_of_a_folder_is_not_followed(hot: Hot, tmp_path: Path) -> None:
    """Whoever may write to the share could lead us anywhere."""
    (hot.path / "done").rmdir()
    (hot.path / "done").symlink_to(tmp_path)
    hot.drop("order.pdf")
    hot.settle()
    assert (hot.jobs(), hot.folder.to_json()["waiting"]) == ([], 0)
    assert hot.folder.to_json()["problem"] is not None


def test_what_was_printed_long_ago_is_removed_and_what_others_put_there_is_not(hot: Hot) -> None:
    """After `keep` seconds; what failed stays for people."""
    for name in ("order.pdf", "notes.txt"):
        hot.drop(name, DOCUMENT if name == "order.pdf" else b"notes")
    hot.settle()
    hot.print_all()
    hot.look()
    (hot.path / "done" / "mine.pdf").write_bytes(DOCUMENT)
    hot.look(3599)
    assert hot.names("done") == ["mine.pdf", "order.pdf"]
    hot.look(60)
    assert (hot.names("done"), hot.names("failed")) == (["mine.pdf"], ["notes.txt", "notes.txt.txt"])


def test_what_is_put_away_takes_no_more_than_it_may(tmp_path: Path, clock: FakeClock) -> None:
    """The oldest goes first, what failed last."""
    with hot_folder(tmp_path / "state", tmp_path / "hot", clock, keep_bytes=3 * len(DOCUMENT)) as hot:
        hot.look()
        hot.drop("bad.pdf", b"PK\x03\x04" + bytes(len(DOCUMENT) - 4))
        for number in range(5):
            hot.drop(f"{number}.pdf")
            hot.settle()
            hot.print_all()
            hot.look(60)
        hot.look(60)
        assert (hot.names("done"), hot.names("failed")) == (["3.pdf", "4.pdf"], ["bad.pdf", "bad.pdf.txt"])


def test_its_state_tells_what_waits_and_what_came_of_the_last(hot: Hot) -> None:
    """For `status` and `printers show`."""
    hot.drop("order.pdf")
    hot.drop("half.pdf", b"%PDF-1.4")
    hot.settle()
    told = hot.folder.to_json()
    assert told | {"folder": ""} == {
        "printer": "p", "name": "press", "folder": "", "problem": None, "waiting": 1, "in_process": 1, "last": None,
    }  # fmt: skip
    hot.print_all()
    hot.look()
    last = hot.folder.to_json()["last"]
    assert (last["file"], last["state"], last["job"]) == ("order.pdf", JobState.COMPLETED.keyword, hot.jobs()[0].id)
