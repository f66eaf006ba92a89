from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from agent.model import Event
from agent.outbox import UNRETAINED_LIMIT, Note, Outbox
from agent.store import Store
from tests.conftest import FakeClock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Give an open store."""
    store = Store(tmp_path / "agent.db")
    store.open()
    yield store
    store.close()


@pytest.fixture
def outbox(store: Store, clock: FakeClock) -> Outbox:
    """Give an open outbox."""
    outbox = Outbox(store, now=clock)
    outbox.open()
    return outbox


def payloads(outbox: Outbox) -> list[bytes]:
    """Read what waits."""
    return [note.payload for _, note in outbox.take(100)]


def test_notes_come_in_the_order_in_which_they_were_put_and_stay_until_done(outbox: Outbox) -> None:
    """Taking doesn't remove; `done` does."""
    first, second = Note("a", b"1"), Note("b", b"2", absolute=True, correlation_data=b"\x00\xff")
    outbox.put(first)
    outbox.put(second)
    taken = outbox.take(10)
    assert [note for _, note in taken] == [first, second]
    outbox.done([taken[0][0]])
    assert (payloads(outbox), outbox.depth()) == ([b"2"], 1)


def test_a_retained_note_replaces_an_unsent_one_to_the_same_topic(outbox: Outbox) -> None:
    """Only the newest state of a topic waits, behind what was put before it."""
    outbox.put(Note("jobs/1", b"pending", retain=True))
    outbox.put(Note("jobs/2", b"other", retain=True))
    outbox.put(Note("jobs/1", b"completed", retain=True))
    assert payloads(outbox) == [b"other", b"completed"]


def test_a_note_that_was_replaced_while_it_was_published_is_not_lost(outbox: Outbox) -> None:
    """`done` for a note that was taken removes that note, not the newer one to the same topic."""
    outbox.put(Note("jobs/1", b"pending", retain=True))
    taken = outbox.take(1)
    outbox.put(Note("jobs/1", b"completed", retain=True))
    outbox.done([taken[0][0]])
    assert payloads(outbox) == [b"completed"]


def test_the_same_topic_may_be_absolute_and_relative(outbox: Outbox) -> None:
    """A retained note replaces none that goes elsewhere, nor one that isn't retained."""
    outbox.put(Note("a", b"1", retain=True))
    outbox.put(Note("a", b"2", retain=True, absolute=True))
    outbox.put(Note("a", b"3"))
    assert payloads(outbox) == [b"1", b"2", b"3"]


def test_a_note_is_undone_with_the_state_that_it_tells_of(outbox: Outbox, store: Store) -> None:
    """A note put in a transaction that fails is never told, and nobody is woken for it."""
    woken: list[int] = []
    outbox.on_put = lambda: woken.append(1)
    with suppress(LookupError), store.transaction():
        outbox.put(Note("a", b"1"))
        raise LookupError
    assert (outbox.depth(), woken) == (0, [])


def test_whoever_waits_is_told_after_the_commit(outbox: Outbox, store: Store) -> None:
    """`on_put` runs when the note can be taken."""
    depths: list[int] = []
    outbox.on_put = lambda: depths.append(outbox.depth())
    with store.transaction():
        outbox.put(Note("a", b"1"))
        assert depths == []
    outbox.put(Note("b", b"2"))
    assert depths == [1, 2]


def test_an_outage_of_a_year_fills_no_disk(outbox: Outbox, store: Store) -> None:
    """Of the notes that aren't retained the newest 10,000 are kept; a retained one is never dropped."""
    outbox.put(Note("state", b"kept", retain=True))
    with store.transaction():
        for number in range(UNRETAINED_LIMIT + 50):
            outbox.put(Note("event", str(number).encode()))
    assert outbox.depth() == UNRETAINED_LIMIT + 1
    assert payloads(outbox)[:2] == [b"kept", b"50"]


def test_an_event_carries_its_type_and_time(outbox: Outbox) -> None:
    """An event is told on the topic of its type, with its facts."""
    outbox.put_event(Event("printer-lost", {"printer": "p"}))
    ((_, note),) = outbox.take(1)
    assert (note.topic, note.retain) == ("bridge/event/printer-lost", False)
    assert json.loads(note.payload) == {"printer": "p", "type": "printer-lost", "at": "2026-01-02T03:04:05Z"}
