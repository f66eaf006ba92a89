"""The ranks of the files: imports point strictly down, and a third-party package has one door.

A new file is one line in LAYERS, in the lowest layer that is above everything it imports.
"""

from __future__ import annotations

import ast
import itertools
import sys
from pathlib import Path

import pytest

AGENT = Path(__file__).parents[1] / "agent"
FILES = sorted(str(path.relative_to(AGENT)) for path in AGENT.rglob("*.py"))

# From the lowest to the highest. Files of one layer do not import each other.

# Words and values: what is parsed, compared and decided without touching anything.
PURE = (
    ("config_option.py",),
    ("config_clouds.py",),
    (
        "command_set.py",
        "config_schema.py",
        "config_values.py",
        "device_states.py",
        "document_format.py",
        "drivers/device_id.py",
        "drivers/ipp_keywords.py",
        "drivers/ipp_values.py",
        "drivers/printer_keywords.py",
        "errors.py",
        "hot_folder_names.py",
        "hot_folder_settling.py",
        "model.py",
        "mqtt_message.py",
        "networks.py",
        "pin.py",
        "printos/device_types.py",
        "printos/signing.py",
        "schedule.py",
    ),
    ("job.py",),
    (
        "clock_watch.py",
        "config_lines.py",
        "config_warnings.py",
        "document_reference.py",
        "drivers/ipp_message.py",
        "drivers/ipp_alerts.py",
        "drivers/ipp_supplies.py",
        "drivers/ipp_trays.py",
        "drivers/pjl_message.py",
        "drivers/snmp_message.py",
        "drivers/xml_document.py",
        "endpoints.py",
        "fitting.py",
        "identity.py",
        "limits.py",
        "print_times.py",
        "printer_record.py",
        "printos/mapping.py",
        "printos/siteflow_order.py",
        "printos/siteflow_pauses.py",
        "printos/upload_urls.py",
        "reconcile.py",
        "settlement.py",
        "spool_rows.py",
        "ticket_keys.py",
        "usage.py",
    ),
    (
        "config_checks.py",
        "configured.py",
        "device_report.py",
        "hot_folder_plan.py",
        "jdf.py",
        "drivers/hp_rest_message.py",
        "drivers/merge.py",
        "drivers/pjl_options.py",
        "drivers/pjl_status.py",
        "drivers/printer_mib.py",
        "fetch_policy.py",
        "followed.py",
        "postback.py",
        "mdns_service.py",
        "mqtt_publish.py",
        "printer_facts.py",
        "ticket.py",
    ),
    (
        "drivers/hp_keywords.py",
        "drivers/printer_makes.py",
        "drivers/printer_parts.py",
    ),
    (
        "drivers/brother_mib.py",
        "drivers/cdm_message.py",
        "drivers/ipp_attributes.py",
        "drivers/ledm_message.py",
        "drivers/printer_identity.py",
    ),
    ("drivers/printer_status.py", "inventory_row.py", "printos/mapping.py"),
)
# One thing each of the world outside: a file, the clock, HTTP, the disk, systemd.
OUTSIDE = (
    (
        "certificate.py",
        "durable_file.py",
        "private_memory.py",
        "secret_files.py",
        "tls.py",
        "upload.py",
    ),
    (
        "drivers/pjl_channels.py",
        "hardware.py",
        "hot_folder_disk.py",
        "http_connection.py",
        "loop.py",
        "made_devices.py",
        "spool_documents.py",
        "store.py",
        "systemd.py",
    ),
    (
        "config.py",
        "download.py",
        "http.py",
        "part_file.py",
        "seal_key.py",
    ),
    ("config_files.py", "credentials.py"),
)
# What keeps state or speaks a protocol, on top of those.
PARTS = (
    (
        "accounts.py",
        "counters.py",
        "drivers/embedded_web.py",
        "drivers/hp_rest.py",
        "drivers/ipp_outcome.py",
        "drivers/raw.py",
        "drivers/snmp_reading.py",
        "drivers/snmp_socket.py",
        "drivers/snmp_v3_discovery.py",
        "inbox.py",
        "mdns.py",
        "mqtt_connection.py",
        "outbox.py",
        "printos/exchange.py",
        "refusal_log.py",
        "sightings.py",
        "spool_queue.py",
        "spool_table.py",
    ),
    (
        "answers.py",
        "box_memory.py",
        "drivers/cdm.py",
        "drivers/ipp.py",
        "drivers/ledm.py",
        "drivers/snmp_dialects.py",
        "hot_folder_journal.py",
        "mqtt.py",
        "outage.py",
        "printos/box_message.py",
        "printos/box_watch.py",
        "printos/presigned.py",
        "printos/siteflow_status.py",
        "printos/login.py",
        "printos/login_turns.py",
    ),
    (
        "printos/session.py",
        "printos/signed_exchange.py",
        "registry.py",
        "spool_attempts.py",
        "spool_commands.py",
        "spool_deliveries.py",
        "spool_news.py",
        "spool_room.py",
        "spool_upkeep.py",
    ),
    ("hot_folder_state.py", "spool_ages.py"),
    (
        "broker_trial.py",
        "drivers/snmp_requests.py",
        "printos/administrator.py",
        "printos/box.py",
        "printos/box_outcome.py",
        "printos/siteflow.py",
        "printos/siteflow_watch.py",
        "spool_incoming.py",
    ),
    (
        "drivers/snmp_sweep.py",
        "printos/siteflow_target.py",
        "printos/box_target.py",
        "spool.py",
    ),
    (
        "drivers/snmp.py",
        "drivers/snmp_v3.py",
        "health.py",
        "printos/openapi.py",
        "printos/platform.py",
        "printos/print_beat.py",
    ),
    ("cloud_clients.py", "printer_clients.py"),
)
# Which driver for which printer.
CHOICE = (
    ("drivers/choose.py",),
    ("drivers/identity_check.py", "drivers/probe.py"),
)
# What moves things between the parts; they are handed what speaks to brokers and clouds.
SERVICES = (
    ("beat_roll.py", "destinations.py"),
    (
        "activation.py",
        "beat.py",
        "commands.py",
        "control.py",
        "credential_commands.py",
        "discovery.py",
        "fetch.py",
        "fetch_transfer.py",
        "follower.py",
        "hot_folder_jobs.py",
        "intake.py",
        "inventory.py",
        "operations.py",
        "relay.py",
        "restatement.py",
        "status.py",
        "workload.py",
        "web.py",
    ),
    (
        "siteflow_postbacks.py",
        "devices.py",
        "dispatcher.py",
        "hot_folder.py",
    ),
    ("cloud.py", "hot_folders.py"),
)
# Builds and starts all of it; then the command line.
TOP = (
    ("parts_incoming.py", "parts_lan.py", "parts_mqtt.py", "parts_printos.py"),
    ("parts.py",),
    ("app.py",),
    ("cli/arguments.py",),
    (
        "cli/client.py",
        "cli/completion.py",
        "cli/live.py",
        "cli/output.py",
        "cli/prompt.py",
        "cli/simulate.py",
        "cli/watch.py",
    ),
    (
        "cli/device_types.py",
        "cli/finding.py",
        "cli/settings.py",
        "cli/state.py",
    ),
    (
        "cli/account.py",
        "cli/check_beat.py",
        "cli/check_box.py",
        "cli/check_clouds.py",
        "cli/check_credentials.py",
        "cli/check_devices.py",
        "cli/check_paths.py",
        "cli/check_printers.py",
        "cli/hot_folder_lines.py",
    ),
    (
        "cli/box.py",
        "cli/bundle.py",
        "cli/jobs.py",
        "cli/printers.py",
        "cli/siteflow.py",
    ),
    (
        "cli/beat.py",
        "cli/credentials.py",
        "cli/doctor.py",
        "cli/inventory.py",
        "cli/lan.py",
        "cli/service.py",
    ),
    ("__main__.py",),
)
LAYERS = (*PURE, *OUTSIDE, *PARTS, *CHOICE, *SERVICES, *TOP)

