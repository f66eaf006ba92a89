"""The device types and models that HP's Device API knew, as its public sample lists them.

PrintOS decides by a table of its own, which may have grown: nothing is refused for not being here. Source:
`etc/devicelist.csv` of github.com/printos/device-api-example (HP, 2016), all of its 153 rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

SELF_PROVISIONABLE: Mapping[str, tuple[str, ...]] = {
    "IndigoPress": (
        "HP Indigo 5r Digital Press",
        "HP Indigo 6r Digital Press",
        "HP Indigo 7r Digital Press",
        "HP Indigo 5600 Digital Press",
        "HP Indigo 5900 Digital Press",
        "HP Indigo 7000 Digital Press",
        "HP Indigo 7500 Digital Press",
        "HP Indigo 7600 Digital Press",
        "HP Indigo 7800 Digital Press",
        "HP Indigo 7900 Digital Press",
        "HP Indigo 8000 Digital Press",
        "HP Indigo 10000 Digital Press",
        "HP Indigo 12000 Digital Press",
        "HP Indigo 20000 Digital Press",
        "HP Indigo 30000 Digital Press",
        "HP Indigo 42000 Digital Press",
        "HP Indigo 50000 Digital Press",
        "hp indigo press 5500",
        "HP Indigo W7200 Digital Press",
        "HP Indigo WS6000 Digital Press",
        "HP Indigo WS6600 Digital Press",
        "HP Indigo WS6800 Digital Press",
        "HP Indigo WS6800p Digital Press",
    ),
    "IHPSPress": (
        "HP T200",
        "HP T230",
        "HP T240 HD",
        "HP T260M",
        "HP T260ML",
        "HP T300",
        "HP T300M",
        "HP T350",
        "HP T350M",
        "HP T360",
        "HP T360M",
        "HP T400",
        "HP T400M",
        "HP T400S",
        "HP T410",
        "HP T410M",
        "HP T470 HD",
        "HP T480 HD",
        "HP T490 HD",
        "HP T490M HD",
        "HP T1100S",
    ),
    "IHPSDFE": ("Elite Print Server",),
    "IndigoDFE": ("CloudEnabledIndigoDFEV1",),
    "ProductionCenter": ("CloudEnabledPCV1",),
    "RIP": ("CloudEnabledColorDeviceV1",),
    "ThreeDPrinter": (
        "3D Printer 100",
        "3D Printer 200",
    ),
    "FinishingDevice": (
        "CP_Bourg_Bourg_Binder_3002",
        "CP_Bourg_Bourg_Booklet_Maker_ExPress",
        "GMP_Eurolam",
        "GMP_Lamimaster_34",
        "GMP_Pro-Topic",
        "Harris_Bruno_ExcelCoat_ZR",
        "Harris_Bruno_ExcelCoat_ZRB",
        "Highcon_Euclid",
        "Horizon_APC_61II",
        "Horizon_BQ-160",
        "Horizon_BQ-160PUR",
        "Horizon_BQ-270V",
        "Horizon_BQ-470",
        "Horizon_HT-30C",
        "Horizon_HT-80",
        "Horizon_HT-1000",
        "Horizon_RD-3346",
        "Horizon_SmartBinding",
        "Horizon_SmartStacker",
        "Horizon_StitchLiner5500",
        "Imaging_Solutions_fastBlock",
        "Imaging_Solutions_fastBook",
        "Kama_Procut_53",
        "Kama_Procut_76",
        "Kolbus_Casemaker_DA_260",
        "Kolbus_Casing-in_DF-512",
        "MBO_M60",
        "Mohr_ECO_56",
        "Mohr_ECO_80",
        "Mohr_NET_56",
        "Mohr_NET_80",
        "Morgana_AutoCreaser",
        "Morgana_CardMaster",
        "Morgana_DigiFold",
        "Morgana_DocuMaster",
        "Motioncutter_Motioncutter",
        "Olec_Swift",
        "Photobook_Technology_MitaBook",
        "Photobook_Technology_MitaCase",
        "Photobook_Technology_MitaFold",
        "Photobook_Technology_MitaMax",
        "Rollem_Jetstream",
        "Scodix_S",
        "Tec_Lighting_TRUV",
        "Tecnau_Pageready",
        "Tecnau_TC_3000",
        "Therm-O-Type_ZIP",
    ),
}
"""Type to models that get credentials, with which an agent can tell their status."""

NOT_SELF_PROVISIONABLE: Mapping[str, tuple[str, ...]] = {
    "IndigoPress": (
        "HP Indigo 1000 Digital Press",
        "HP Indigo 1050 Digital Press",
        "HP Indigo 3000 Digital Press",
        "HP Indigo 3000+ Digital Press",
        "HP Indigo 3050 Digital Press",
        "HP Indigo 3500 Digital Press",
        "HP Indigo 3550 Digital Press",
        "HP Indigo 3600 Digital Press",
        "HP Indigo 5000 Digital Press",
        "HP Indigo s2000 Digital Press",
        "HP Indigo w3200 Digital Press",
        "HP Indigo w3250 Digital Press",
        "HP Indigo W7250 Digital Press",
        "HP Indigo ws2000 Digital Press",
        "HP Indigo ws4000 Digital Press",
        "HP Indigo ws4050 Digital Press",
        "HP Indigo ws4500 Digital Press",
        "HP Indigo WS4600 Digital Press",
        "HP Indigo WS6000p Digital Press",
        "HP Indigo WS6600p Digital Press",
        "Press ws4000 (CL)",
        "Press WS6000 4 Colors",
    ),
    "IndigoDFE": (
        "50T",
        "100",
        "100T",
        "120",
        "150",
        "200",
        "300",
        "400",
    ),
    "DesignjetPrinter": (
        "B9E24",
        "CQ105",
    ),
    "LatexPrinter": (
        "B4H69",
        "B4H70",
        "CZ056",
        "E2X76",
        "K4G10",
        "K4T88",
        "L2E27",
        "L4R41",
        "M0E29",
        "M0E30",
        "N2G70",
        "V7L46",
        "V7L47",
        "V8L39",
        "V8N83",
    ),
    "HotFolder": ("HotFolder",),
    "ScitexPress": (
        "HP Scitex 11000",
        "HP Scitex 15500",
        "HP Scitex 17000",
    ),
    "FinishingDevice": (
        "Duplo_DC-646",
        "Duplo_DC-745",
        "Duplo_Digital_System_5000",
        "Duplo_Ultra_205A",
        "Duplo_Ultra_300Ai",
    ),
}
"""Type to models that get a device, and no credentials."""

NAMED = 3
CUTOFF = 0.6


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A type and model of PrintOS; only a self-provisionable one gets credentials."""

    type: str
    model: str
    self_provisionable: bool


