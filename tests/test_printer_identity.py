from __future__ import annotations

import pytest

from agent.drivers import printer_mib as mib
from agent.drivers.printer_identity import is_printer, parse_identity
from agent.drivers.printer_makes import enterprise_oid
from agent.drivers.snmp_message import Oid, Value, oid
from agent.model import Identity

HP_DEVICE_ID = enterprise_oid("11.2.3.9.1.1.7.0")
LINUX = oid("1.3.6.1.4.1.8072.3.2.10")


def identity_of(
    descr: bytes = b"", *, device: bytes | None = None, device_id: bytes | None = None, enterprise: str = "0"
) -> Identity:
    """Parse who says this in sysDescr, hrDeviceDescr, its IEEE-1284 device id and sysObjectID."""
    return parse_identity(
        {
            mib.SYS_DESCR: descr,
            mib.SYS_OBJECT_ID: enterprise_oid(enterprise),
            (*mib.DEVICES, mib.HR_DEVICE_DESCR, 1): device,
            HP_DEVICE_ID: device_id,
        }
    )


# Identity


@pytest.mark.parametrize(
    ("descr", "expected"),
    [
        (b"Lexmark E352dn version NZ0.NA.N004 kernel 2.6.10 All-N-1", "Lexmark E352dn"),
        (b"Dell Laser Printer 5100cn (Net 6.26, Controller 200408201123)", "Dell Laser Printer 5100cn"),
        (b"NRG DSm735 1.24.1 / NRG Network Printer C model", "NRG DSm735"),
        (b"Xerox Phaser 7300 DX v(2.08/15.52.08.29.2002) Printer 384MB", "Xerox Phaser 7300 DX"),
        (b"Xerox WorkCentre 7232;ESS PS1.205.0,IOT 10.3.0", "Xerox WorkCentre 7232"),
        (b"Canon Inc., LBP-1760 Printer", "Canon LBP-1760 Printer"),
        (b"hp LaserJet 4250", "HP LaserJet 4250"),
        (b"Officejet 6300 series", "HP Officejet 6300 series"),
        (b"TOSHIBA e-STUDIO2820C", "TOSHIBA e-STUDIO2820C"),
        (b"EPSON AL-C2000 01.00", "EPSON AL-C2000"),
        (b"Brother NC-6400h, Firmware Ver.1.11  (06.12.20),MID 84UZ92", "Brother"),
        (b"EPSON Type-B 10Base-T/100Base-TX Print Server", "EPSON"),
        (b"KYOCERA MITA Printing System", "KYOCERA"),
        (b"NRG Network Printer", "NRG"),
        (b"TTP244CE Version: 7.02 EZD", "TTP244CE"),
        (b"Hewlett-Packard HP LaserJet 200 color M251n", "HP LaserJet 200 color M251n"),
        (b"FUJI XEROX ApeosPort-V C3375 v 85. 10.  0 Multifunction System", "FUJI XEROX ApeosPort-V C3375"),
        (b"TOSHIBA e-STUDIO338CS version CXTZJ.230.307 kernel 5.4.254-yocto All-N-1", "TOSHIBA e-STUDIO338CS"),
        (b"HP ETHERNET MULTI-ENVIRONMENT,SN:X1,PID:HP LaserJet 400", "HP LaserJet 400"),
    ],
)
def test_the_model_is_found_in_sys_descr_unless_it_is_the_print_servers(descr: bytes, expected: str | None) -> None:
    """Versions and modules are cut; a print server's name is no model, but may tell the maker."""
    assert identity_of(descr).make_and_model == expected


def test_the_name_an_administrator_gave_is_not_the_model() -> None:
    """HP's PID is only believed where nothing else tells."""
    descr = b"HP ETHERNET MULTI-ENVIRONMENT,SN:AAA0A00000,PID:Purchasing Color Laser"
    assert identity_of(descr, device=b"HP Color LaserJet M452nw").make_and_model == "HP Color LaserJet M452nw"


@pytest.mark.parametrize(
    ("descr", "device", "device_id", "enterprise", "expected"),
    [
        (b"TA_UTAX Printing System", b"P-4532DN", None, "1347.41", "UTAX P-4532DN"),
        (b"KYOCERA Document Solutions Printing System", b"CS 4053ci", None, "1347.41", "KYOCERA CS 4053ci"),
        (b"TOSHIBA e-STUDIO305CS version X kernel 3", b"TOSHIBA e-STUDIO305CS", None, "641.1", "TOSHIBA e-STUDIO305CS"),
        (b"", None, b"MFG:Hewlett-Packard;MDL:Color LaserJet 5;CLS:PRINTER;", "11.2.3.9.1", "HP Color LaserJet 5"),
        (b"ZebraNet Wired PS", None, b"MANUFACTURER:Zebra Technologies;MODEL:ZT410;", "683.6.0", "Zebra ZT410"),
        (b"TTP244CE Version: 7.02 EZD", None, None, "51966.2.6", "TSC TTP244CE"),
        (b"", b"Generic 28C-1", b"MFG:KONICA MINOLTA;MDL:C3110;", "18334.1", "KONICA MINOLTA C3110"),
    ],
)
def test_the_maker_is_what_most_sources_say(
    descr: bytes, device: bytes | None, device_id: bytes | None, enterprise: str, expected: str
) -> None:
    """The enterprise number alone may name whoever built the print server."""
    found = identity_of(descr, device=device, device_id=device_id, enterprise=enterprise)
    assert found.make_and_model == expected


