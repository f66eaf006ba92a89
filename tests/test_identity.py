from __future__ import annotations

import pytest

from agent.identity import Likeness, answers_as, compare, credible, is_surely_one, proves, told_anew
from agent.model import Identity

UUID = "0f0e0d0c-0b0a-4908-8706-050403020100"
OTHER_UUID = "1f0e0d0c-0b0a-4908-8706-050403020100"
HP = "HP LaserJet 9"


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        (Identity(uuid=UUID), Identity(uuid=UUID.upper()), Likeness.SAME),
        (Identity(uuid=UUID, serial="CN1234"), Identity(serial="cn1234"), Likeness.SAME),
        (Identity(serial="7XQ1R92"), Identity(serial="7XQ1R92-132-13"), Likeness.SAME),
        (Identity(uuid=UUID, mac="aa:bb:cc:00:11:22"), Identity(mac="aa:bb:cc:00:11:22"), Likeness.SAME),
        (Identity(uuid=UUID, mac="aa:bb:cc:00:11:22"), Identity(uuid=UUID, mac="aa:bb:cc:00:11:23"), Likeness.SAME),
        (Identity(uuid=UUID), Identity(uuid=OTHER_UUID), Likeness.DIFFERENT),
        (Identity(serial="CN1234"), Identity(serial="CN1235"), Likeness.DIFFERENT),
        (Identity(serial="CN12345"), Identity(serial="CN123456"), Likeness.DIFFERENT),
        (Identity(mac="aa:bb:cc:00:11:22"), Identity(mac="aa:bb:cc:00:11:23"), Likeness.DIFFERENT),
        (Identity(uuid=UUID, serial="CN1234"), Identity(uuid=UUID, serial="CN9999"), Likeness.CONFLICT),
        (Identity(uuid=UUID, serial="CN1234"), Identity(uuid=OTHER_UUID, serial="CN1234"), Likeness.CONFLICT),
        (Identity(uuid=UUID), Identity(serial="CN1234"), Likeness.UNKNOWN),
        (Identity(), Identity(), Likeness.UNKNOWN),
    ],
)
def test_identities_are_compared_by_uuid_then_serial_then_mac(
    one: Identity, other: Identity, likeness: Likeness
) -> None:
    """What agrees makes them one, what disagrees makes them two, both at once is a conflict; either way round."""
    assert compare(one, other) is likeness
    assert compare(other, one) is likeness


def test_two_makes_may_use_one_serial_number() -> None:
    """A serial tells only within a make."""
    hp, brother = Identity(serial="123456", make_and_model=HP), Identity(serial="123456", make_and_model="Brother HL-2")
    assert compare(hp, brother) is Likeness.UNKNOWN


def test_the_makers_two_names_are_one() -> None:
    """SNMP says Hewlett-Packard where IPP says HP."""
    one = Identity(serial="CN1234", make_and_model="Hewlett-Packard 4000")
    assert compare(one, Identity(serial="CN1234", make_and_model=HP)) is Likeness.SAME


def test_a_mac_alone_proves_nothing() -> None:
    """Only a UUID or a serial that the host itself tells is proof."""
    known = Identity(uuid=UUID, serial="CN1234", mac="aa:bb:cc:00:11:22")
    assert not proves(Identity(mac="aa:bb:cc:00:11:22"), known)
    assert not proves(Identity(uuid=UUID, serial="CN9999"), known)
    assert proves(Identity(serial="CN1234"), known)


@pytest.mark.parametrize(
    "serial",
    ["000000", "XXXXXXXX", "xxxx0000", "N/A", "n/a", "None", "unknown", "Not Available", "not specified",
     "Serial Number", "To be filled by O.E.M.", "----", "????", " ", "S/N"],
)  # fmt: skip
def test_a_serial_that_stands_for_none_is_none(serial: str) -> None:
    """Two printers of one series would be one by it."""
    assert credible(Identity(serial=serial)).serial is None


@pytest.mark.parametrize("serial", ["CN1234", "VNB3N12345", "E82414G4N583607", "0000123", "1234567891", "XX0012"])
def test_a_serial_that_only_looks_odd_is_believed(serial: str) -> None:
    """Printers count from one, and begin with zeros."""
    assert credible(Identity(serial=serial)).serial == serial


