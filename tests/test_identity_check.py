from __future__ import annotations

from dataclasses import replace

import pytest

from agent.drivers.identity_check import FRESH_SECONDS, IdentityCheck
from agent.errors import NotFoundError, PrinterProtocolError, PrinterRejectedError, PrinterUnreachableError
from agent.model import Identity, Printer, PrinterStatus, Reading
from tests.spool_parts import PretendedPrinter, a_printer
from tests.test_registry import OTHER_UUID, UUID
from tests.test_status import Source

SILENT = PrinterUnreachableError("no answer")
ANOTHER = Reading(Identity(uuid=OTHER_UUID, make_and_model="Brother HL-2"), PrinterStatus())


class Checked:
    """A check of one printer, with a clock moved by hand."""

    def __init__(self) -> None:
        self.printer = replace(a_printer(), identity=Identity(uuid=UUID), sources=("mdns", "ipp"))
        self.source: Source | None = Source()
        self.seconds = 0.0
        self.strangers: list[Identity] = []
        self.target = PretendedPrinter()
        self.check = IdentityCheck(
            print_target=lambda _: self.target, identity_source=self._source, monotonic=lambda: self.seconds
        )
        self.check.on_stranger = lambda _, told: self.strangers.append(told)

    def is_printed_on(self) -> bool:
        """Whether a job would go there."""
        return self.check.target_for(self.printer) is self.target

    def _source(self, _printer: Printer) -> Source:
        if self.source is None:
            raise NotFoundError("nothing tells who it is")
        return self.source


@pytest.fixture
def checked() -> Checked:
    """Give a printer that answers as itself."""
    return Checked()


def test_one_answer_holds_for_half_a_second(checked: Checked) -> None:
    """A burst of labels asks once; the next job asks again."""
    assert checked.source is not None
    for seconds, reads in ((0.0, 1), (FRESH_SECONDS - 0.1, 1), (FRESH_SECONDS, 2)):
        checked.seconds = seconds
        assert checked.is_printed_on()
        assert checked.source.reads == reads


def test_another_printer_gets_nothing_and_is_told_of(checked: Checked) -> None:
    """The message says who answers there."""
    checked.source = Source(answer=ANOTHER)
    with pytest.raises(PrinterUnreachableError, match=r"another printer \(Brother HL-2\)"):
        checked.is_printed_on()
    assert [told.uuid for told in checked.strangers] == [OTHER_UUID]


@pytest.mark.parametrize("silence", [SILENT, PrinterProtocolError("no IPP")])
def test_a_printer_that_no_longer_says_who_it_is_gets_nothing(checked: Checked, silence: Exception) -> None:
    """Whoever has its address now may have an open port 9100 as well."""
    checked.source = Source(answer=silence)
    with pytest.raises(PrinterUnreachableError, match="doesn't say who it is"):
        checked.is_printed_on()


def test_a_printer_that_never_said_who_it_is_is_printed_on(checked: Checked) -> None:
    """Its configuration names SNMP, which it doesn't speak: nothing is known that could be checked."""
    checked.source = Source(name="snmp", answer=SILENT)
    assert checked.is_printed_on()


def test_a_printer_with_a_raw_port_only_is_printed_on(checked: Checked) -> None:
    """Port 9100 can't be asked."""
    checked.source = None
    assert checked.is_printed_on()


def test_a_printer_that_wants_a_login_to_say_who_it_is_is_printed_on(checked: Checked) -> None:
    """That shows when it is printed on."""
    checked.source = Source(answer=PrinterRejectedError("401"))
    assert checked.is_printed_on()
