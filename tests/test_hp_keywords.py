from __future__ import annotations

import re

import pytest

from agent.drivers.hp_keywords import (
    Conditions,
    color_code,
    describe,
    merged,
    supply_type_of,
    uuid_of,
    weigh,
    with_make,
)
from agent.model import PrinterState

Alerts = tuple[tuple[str, str], ...]

DECLARED = re.findall(
    r"\w+",
    """
    ready processing copying scanProcessing initializing inkSystemInitializing calibrating inPowerSave shuttingDown
    cancelJob jamInPrinter carriageJam closeDoorOrCover trayEmptyOrOpen trayOpen trayClosed sizeMismatchInTray
    improperOrientationInTray cartridgeMissing cartridgeFailure cartridgeInWrongOrder incompatibleConsumable
    missingPrintHead failedPrintHead printerError sharedAddressError scannerError scannerAdfJam genuineHP cartridgeLow
    cartridgeVeryLow usedConsumable nonHPSupplyDetected upgradableSupply improperShutdown calibrationRequired
    inReserveMode supportMessageAlert hardError outputBinFull outputBinOpened outputBinClosed unexpectedSizeInTray
    unexpectedTypeInTray insertOrCloseTray insertOrCloseTray2 manuallyFeed incorrectCartridge inkTooLowToPrime
    wasteMarkerCollector wasteMarkerCollectorAlmostFull wasteMarkerCollectorFull wasteMarkerCollectorFullPrompt
    missingDuplexer reseatDuplexer printBarStall subscribedPagesLow cartridgeCounterfeitQuestion
    antiTheftEnabledSupplyError calibrationInProgress cartridgeError doorOpen genuineHPsupply printerImproperShutdown
    incompatibleCartridge cartridgeNonHp outOfInk shaidElectricalError cartridgeForwardIncompatible trayMediaEmpty
    usedSupplyPrompt cartridgeBadMfgBatchInUse cartridgeBadMfgBatchError inQuietMode coverOpen allTraysEmpty
    """,
)


def weighed(*words: str, alerts: Alerts = (), uses_ink: bool = False) -> tuple[str, list[str]]:
    """Give the state and the reasons that follow."""
    status = weigh(Conditions(words, alerts), uses_ink=uses_ink)
    return status.state.keyword, list(status.state_reasons)


@pytest.mark.parametrize(
    ("words", "state", "reasons"),
    [
        (["ready"], "idle", []),
        (["inPowerSave"], "idle", ["standby"]),
        (["processing"], "processing", []),
        (["copying"], "processing", []),
        (["shuttingDown"], "stopped", ["shutdown"]),
        (["jamInPrinter"], "stopped", ["media-jam-error"]),
        (["carriageJam"], "stopped", ["media-jam-error"]),
        (["closeDoorOrCover"], "stopped", ["door-open-error"]),
        (["trayEmptyOrOpen"], "stopped", ["media-empty-error"]),
        (["trayOpen"], "stopped", ["input-tray-missing-error"]),
        (["sizeMismatchInTray"], "stopped", ["input-cannot-feed-size-selected-error"]),
        (["improperOrientationInTray"], "stopped", ["media-needed-error"]),
        (["cartridgeMissing"], "stopped", ["marker-supply-missing-error"]),
        (["missingPrintHead"], "stopped", ["marker-supply-missing-error"]),
        (["cartridgeYellowMissing"], "stopped", ["marker-supply-missing-error"]),
        (["incompatibleConsumable"], "stopped", ["subunit-recoverable-failure-error"]),
        (["cartridgeInWrongOrder"], "stopped", ["subunit-recoverable-failure-error"]),
        (["failedPrintHead"], "stopped", ["subunit-recoverable-failure-error"]),
        (["printerError"], "stopped", ["other-error"]),
        (["outputBinFull"], "stopped", ["output-area-full-error"]),
        (["wasteMarkerCollectorFullPrompt"], "stopped", ["marker-waste-full-error"]),
        (["cartridgeLow"], "idle", ["toner-low-warning"]),
        (["trayEmpty", "ready"], "idle", ["media-empty-warning"]),
        (["genuineHP"], "idle", []),
        (["scannerAdfJam"], "idle", []),
        (["brandNewCategory"], "unknown", []),
        ([], "unknown", []),
    ],
)
def test_a_category_gives_state_and_keyword(words: list[str], state: str, reasons: list[str]) -> None:
    """A fault stops the printer, a notice doesn't, and what nobody knows tells nothing."""
    assert weighed(*words) == (state, reasons)


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (("genuineHP", "inPowerSave"), "idle"),
        (("ready", "jamInPrinter"), "stopped"),
        (("processing", "cartridgeLow", "genuineHP"), "processing"),
        (("ready", "processing"), "processing"),
        (("processing", "closeDoorOrCover"), "stopped"),
    ],
)
def test_of_several_categories_the_worst_counts_in_any_order(words: tuple[str, ...], state: str) -> None:
    """Printers put them in no order that means anything."""
    assert {weighed(*words)[0], weighed(*reversed(words))[0]} == {state}


