"""The side of the broker: tickets and commands in, state out.

MQTT -> Intake -> Spool    MQTT -> Commands -> Operations    Outbox -> Relay -> MQTT
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent.answers import Answers
from agent.commands import Commands, command_topics
from agent.config_schema import Config
from agent.destinations import Destinations
from agent.fetch_policy import FetchPolicy
from agent.inbox import Inbox
from agent.intake import Intake, print_topics
from agent.model import utc_now
from agent.mqtt import BrokerSession
from agent.operations import Operations
from agent.outbox import Outbox
from agent.relay import Relay, offline_will
from agent.spool import Spool

TICKETS_IN_MEMORY_BYTES = 32 << 20
COMMANDS_IN_MEMORY_BYTES = 1 << 20
MQTT_LARGEST_PACKET_BYTES = 268_435_455


class MqttParts:
    """Two sessions, so that no heap of tickets holds up a command, and what takes from them and tells by them.

    Args:
        config: the whole of it.
        boot_id: of this life of the agent.
        spool: where tickets become jobs.
        outbox: what is told, and answered.
        operations: what commands do.
        destinations: what tickets may name.
        fetch_policy: which URLs they may name.
        info: gives what the agent says of itself at its start.
        health: gives what it says ever again.
        restate: puts retained topics into the outbox again.
    """

    def __init__(
        self,
        config: Config,
        *,
        boot_id: str,
        spool: Spool,
        outbox: Outbox,
        operations: Operations,
        destinations: Destinations,
        fetch_policy: FetchPolicy,
        info: Callable[[], Mapping[str, Any]],
        health: Callable[[], Mapping[str, Any]],
        restate: Callable[[bool], None],
    ) -> None:
        base = config.mqtt.base_topic
        answers = Answers(outbox=outbox, response_topics=config.mqtt.response_topics)
        self.ticket_inbox = Inbox(limit_bytes=TICKETS_IN_MEMORY_BYTES)
        self.command_inbox = Inbox(limit_bytes=COMMANDS_IN_MEMORY_BYTES)
        self.tickets = BrokerSession(
            client_id=f"printos-agent-{config.agent.id}",
            settings=config.mqtt,
            session_expiry_seconds=config.spool.max_age,
            maximum_packet_bytes=min(MQTT_LARGEST_PACKET_BYTES, config.spool.max_job_bytes * 4 // 3 + 65_536),
            subscriptions=print_topics(base),
            on_message=lambda message: self.intake.receive(message),
            on_connect=lambda info: self.intake.connected(info),
            on_disconnect=lambda: self.intake.disconnected(),
        )
        self.control_session = BrokerSession(
            client_id=f"printos-agent-{config.agent.id}-ctl",
            settings=config.mqtt,
            session_expiry_seconds=config.spool.max_age,
            maximum_packet_bytes=COMMANDS_IN_MEMORY_BYTES,
            subscriptions=command_topics(base),
            on_message=lambda message: self.commands.receive(message),
            on_connect=lambda info: self.relay.connected(info),
            on_disconnect=lambda: self.relay.disconnected(),
            will=offline_will(base, boot_id),
        )
        self.intake = Intake(
            spool=spool,
            answers=answers,
            fetch_policy=fetch_policy,
            destinations=destinations,
            base_topic=base,
            inbox=self.ticket_inbox,
            ack=self.tickets.ack,
            leave=self.tickets.leave,
            rejoin=self.tickets.rejoin,
            now=utc_now,
        )
        self.commands = Commands(
            operations=operations,
            answers=answers,
            base_topic=base,
            inbox=self.command_inbox,
            ack=self.control_session.ack,
        )
        self.relay = Relay(
            outbox=outbox,
            publish=self.control_session.publish,
            base_topic=base,
            boot_id=boot_id,
            info=info,
            health=health,
            restate=restate,
        )
