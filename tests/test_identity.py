from __future__ import annotations

import pytest

from agent.identity import Likeness, compare, proves
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