def device_types(containing: str = "") -> Iterator[DeviceType]:
    """Give every type and model whose names have each word of a text in them, in any case."""
    words = containing.casefold().split()
    for models, self_provisionable in ((SELF_PROVISIONABLE, True), (NOT_SELF_PROVISIONABLE, False)):
        for device_type, names in models.items():
            for model in names:
                if all(word in f"{device_type} {model}".casefold() for word in words):
                    yield DeviceType(device_type, model, self_provisionable)


def doubt(device_type: str, model: str) -> str:
    """Say what is doubtful about a type and model, with the nearest that are known; empty where nothing is.

    Either may be empty, for unknown: a model without a type is looked for among all types.
    """
    known = list(device_types())
    if device_type and device_type not in {it.type for it in known}:
        return _unknown("type", device_type, sorted({it.type for it in known}))
    if not model:
        return ""
    same = next((it for it in known if it.model == model and device_type in ("", it.type)), None)
    if same is None:
        models = [it.model for it in known if device_type in ("", it.type)]
        return _unknown(f"model of {device_type}" if device_type else "model", model, models)
    if not same.self_provisionable:
        return f"PrintOS gives {same.type} {model} no credentials, so that its status can't be told"
    return "" if device_type else f"its type is {same.type}"


def _unknown(what: str, name: str, known: list[str]) -> str:
    """Tell of a name that isn't on the list; PrintOS may know it all the same."""
    folded = {it.casefold(): it for it in known}
    near = [folded[it] for it in get_close_matches(name.casefold(), folded, n=NAMED, cutoff=CUTOFF)]
    hint = f"; near are {', '.join(near)}" if near else ""
    return f"{name!r} is no {what} that HP listed{hint}"