def test_hps_print_server_does_not_make_a_printer_hps() -> None:
    """Kyocera and others have built JetDirect cards into theirs."""
    descr = b"HP ETHERNET MULTI-ENVIRONMENT,ROM J.sp.00,JETDIRECT EX,JD28 EEPROM 5.58"
    assert identity_of(descr, enterprise="11.2.3.9.1").make_and_model == "HP"
    assert identity_of(descr, enterprise="1347.41").make_and_model is None


def test_epsons_serial_number_is_read_out_of_its_hexadecimal() -> None:
    """By SNMP and IPP alike, so that the two agree on who it is."""
    assert identity_of(device_id=b"MFG:EPSON;MDL:XP-6000;SN:583434593035343012;").serial == "X44Y0540"


def test_a_serial_number_and_firmware_behind_the_model_are_cut() -> None:
    """Lexmark and Dell write all three into hrDeviceDescr."""
    found = identity_of(b"Dell S5830dn version NH62 kernel 3", device=b"Dell S5830dn 7XQ1R92 LW62.DN4.P636")
    assert found.make_and_model == "Dell S5830dn"


def test_a_serial_number_is_found_in_the_device_id() -> None:
    """Where Printer-MIB has none."""
    assert identity_of(device_id=b"MFG:EPSON;MDL:WF-1;SN:ABC1234;").serial == "ABC1234"


def test_the_row_that_is_the_printer_is_chosen() -> None:
    """Scanners, copiers and disks are devices too."""
    values: dict[Oid, Value] = {
        (*mib.DEVICES, mib.HR_DEVICE_TYPE, 1): oid("1.3.6.1.2.1.25.3.1.6"),
        (*mib.DEVICES, mib.HR_DEVICE_DESCR, 1): b"HDD",
        (*mib.DEVICES, mib.HR_DEVICE_TYPE, 3): mib.HR_DEVICE_PRINTER,
        (*mib.DEVICES, mib.HR_DEVICE_DESCR, 3): b"SHARP MX-3570N",
        (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 3): b"6509415X00",
    }
    found = parse_identity(values)
    assert (found.make_and_model, found.serial) == ("SHARP MX-3570N", "6509415X00")


def test_the_mac_is_that_of_the_interface_in_use() -> None:
    """Not the loopback's, not zero, not the Wi-Fi's that is off."""
    addresses = {
        1: (24, b"", 1),
        2: (6, bytes(6), 1),
        3: (71, b"\x02\x11\x11\x11\x11\x11", 2),
        4: (6, b"\0\x1b\xa9\1\2\3", 1),
    }
    values: dict[Oid, Value] = {}
    for index, (kind, address, status) in addresses.items():
        values[(*mib.INTERFACES, mib.IF_TYPE, index)] = kind
        values[(*mib.INTERFACES, mib.IF_PHYS_ADDRESS, index)] = address
        values[(*mib.INTERFACES, mib.IF_OPER_STATUS, index)] = status
    assert parse_identity(values).mac == "00:1b:a9:01:02:03"


# Printer or not


@pytest.mark.parametrize(
    "descr",
    [
        b"Samsung C",
        b"TOSHIBA TEC B-FV4",
        b"HP ETHERNET MULTI-ENVIRONMENT,ROM none,JETDIRECT,JD149",
        b"Canon iR C3380 /P",
        b"Dell  1815dn Series",
        b"OKI OkiLAN 8500e Rev.01.23 10/100BASE Ethernet PrintServer",
        b"LANIER MP C3003 1.06 / LANIER Network Printer C model",
        b"Develop ineo+ 280",
        b"FUJIFILM Apeos C3070",
        b"SATO CL4NX",
        b"IBM NPS 530/532Print serverV5.36 Jul 7 1997",
    ],
)
def test_a_printer_is_known_by_its_description_alone(descr: bytes) -> None:
    """Some tell nothing else."""
    assert is_printer({mib.SYS_DESCR: descr})


@pytest.mark.parametrize(
    "descr",
    [
        b"AXIS 1234 Network Document Server",
        b"KX-NS1000 Ver00700128",
        b"HP J4899A ProCurve Switch 2650, revision H.07.02",
        b"Linux nas 4.4.59 #1 SMP",
        b"Hardware: x86 Family 15 - Software: Windows 2000 Version 5.0",
        b"Dell Networking N2048",
        b"APC Web/SNMP Management Card (MB:v4.1.0 PF:v6.4.0)",
        b"Canon Network Camera VB-M40",
        b"Samsung OfficeServ 7200",
        b"SHARP PN-E703 display",
        b"EPSON Projector EB-1780W",
        b"",
    ],
)
def test_other_things_on_the_lan_are_no_printers(descr: bytes) -> None:
    """Cameras, exchanges, switches and computers are made by makers of printers too."""
    assert not is_printer({mib.SYS_DESCR: descr})


def test_a_computer_that_lists_its_printers_is_no_printer() -> None:
    """net-snmp and Windows have the queues of their users in hrDeviceTable."""
    queues: dict[Oid, Value] = {(*mib.DEVICES, mib.HR_DEVICE_TYPE, 327681): mib.HR_DEVICE_PRINTER}
    assert not is_printer({mib.SYS_OBJECT_ID: LINUX, **queues})
    assert not is_printer({mib.SYS_DESCR: b"Hardware: Intel64 - Software: Windows Version 10", **queues})


def test_a_printer_that_runs_linux_is_a_printer() -> None:
    """Printer-MIB is evidence enough."""
    assert is_printer({mib.SYS_OBJECT_ID: LINUX, (*mib.GENERAL, mib.PRT_GENERAL_SERIAL_NUMBER, 1): b"X1"})