# The only files that import these: whoever replaces a library looks there and nowhere else.
DOORS = {
    "asyncio": ("drivers/snmp_v3.py", "mdns.py"),
    "cryptography": ("certificate.py", "credentials.py"),
    "defusedxml": ("drivers/xml_document.py",),
    "paho": ("mqtt_connection.py",),
    "pysnmp": ("drivers/snmp_v3.py",),
    "requests": ("http.py",),
    "sqlite3": ("store.py",),
    "tomli": ("config.py",),
    "urllib3": ("download.py", "http.py", "http_connection.py"),
    "zeroconf": ("mdns.py",),
}

# What only the builder brings together with a service.
SPEAKERS = ("broker_trial.py", "mdns.py", "mqtt.py", "mqtt_connection.py", "printos/")

# Servers for demos and tests: they stand beside the ranks and may use what they like, but nothing stands on them.
SIMULATOR = "simulator/"
STARTS_SIMULATORS = ("cli/", "__main__.py", SIMULATOR)

RANKS = {file: rank for rank, layer in enumerate(LAYERS) for file in layer}
RANKED = [file for file in FILES if not file.startswith(SIMULATOR) and Path(file).name != "__init__.py"]


def imported_modules(source: str) -> set[str]:
    """Name every module that the source may import, wherever the import stands; `from a import b` gives `a.b` too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_files(source: str) -> set[str]:
    """Name the files of the agent that the source imports."""
    modules = (name.split(".")[1:] for name in imported_modules(source) if name.startswith("agent."))
    candidates = itertools.chain.from_iterable(("/".join(parts), "/".join(parts[:-1])) for parts in modules)
    return {f"{name}.py" for name in candidates if f"{name}.py" in FILES}


def misplaced(file: str, source: str) -> list[str]:
    """Name the files that a file imports though they are not below it."""
    return sorted(other for other in imported_files(source) if RANKS.get(other, -1) >= RANKS[file])


def foreign_packages(file: str, source: str) -> list[str]:
    """Name the packages from elsewhere that a file imports though it is not their door."""
    packages = {name.partition(".")[0] for name in imported_modules(source)}
    watched = {name for name in packages if name in DOORS or name not in {*sys.stdlib_module_names, "agent"}}
    return sorted(name for name in watched if file not in DOORS.get(name, ()))


@pytest.mark.parametrize("file", RANKED)
def test_imports_point_down(file: str) -> None:
    """A file imports only files of a lower rank."""
    assert misplaced(file, (AGENT / file).read_text()) == []


@pytest.mark.parametrize("file", RANKED)
def test_a_package_from_elsewhere_has_one_door(file: str) -> None:
    """Only the door of a package imports it, and asyncio stays behind two of them."""
    assert foreign_packages(file, (AGENT / file).read_text()) == []


@pytest.mark.parametrize("file", [file for file in FILES if not file.startswith(STARTS_SIMULATORS)])
def test_nothing_stands_on_a_simulator(file: str) -> None:
    """The agent works without them; only the command line starts them."""
    assert [name for name in imported_files((AGENT / file).read_text()) if name.startswith(SIMULATOR)] == []


@pytest.mark.parametrize("file", [file for layer in SERVICES for file in layer if file in FILES])
def test_a_service_is_handed_what_speaks_to_brokers_and_clouds(file: str) -> None:
    """It works through a callable or a Protocol, so that tests and other clouds can stand in."""
    assert [name for name in imported_files((AGENT / file).read_text()) if name.startswith(SPEAKERS)] == []


def test_every_file_has_a_rank_and_every_rank_a_file() -> None:
    """The table is complete, and names nothing that is gone."""
    assert sorted(RANKS) == RANKED


@pytest.mark.parametrize("file", [file for file in FILES if Path(file).name == "__init__.py" and file != "__init__.py"])
def test_packages_hide_nothing_in_their_init(file: str) -> None:
    """An import through a package would hide its rank."""
    assert imported_modules((AGENT / file).read_text()) == set()


def test_an_upward_and_a_sideways_import_are_seen() -> None:
    """Also one that is hidden in a function, or written as `from agent import …`."""
    source = "from agent import app\ndef late():\n    import agent.registry\n"
    assert misplaced("registry.py", source) == ["app.py", "registry.py"]


def test_a_second_door_and_an_unknown_package_are_seen() -> None:
    """A dependency that nobody gave a door is told too."""
    assert foreign_packages("app.py", "import requests.adapters\nfrom flask import Flask\nimport json\n") == [
        "flask",
        "requests",
    ]