@pytest.mark.parametrize(
    "uuid",
    ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff", "no uuid", "",
     "11111111-1111-1111-1111-111111111111", "e3248000-80ce-11db-8000-000000000000",
     "16a65700-007c-1000-bb49-ffffffffffff",
     "00000000-0000-1000-8000-00805f9b34fb"],
)  # fmt: skip
def test_a_uuid_that_a_whole_series_has_is_none(uuid: str) -> None:
    """Nil, all one digit, without a node, or Bluetooth's."""
    assert credible(Identity(uuid=uuid)).uuid is None


def test_a_uuid_is_one_however_it_is_written() -> None:
    """As a URN, in braces, in capitals, without hyphens."""
    written = [f"urn:uuid:{UUID}", "{" + UUID + "}", UUID.upper(), UUID.replace("-", "")]
    assert {credible(Identity(uuid=it)).uuid for it in written} == {UUID}


@pytest.mark.parametrize("mac", ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:fb", "x"])
def test_a_mac_that_is_no_stations_own_is_none(mac: str) -> None:
    """Zero, a group's, or no address."""
    assert credible(Identity(mac=mac)).mac is None


def test_a_mac_is_one_however_it_is_written() -> None:
    """With colons, hyphens, dots or nothing between."""
    written = ["3C-2A-F4-AA-C0-A4", "3c2a.f4aa.c0a4", "3C2AF4AAC0A4"]
    assert {credible(Identity(mac=it)).mac for it in written} == {"3c:2a:f4:aa:c0:a4"}


def test_a_mac_that_a_uuid_ends_in_agrees_and_never_disagrees() -> None:
    """IPP tells the UUID, SNMP the MAC; a printer with two cards has only one of them in its UUID."""
    by_ipp = Identity(uuid="e3248000-80ce-11db-8000-3c2af4aac0a4")
    assert compare(by_ipp, Identity(mac="3c:2a:f4:aa:c0:a4")) is Likeness.SAME
    assert compare(by_ipp, Identity(mac="10:5b:ad:4a:15:70")) is Likeness.UNKNOWN


@pytest.mark.parametrize("serial", ["1234567890", "0123456789", "12345678", "ABCDEFGH"])
def test_a_serial_that_is_counted_up_is_shown_and_proves_nothing(serial: str) -> None:
    """Firmware that was never given one has it, in every printer of a series."""
    assert credible(Identity(serial=serial)).serial == serial
    assert compare(Identity(serial=serial), Identity(serial=serial)) is Likeness.UNKNOWN


def test_one_uuid_alone_is_not_beyond_doubt() -> None:
    """Clones have it too; a serial or a MAC beside it is."""
    one = Identity(uuid=UUID, serial="CN1234", mac="3c:2a:f4:aa:c0:a4")
    assert not is_surely_one(one, Identity(uuid=UUID))
    assert is_surely_one(one, Identity(uuid=UUID, serial="CN1234"))
    assert is_surely_one(one, Identity(uuid=UUID, mac="3c:2a:f4:aa:c0:a4"))


def test_a_printer_that_tells_nothing_of_itself_is_not_taken_for_another_model() -> None:
    """Where neither UUID nor serial can be compared, the model speaks."""
    known = Identity(uuid=UUID, make_and_model=HP)
    assert answers_as(Identity(make_and_model="HP LaserJet 9 series"), known)
    assert not answers_as(Identity(make_and_model="Brother HL-2"), known)


def test_a_new_network_card_is_taken_over() -> None:
    """Who proves to be the printer by UUID or serial may have another MAC; it stays the same printer."""
    known = Identity(uuid=UUID, serial="CN1234", mac="3c:2a:f4:aa:c0:a4")
    told = Identity(serial="CN1234", mac="10:5b:ad:4a:15:70")
    assert compare(known, told) is Likeness.SAME
    assert told_anew(known, told) == Identity(uuid=UUID, serial="CN1234", mac="10:5b:ad:4a:15:70")


def test_a_new_mainboard_is_a_conflict_not_the_same_printer() -> None:
    """Its serial is the old one's and its UUID is not: it may be two, and a person has to say."""
    old, new = Identity(uuid=UUID, serial="CN1234"), Identity(uuid=OTHER_UUID, serial="CN1234")
    assert compare(old, new) is Likeness.CONFLICT
    assert not answers_as(new, old)
