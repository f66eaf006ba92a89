from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from agent.drivers import printer_mib as mib
from agent.drivers.printer_makes import enterprise_oid
from agent.drivers.snmp import SnmpClient, SnmpPrinter
from agent.drivers.snmp_v3 import AuthProtocol, PrivProtocol, SnmpV3Client
from agent.errors import PrinterRejectedError, PrinterUnreachableError
from tests.v3_agent import Values, serving_contexts

HOST = "127.0.0.1"
CONF = """agentAddress udp:{host}:{port}
createUser reader SHA "auth-pass-1" AES "priv-pass-1"
rouser reader authPriv
createUser old MD5 "auth-pass-1" DES "priv-pass-1"
rouser old authPriv
rocommunity public
override .1.3.6.1.2.1.1.1.0 octet_str "SHARP MX-2300N"
override .1.3.6.1.2.1.43.5.1.1.17.1 octet_str "V3SERIAL"
override .1.3.6.1.2.1.43.11.1.1.6.1.1 octet_str "Black Toner"
override .1.3.6.1.2.1.43.11.1.1.8.1.1 integer 100
override .1.3.6.1.2.1.43.11.1.1.9.1.1 integer 40
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run net-snmp's agent as a printer with a v3 user, and give its port."""
    if shutil.which("snmpd") is None:
        pytest.skip("no snmpd (package snmpd)")
    folder = tmp_path_factory.mktemp("snmpd")
    port = free_port()
    (folder / "snmpd.conf").write_text(CONF.format(host=HOST, port=port))
    command = ["snmpd", "-f", "-Lo", "-C", "-c", str(folder / "snmpd.conf"), "-p", str(folder / "pid")]
    environment = {"SNMP_PERSISTENT_DIR": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT) as snmpd:
        try:
            wait_for_agent(port)
            yield port
        finally:
            snmpd.terminate()


def free_port() -> int:
    """Give a UDP port that nobody listens on."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


def wait_for_agent(port: int) -> None:
    """Ask by v2c until there is an answer, at most ten seconds."""
    client = SnmpClient(version="2c", timeout_seconds=0.2, retries=0)
    client.start()
    deadline = time.monotonic() + 10
    try:
        while True:
            try:
                client.get(HOST, [mib.SYS_DESCR], port=port)
            except PrinterUnreachableError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return
    finally:
        client.stop()


@contextmanager
def reading(
    *,
    user: str = "reader",
    auth_key: str = "auth-pass-1",
    priv_key: str = "priv-pass-1",
    auth_protocol: AuthProtocol = "SHA",
    priv_protocol: PrivProtocol = "AES",
) -> Iterator[SnmpV3Client]:
    """Give a client that has started as this user."""
    client = SnmpV3Client(
        user=user,
        auth_key=auth_key,
        priv_key=priv_key,
        auth_protocol=auth_protocol,
        priv_protocol=priv_protocol,
        timeout_seconds=0.5,
    )
    client.start()
    try:
        yield client
    finally:
        client.stop()


def test_a_printer_is_read_by_v3_as_by_v2c(port: int) -> None:
    """The same values, authenticated and encrypted, against an agent that we did not write."""
    plain = SnmpClient()
    plain.start()
    with reading() as client:
        by_v3 = SnmpPrinter(HOST, client=client, port=port)
        by_v2c = SnmpPrinter(HOST, client=plain, port=port)
        assert by_v3.read() == by_v2c.read()
        assert by_v3.read().status.supplies[0].percent == 40.0
    plain.stop()


def test_old_printers_protocols_are_spoken_too(port: int) -> None:
    """MD5 and DES are all that some of them have."""
    with reading(user="old", auth_protocol="MD5", priv_protocol="DES") as client:
        assert client.get(HOST, [mib.SYS_DESCR], port=port) == {mib.SYS_DESCR: b"SHARP MX-2300N"}


JETDIRECT: Values = {
    mib.SYS_DESCR: "HP ETHERNET MULTI-ENVIRONMENT,SN:VNB3J99999,PID:HP Color LaserJet Pro M252dw",
    mib.SYS_OBJECT_ID: enterprise_oid("11.2.3.9.1"),
    (*mib.DEVICES, mib.HR_DEVICE_TYPE, 1): mib.HR_DEVICE_PRINTER,
}
ITS_SUPPLIES: Values = {
    (*mib.SUPPLIES, mib.SUPPLY_DESCRIPTION, 1, 1): "Black Cartridge HP CF400X",
    (*mib.SUPPLIES, mib.SUPPLY_MAX_CAPACITY, 1, 1): 100,
    (*mib.SUPPLIES, mib.SUPPLY_LEVEL, 1, 1): 63,
    enterprise_oid("11.2.3.9.4.2.1.1.3.5.0"): "20210523",
}


def test_hps_supplies_are_read_in_a_context_of_their_own() -> None:
    """The default context has the identity only; so it is at the first read and at the polls."""
    port = free_port()
    with serving_contexts({"": JETDIRECT, "Jetdirect": ITS_SUPPLIES}, port=port), reading() as client:
        printer = SnmpPrinter(HOST, client=client, port=port)
        told = [printer.read(), printer.read()]
    assert {(told.identity.serial, told.identity.firmware) for told in told} == {("VNB3J99999", "20210523")}
    assert [told.status.supplies[0].percent for told in told] == [63.0, 63.0]


def test_a_printer_without_that_context_is_told_all_the_same() -> None:
    """An agent that doesn't know the context refuses it."""
    port = free_port()
    with serving_contexts({"": JETDIRECT}, port=port), reading() as client:
        told = SnmpPrinter(HOST, client=client, port=port).read()
    assert (told.identity.serial, told.status.supplies) == ("VNB3J99999", ())


def test_a_sweep_by_v3_finds_who_speaks_it(port: int) -> None:
    """Silent addresses are never given to pysnmp."""
    with reading() as client:
        (found,) = client.sweep([HOST, "127.0.0.2", "127.0.0.3"], port=port)
    assert (found.host, found.identity.serial, found.uris) == (HOST, "V3SERIAL", (f"snmp://{HOST}:{port}",))


@pytest.mark.parametrize(("user", "auth_key"), [("nobody", "auth-pass-1"), ("reader", "wrong-pass")])
def test_a_wrong_user_or_key_is_a_refusal(port: int, user: str, auth_key: str) -> None:
    """Trying again would not help."""
    with reading(user=user, auth_key=auth_key) as client, pytest.raises(PrinterRejectedError, match="refused"):
        client.get(HOST, [mib.SYS_DESCR], port=port)


def test_silence_is_unreachable() -> None:
    """Nobody listens."""
    with reading() as client, pytest.raises(PrinterUnreachableError):
        client.get(HOST, [mib.SYS_DESCR], port=free_port())


def test_a_client_that_is_not_started_reaches_nobody() -> None:
    """It says so instead of waiting."""
    with pytest.raises(PrinterUnreachableError, match="not started"):
        SnmpV3Client(user="reader").get(HOST, [mib.SYS_DESCR])