def test_an_alert_says_how_bad_its_category_is() -> None:
    """One of several trays that is empty is a warning, and the photo tray doesn't stop a sleeping printer."""
    alerts = (("trayEmptyOrOpen", "Warning"), ("genuineHP", "Info"))
    assert weighed("trayEmptyOrOpen", "inPowerSave", alerts=alerts) == ("idle", ["standby", "media-empty-warning"])


def test_severities_become_suffixes_and_the_worst_of_one_keyword_is_told() -> None:
    """Error, Warning and StrictWarning, Info: as PWG 5100.9 says."""
    alerts = (("cartridgeLow", "Info"), ("cartridgeVeryLow", "StrictWarning"), ("outputBinFull", "Info"))
    assert weighed("ready", alerts=alerts) == ("idle", ["toner-low-warning", "output-area-full-report"])


def test_an_ink_printer_runs_out_of_no_toner() -> None:
    """The words follow what is in it."""
    alerts = (("cartridgeLow", "Warning"), ("outOfInk", "Error"))
    assert weighed("ready", alerts=alerts, uses_ink=True)[1] == [
        "marker-supply-low-warning",
        "marker-supply-empty-error",
    ]


def test_an_unknown_category_is_told_by_hps_name_where_it_matters() -> None:
    """With the severity that the printer gives it; as a mere notice, or unclassified, it is left out."""
    alerts = (("cartridgeCounterfeitQuestion", "Warning"), ("fooBar2", "Error"), ("inQuietMode", "Info"), ("odd", ""))
    reasons = ["com.hp-cartridge-counterfeit-question-warning", "com.hp-foo-bar2-error"]
    assert weighed("ready", alerts=alerts) == ("idle", reasons)


def test_a_jam_stops_even_a_printer_that_calls_itself_ready() -> None:
    """An error that another tray or cartridge may make good does not."""
    assert weighed("ready", alerts=(("jamInTray2", "error"),))[0] == "stopped"
    assert weighed("ready", alerts=(("trayEmpty", "error"),))[0] == "idle"


@pytest.mark.parametrize("category", DECLARED)
@pytest.mark.parametrize("severity", ["Error", "Warning", "Info", ""])
def test_every_declared_category_gives_only_keywords(category: str, severity: str) -> None:
    """They keep to RFC 8011's letters, and genuine supplies are no fault at any severity."""
    reasons = weighed(category, alerts=((category, severity),))[1]
    assert all(re.fullmatch(r"[a-z][a-z0-9.-]*", reason) for reason in reasons)
    assert not (category.startswith("genuineHP") and reasons)


def test_a_printer_that_shuts_down_takes_no_jobs() -> None:
    """Any other does."""
    accepting = [weigh(Conditions((word,)), uses_ink=False).accepting_jobs for word in ("shuttingDown", "jamInPrinter")]
    assert accepting == [False, True]


def test_a_keyword_is_told_once() -> None:
    """Without a severity it is the worst, for RFC 8011 takes it for an error."""
    assert merged(["a-b-report", "a-b-error", "c", "c-warning", "standby"]) == ("a-b-error", "c", "standby")


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("Black", "K"),
        ("K", "K"),
        ("CyanMagentaYellow", "CMY"),
        ("CMY", "CMY"),
        ("pK", "PK"),
        ("PhotoBlack", "PK"),
        ("", ""),
    ],
)
def test_colours_and_label_codes_are_one(word: str, code: str) -> None:
    """ProductUsageDyn spells them out, ConsumableConfigDyn abbreviates."""
    assert color_code(word) == code


@pytest.mark.parametrize(
    ("word", "supply_type"),
    [
        ("inkTank", "ink"),
        ("inkCartridge", "ink-cartridge"),
        ("rechargeableToner", "toner"),
        ("imageDrum", "opc"),
        ("printhead", "other"),
        ("wasteTonerCollector", "waste-toner"),
        ("", "other"),
    ],
)
def test_types_are_those_of_pwg(word: str, supply_type: str) -> None:
    """What has no name there is `other`."""
    assert supply_type_of(word) == supply_type


def test_supplies_are_described_for_people() -> None:
    """The colour, what it is, and its number."""
    assert describe("K", "toner", "207X") == "Black Toner 207X"
    assert describe("CMY", "inkCartridge", "") == "CMY Ink Cartridge"


def test_a_model_without_its_maker_gets_it() -> None:
    """Some printers leave it out, some write it twice nowhere."""
    assert with_make("ENVY Photo 7800 series") == "HP ENVY Photo 7800 series"
    assert with_make("hp officejet 6500") == "hp officejet 6500"
    assert with_make(None) is None


def test_a_uuid_of_zeros_proves_nothing() -> None:
    """Else every printer that has none would be one and the same."""
    assert uuid_of("00000000-0000-0000-0000-000000000000") is None
    assert uuid_of("printer") is None
    assert uuid_of("URN:UUID:1C852A4D-B800-1F08-ABCD-3024A9F1B2C3") == "1c852a4d-b800-1f08-abcd-3024a9f1b2c3"


def test_states_are_told_apart() -> None:
    """Sleep is rest, and work moves counters."""
    assert Conditions(("inPowerSave",)).is_asleep
    assert Conditions(("copying",)).is_busy
    assert weigh(Conditions(("initializing",)), uses_ink=False).state is PrinterState.PROCESSING
