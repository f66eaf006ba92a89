"""What `doctor` tries of the outside: the broker, PrintOS, the hosts of documents, and what the LAN shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from agent.broker_trial import BrokerTrial, try_broker
from agent.cli.finding import Finding, Printers, named
from agent.cli.watch import Lan
from agent.cloud_clients import cloud_http
from agent.commands import command_topics
from agent.config_schema import Config
from agent.download import resolve
from agent.errors import BrokerUnreachableError, FetchFailedError, RefusedError, TransportError
from agent.fetch_policy import FetchPolicy
from agent.intake import print_topics

LOOK_SECONDS = 4.0
HTTPS_PORT = 443
SERVER_ERROR = 500
UNASKED = frozenset({"none", "pending"})


def check_broker(config: Config) -> Iterator[Finding]:
    """Connect to the broker with the agent's login, subscribe to its topics and publish on one."""
    mqtt = config.mqtt
    place = f"{mqtt.host}:{mqtt.port}{' (TLS)' if mqtt.tls else ''}"
    try:
        trial = try_broker(
            mqtt,
            client_id=f"printos-agent-{config.agent.id}-doctor",
            filters=(*print_topics(mqtt.base_topic), *command_topics(mqtt.base_topic)),
            event_topic=f"{mqtt.base_topic}/bridge/event/doctor",
        )
    except RefusedError as error:
        advice = "mqtt.username and mqtt.password_file must be a login that the broker knows"
        yield Finding("broker", "failed", f"{place}: {error}", advice)
    except BrokerUnreachableError as error:
        yield Finding("broker", "failed", f"{place}: {error}", "see mqtt.host, mqtt.port and mqtt.tls; is it running?")
    else:
        yield Finding("broker", "ok", f"{place} lets the agent in by MQTT {trial.protocol}")
        yield topic_rights(config, trial)


def topic_rights(config: Config, trial: BrokerTrial) -> Finding:
    """Say whether the agent may publish, and hears what it subscribes to."""
    base = config.mqtt.base_topic
    advice = f"grant the agent's user readwrite on {base}/# in the broker's ACL"
    if trial.publish_refusal:
        return Finding("topics", "failed", f"may not publish below {base}: {trial.publish_refusal}", advice)
    if trial.refused:
        return Finding("topics", "failed", f"may not subscribe to {named(trial.refused)}", advice)
    if trial.unheard and trial.protocol == "5":
        return Finding("topics", "failed", f"hears nothing by {named(trial.unheard)}", advice)
    if trial.unheard:
        problem = f"hears nothing by {named(trial.unheard)}, or may not publish there, which MQTT 3.1.1 doesn't tell"
        return Finding("topics", "warning", problem, advice)
    if trial.untried:
        problem = f"may not publish to {named(trial.untried)}, so that hearing can't be tested"
        return Finding("topics", "warning", problem, advice)
    return Finding("topics", "ok", f"may publish below {base}, and hears what it subscribes to")


def check_sessions(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Look whether the running agent's own two sessions are connected."""
    broker = status["broker"]
    waiting = status["spool"]["outbox"]
    if broker["state"] == "connected":
        yield Finding("sessions", "ok", f"tickets and commands are connected; {waiting} messages wait for the broker")
    else:
        problem = broker["problem"] or "the log says why"
        yield Finding("sessions", "failed", f"the running agent is not connected ({problem})", "see broker and topics")


def check_printos(config: Config, printers: Printers, health: Mapping[str, Any]) -> Iterator[Finding]:
    """Look whether PrintOS answers and takes statuses, where a person wants any printer there."""
    if not any(printer["approved"] or printer["printos"] not in UNASKED for printer in printers):
        yield Finding("PrintOS", "ok", "not used: no printer is approved for it")
        return
    answer = _answers(config)
    yield answer
    if answer.result == "ok" and health["state"] == "away":
        yield Finding("PrintOS", "failed", str(health["problem"]), "it is tried again; see printos.proxy and base_url")


def _answers(config: Config) -> Finding:
    """Ask for nothing in particular: whatever is answered, PrintOS can be reached."""
    url = config.printos.base_url
    try:
        with closing(cloud_http(config.printos)) as http:
            status = http.request("GET", url, timeout_seconds=10.0).status
    except TransportError as error:
        advice = "see printos.base_url, proxy, ca_file and client_cert_file; does the firewall let tcp 443 out?"
        return Finding("PrintOS", "failed", str(error), advice)
    if status >= SERVER_ERROR:
        return Finding("PrintOS", "warning", f"{url} is out of order (HTTP {status})", "it is tried again; wait")
    return Finding("PrintOS", "ok", f"{url} answers")


def check_fetch(config: Config) -> Iterator[Finding]:
    """Look whether the hosts of documents have addresses that may be fetched from."""
    policy = FetchPolicy(config.fetch.allowed_hosts, limit_bytes=config.fetch.max_bytes)
    for host in config.fetch.allowed_hosts:
        try:
            addresses = policy.allowed_addresses(host, resolve(host, HTTPS_PORT))
        except FetchFailedError as error:
            yield Finding("fetch", "failed", str(error), "list that very address", subject=host)
        except OSError as error:
            problem = f"its name can't be resolved ({error.strerror})"
            yield Finding("fetch", "failed", problem, "see fetch.allowed_hosts, and DNS", subject=host)
        else:
            yield Finding("fetch", "ok", f"is {', '.join(addresses)}", subject=host)


def check_lan(config: Config) -> Iterator[Finding]:
    """Listen and sweep for some seconds; printers that hear neither can still be named in the configuration."""
    switches = {"mdns": config.discovery.mdns, "snmp": config.discovery.snmp}
    seen: Counter[str] = Counter()
    if any(switches.values()):
        with Lan(config) as lan:
            for _change in lan.changes(LOOK_SECONDS):
                pass
            seen.update(source for found in lan.found for source in found.sources)
    for source, is_on in switches.items():
        if not is_on:
            yield Finding(source, "ok", f"switched off (discovery.{source})")
        elif seen[source]:
            yield Finding(source, "ok", f"printers seen: {seen[source]}")
        else:
            advice = "is this box in the printers' network? Else name them: [[printer]] with uris"
            yield Finding(source, "warning", f"no printer is seen within {LOOK_SECONDS:.0f} s", advice)
