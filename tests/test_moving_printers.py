"""Printers that change their addresses: none is doubled, and no job goes to the wrong one. All parts are real."""

from __future__ import annotations

import itertools
import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.job import JobState
from agent.simulator.personality import Kind
from tests.site_parts import Site, site

SITE_OF_PRINTERS = 50

_networks = itertools.count(1)


def hosts(count: int) -> list[str]:
    """Give loopback addresses that no other test has."""
    network = f"127.{1 + os.getpid() % 200}.{next(_networks)}"
    return [f"{network}.{last}" for last in range(1, count + 1)]


def free_port() -> int:
    """Give a port that is free on every loopback address, and the next one too."""
    with socket.create_server(("", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def documents(*serials: str) -> dict[str, list[bytes]]:
    """Give what has come out where each printer got its one job."""
    return {serial: [b"%PDF-1.4 for " + serial.encode()] for serial in serials}


def places(it: Site) -> Mapping[str, str]:
    """Give the address of every known printer by its id."""
    return {printer.id: printer.host for printer in it.parts.registry.printers()}


@pytest.mark.parametrize("kind", ["ipp", "hp-rest"])
def test_after_an_address_swap_no_job_goes_to_the_wrong_printer(tmp_path: Path, kind: Kind) -> None:
    """Not even before the swap is noticed: who is asked before a job is sent. Then each prints its own, once."""
    here, there = hosts(2)
    with site(tmp_path, {"CN0001": here, "CN0002": there}, kind=kind, port=free_port()) as it:
        ids = [it.printer(serial).id for serial in it.printers]
        it.renumber({"CN0001": there, "CN0002": here})
        jobs = it.print_on(it.printers, "job")
        it.dispatch()
        assert (it.received(), {it.jobs()[job].state for job in jobs}) == ({}, {JobState.PENDING})
        it.discover()
        assert places(it) == dict(zip(ids, (there, here), strict=True))
        it.dispatch_until(lambda: all(job.state is JobState.COMPLETED for job in it.jobs().values()))
        assert it.received() == documents("CN0001", "CN0002")


def test_a_job_for_a_raw_port_goes_to_nobody_elses(tmp_path: Path) -> None:
    """The raw port can't be asked, but SNMP at the same address can."""
    here, there = hosts(2)
    with site(tmp_path, {"CN0001": here, "CN0002": there}, kind="raw", port=free_port()) as it:
        it.renumber({"CN0001": there, "CN0002": here})
        it.print_on(it.printers, "job")
        it.dispatch()
        assert it.received() == {}
        it.discover()
        it.dispatch_until(lambda: len(it.received()) == 2)
        assert it.received() == documents("CN0001", "CN0002")


def test_a_job_is_not_told_printed_by_the_printer_that_has_the_address_now(tmp_path: Path) -> None:
    """The other one has a completed job of the same number; whether ours is completed only its own printer knows."""
    here, there = hosts(2)
    with site(tmp_path, {"CN0001": here, "CN0002": there}, port=free_port(), seconds_per_page=3600) as it:
        (job_id,) = it.print_on(["CN0001"], "long")
        it.dispatch_until(lambda: it.jobs()[job_id].device_job_id is not None)
        other = it.printers["CN0002"].engine
        other.cancel(other.create_job("somebody's", "application/pdf", {}))
        it.renumber({"CN0001": there, "CN0002": here})
        it.parts.spool.cancel(job_id)
        it.dispatch()
        it.discover()
        assert it.jobs()[job_id].message.startswith("the printer could not be told: another printer")
        assert [job.state for job in other.history()] == [JobState.CANCELED]
        assert [job.state for job in it.printers["CN0001"].engine.jobs()] == [JobState.PROCESSING]


def test_dhcp_may_renumber_a_whole_site(tmp_path: Path) -> None:
    """All printers at once, most of them to addresses that others had: the same printers, each with its own job."""
    old = hosts(SITE_OF_PRINTERS)
    serials = [f"CN{number:04}" for number in range(SITE_OF_PRINTERS)]
    moved = [*old[1:40], old[0], *reversed(old[40:46]), *hosts(SITE_OF_PRINTERS)[46:]]
    with site(tmp_path, dict(zip(serials, old, strict=True)), port=free_port()) as it:
        ids = [it.printer(serial).id for serial in serials]
        it.renumber(dict(zip(serials, moved, strict=True)))
        it.print_on(serials, "job")
        it.dispatch()
        assert it.received() == {}
        it.announce(*random.Random(7).sample(serials, len(serials)))
        assert places(it) == dict(zip(ids, moved, strict=True))
        it.dispatch_until(lambda: all(job.state is JobState.COMPLETED for job in it.jobs().values()))
        assert it.received() == documents(*serials)


def test_a_night_of_power_off_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """All go without a goodbye; jobs of the night wait; in the morning some have other addresses."""
    one, two, three, four = hosts(4)
    with site(tmp_path, {"CN0001": one, "CN0002": two, "CN0003": three}, port=free_port()) as it:
        ids = [it.printer(serial).id for serial in it.printers]
        it.power_off(*it.printers)
        it.poll(times=3)
        assert [(printer.online, bool(printer.status.supplies)) for printer in it.parts.registry.printers()] == [
            (False, True)
        ] * 3
        it.print_on(it.printers, "nightly")
        it.dispatch()
        it.renumber({"CN0001": two, "CN0002": four, "CN0003": three})
        it.announce("CN0001", "CN0002")
        it.poll()
        assert places(it) == dict(zip(ids, (two, four, three), strict=True))
        it.dispatch_until(lambda: all(job.state is JobState.COMPLETED for job in it.jobs().values()))
        assert it.received() == documents("CN0001", "CN0002", "CN0003")


def test_a_renumbered_site_that_announces_nothing_is_found_by_its_polls(tmp_path: Path) -> None:
    """A poll that meets another known printer has discovery look there: a rotation resolves itself."""
    old = hosts(4)
    serials = [f"CN{number:04}" for number in range(4)]
    with site(tmp_path, dict(zip(serials, old, strict=True)), port=free_port()) as it:
        ids = [it.printer(serial).id for serial in it.printers]
        it.renumber(dict(zip(serials, [*old[1:], old[0]], strict=True)))
        it.poll()
        it.discover()
        assert places(it) == dict(zip(ids, [*old[1:], old[0]], strict=True))
