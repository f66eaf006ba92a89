"""Messages to jobs: what was published is on the disk before it is acknowledged, or refused and told."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from agent.answers import Answers
from agent.destinations import Destinations, Place
from agent.document_reference import Reference
from agent.errors import AgentError, ConflictError, NotFoundError, StorageError, TicketError
from agent.fetch_policy import FetchPolicy
from agent.inbox import Inbox
from agent.loop import LONGEST_WAIT_SECONDS, backoff
from agent.model import Clock
from agent.mqtt_message import ConnectInfo, Inbound
from agent.spool import Spool
from agent.spool_deliveries import Delivery
from agent.ticket import ParsedTicket, parse_ticket

log = logging.getLogger(__name__)

GROUP_LIMIT = 16
"""Messages that become durable in one commit; it holds the store while their documents are fsynced."""

ROOM_CHECK_SECONDS = 5.0
ROOM_CHECK_CEILING_SECONDS = 60.0


def print_topics(base_topic: str) -> tuple[str, ...]:
    """Give the filters of the topics that tickets come by."""
    return tuple(f"{base_topic}/{rest}" for rest in ("print", "print/+", "printers/+/print", "printers/+/print/+"))


class Intake:
    """The service between the ticket session and the spool.

    While spool or disk is full it stays away from the broker, which keeps what was not acknowledged and what comes.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        answers: Answers,
        fetch_policy: FetchPolicy,
        destinations: Destinations,
        base_topic: str,
        inbox: Inbox,
        ack: Callable[[Inbound], object],
        leave: Callable[[str], None],
        rejoin: Callable[[], None],
        now: Clock,
    ) -> None:
        self._spool = spool
        self._answers = answers
        self._fetch_policy = fetch_policy
        self._destinations = destinations
        self._base_topic = base_topic
        self._inbox = inbox
        self._ack = ack
        self._leave = leave
        self._rejoin = rejoin
        self._now = now
        self._is_away = False
        self._absences = 0
        self._has_dropped = False
        self._has_new_session = False

    @property
    def is_away(self) -> bool:
        """Whether it stays away from the broker for want of room."""
        return self._is_away

    def receive(self, message: Inbound) -> None:
        """Take a message over from the broker's thread, which waits while too much waits here."""
        if not self._inbox.put(message) and not self._is_away:
            self._has_dropped = True

    def connected(self, info: ConnectInfo) -> None:
        """Hear of a connection: the packet identifiers of a session that is gone mean nothing in the new one."""
        if not info.session_present:
            self._has_new_session = True
        self._spool.outages.link_up(session_present=info.session_present)

    def disconnected(self) -> None:
        """Hear that the connection is gone."""
        self._spool.outages.link_down()

    def step(self) -> float:
        """Take in what waits; gives the seconds until the next step is due."""
        self._answers.settle_log()
        if self._is_away:
            return self._return_when_there_is_room()
        messages = self._inbox.take(GROUP_LIMIT)
        try:
            settled, shortage = self._settle(messages)
        except StorageError as error:
            return self._go_away(str(error))
        except Exception as error:
            self._go_away(f"a mistake of ours: {error!r}")
            raise
        finally:
            self._inbox.release(messages)
        for message in settled:
            self._ack(message)
        if shortage or self._has_dropped:
            return self._go_away(shortage or "the disk is too slow for what comes")
        self._absences = 0 if settled else self._absences
        return 0.0 if messages else LONGEST_WAIT_SECONDS

    def _settle(self, messages: Sequence[Inbound]) -> tuple[list[Inbound], str | None]:
        """Accept or refuse messages in one commit; gives those, and why the rest was left out."""
        settled: list[Inbound] = []
        shortage = None
        if self._has_new_session:
            self._spool.forget_deliveries()
            self._has_new_session = False
        if not messages:
            self._spool.outages.idle()
            return settled, shortage
        with self._spool.accept_group():
            for message in messages:
                try:
                    self._settle_one(message)
                except StorageError as error:
                    shortage = str(error)
                    break
                settled.append(message)
        return settled, shortage

    def _settle_one(self, message: Inbound) -> None:
        if not message.payload:
            return
        if message.retain and message.protocol == "5":
            self._answers.refuse_retained(message)
            return
        try:
            self._accept(message)
        except TicketError as error:
            self._answers.refuse(message, str(error), reason=error.reason, job_id=error.job_id)

    def _accept(self, message: Inbound) -> None:
        if message.problem:
            raise TicketError(message.problem)
        topic_printer, topic_user = self._named_by(message.topic)
        address = self._answers.address(message)
        parsed = parse_ticket(
            message.payload,
            content_type=message.content_type,
            user_properties=message.user_properties,
            topic_printer=topic_printer,
            topic_user=topic_user,
        )
        digest = parsed.digest_parts()
        if message.retain and self._spool.knows(parsed.ticket.id, digest):
            return
        if isinstance(parsed.document, Reference) and not self._spool.knows(parsed.ticket.id, digest):
            self._check_reference(parsed, parsed.document)
        place = self._place_of(parsed)
        left = message.message_expiry
        try:
            accepted = self._spool.accept(
                parsed.ticket,
                parsed.document,
                printer_id=place.id,
                document_format=parsed.document_format,
                digest_parts=digest,
                delivery=Delivery(message.packet_id, message.dup) if message.qos else None,
                response_topic=address.topic if address else None,
                correlation_data=address.correlation_data if address else None,
                expires_at=None if left is None else self._now() + timedelta(seconds=left),
                publisher=topic_user or "",
                after_outage=self._spool.outages.consequence(parsed.ticket.created_at),
            )
        except ConflictError as error:
            raise _refusal(parsed, error, "agent-conflict") from error
        if accepted.is_new:
            log.info("job %s: accepted for %s (%s)", accepted.job.id, place.id, place.label)

    def _check_reference(self, parsed: ParsedTicket, reference: Reference) -> None:
        try:
            self._fetch_policy.check(reference)
        except TicketError as error:
            raise _refusal(parsed, error, error.reason) from error

    def _named_by(self, topic: str) -> tuple[str | None, str | None]:
        """Give the printer and the user that a topic names."""
        base = f"{self._base_topic}/"
        match topic.removeprefix(base).split("/") if topic.startswith(base) else []:
            case ["print"]:
                return None, None
            case ["print", user]:
                return None, user
            case ["printers", printer, "print"]:
                return printer, None
            case ["printers", printer, "print", user]:
                return printer, user
        raise TicketError("this is no topic for tickets")

    def _place_of(self, parsed: ParsedTicket) -> Place:
        ticket = parsed.ticket
        try:
            place = self._destinations.place_of(ticket)
            named = replace(ticket, printer=parsed.named_printer) if parsed.named_printer else ticket
            if self._destinations.place_of(named) != place:
                raise TicketError("printer: the ticket and the topic name different printers", job_id=ticket.id)
        except NotFoundError as error:
            raise _refusal(parsed, error, "agent-unknown-printer") from error
        return place

    def _go_away(self, reason: str) -> float:
        """Leave the broker and forget what is not on the disk: it is not acknowledged, and will come again."""
        self._is_away = True
        self._has_dropped = False
        self._absences += 1
        self._inbox.close()
        self._leave(f"tickets wait at the broker: {reason}")
        if self._absences == 1:
            log.warning("the ticket session leaves the broker, which keeps the tickets: %s", reason)
        return backoff(self._absences, base=ROOM_CHECK_SECONDS, ceiling=ROOM_CHECK_CEILING_SECONDS, spread=1.0)

    def _return_when_there_is_room(self) -> float:
        if not self._spool.has_room():
            return ROOM_CHECK_SECONDS
        self._is_away = False
        self._inbox.open()
        self._rejoin()
        log.info("the ticket session comes back")
        return 0.0


def _refusal(parsed: ParsedTicket, error: AgentError, reason: str) -> TicketError:
    return TicketError(str(error), reason=reason, job_id=parsed.ticket.id)
