"""What the recordings of real printers say, read from them by hand; never from what the parsers make of them.

A supply is a line `description = percent`: what is left of it, of a receptacle (`waste:`) how full it is, `-` where the
printer doesn't know.
"""

from __future__ import annotations

from typing import NamedTuple


class Truth(NamedTuple):
    """What one recording says; `pages` are impressions and sheets."""

    make_and_model: str | None
    serial: str | None = None
    state: str = "unknown"
    reasons: tuple[str, ...] = ()
    supplies: str = ""
    pages: tuple[int | None, int | None] = (None, None)


M880 = Truth(
    "HP Color LaserJet flow MFP M880",
    supplies="""
Black Cartridge 827A HP CF300A = 92
Cyan Cartridge 827A HP CF301A = 16
Magenta Cartridge 827A HP CF303A = 100
Yellow Cartridge 827A HP CF302A = 70
Black Drum 828A HP CF358A = 53
Cyan Drum 828A HP CF359A = 58
Magenta Drum 828A HP CF365A = 58
Yellow Drum 828A HP CF364A = 58
Transfer Kit HP D7H14A = 89
Fuser Kit HP 110V-C1N54A, 220V-C1N58A = 84
Document Feeder Kit HP C1P70A = 99
Clean Rollers HP None = 97
Stapler 1 HP C8091A = -
Stapler 2 HP CC383A = -
Stapler 3 HP CC383A = -
""",
)
M880_PERCENTS = (92, 16, 100, 70, 53, 58, 58, 58, 89, 84, 99, 97, None, None, None)
"""The first recording of the M880 has its descriptions broken by the recorder."""

SNMP: dict[str, Truth] = {
    "brother": Truth(
        "Brother MFC-L2710DW series",
        "000A5J431816",
        supplies="""
Black Toner Cartridge = -
Drum Unit = 95.8
""",
    ),
    "brother_hl5370dw": Truth(
        "Brother HL-5370DW series",
        "B9J154306",
        supplies="""
Black Toner Cartridge = -
Black Toner Cartridge = -
Drum Unit = 68.8
""",
        pages=(7792, None),
    ),
    "canonprinter_d1180": Truth("Canon D1180/MF6680"),
    "canonprinter_tm": Truth(
        "Canon TM-5300",
        supplies="""
CANON Matte Black Ink Tank = 80
CANON Black Ink Tank = 100
CANON Yellow Ink Tank = 60
CANON Magenta Ink Tank = 80
CANON Cyan Ink Tank = 70
waste: CANON Waste Ink Tank = 10
""",
        pages=(None, 21588),
    ),
    "dell-laser_s5830dn": Truth(
        "Dell S5830dn",
        "7XQ1R92-132-13",
        supplies="""
Black Toner = 49
Imaging Unit = 72
Maintenance Kit = 83
Roller Kit = 89
""",
    ),
    "epson": Truth(
        "EPSON WF-C5790BA",
        "X3B8022793",
        supplies="""
Black Ink Supply Unit T9441/T9451/T9461 = 1
Cyan Ink Supply Unit T9442/T9452 = 1
Magenta Ink Supply Unit T9443/T9453 = 1
Yellow Ink Supply Unit T9444/T9454 = 1
""",
    ),
    "full_brother_hl_l8260cdw": Truth(
        "Brother HL-L8260CDW series",
        "U64641E7J134163",
        "idle",
        supplies="""
Black Toner Cartridge = -
Cyan Toner Cartridge = -
Magenta Toner Cartridge = -
Yellow Toner Cartridge = -
waste: Waste Toner Box = -
Belt Unit = 56.5
Drum Unit = 75.3
""",
        pages=(None, 42976),
    ),
    "full_epson_cw_c6500": Truth(
        "EPSON CW-C6500Au",
        "X7F4008528",
        "idle",
        ("marker-supply-low-warning", "marker-ink-almost-empty-warning"),
        supplies="""
Black Ink Cartridge SJIC35P-BK = 86
Cyan Ink Cartridge SJIC35P-C = 1
Magenta Ink Cartridge SJIC35P-M = 1
Yellow Ink Cartridge SJIC35P-Y = 1
waste: Maintenance Box SJMB6000/6500 = 50
""",
        pages=(7389, None),
    ),
    "full_kyocera_p2040dw": Truth(
        "KYOCERA ECOSYS P2040dw",
        "VD21457943",
        "idle",
        supplies="""
TK-1162 = 98
waste: Waste Toner Box = -
""",
        pages=(7432, None),
    ),
    "gestetner": Truth("Gestetner MPC2500/DSc525", "M6394300657"),
    "jetdirect": Truth(
        "HP Color LaserJet M452nw",
        "AAA0A00000",
        supplies="""
Black Cartridge HP CF410A = 54
Cyan Cartridge HP CF411A = 44
Magenta Cartridge HP CF413A This description is longer than 32 = 76
Yellow Cartridge HP CF412A = 71
""",
    ),
    "jetdirect_1": Truth(None),
    "jetdirect_m130nw": Truth(
        "HP LaserJet MFP M130nw",
        "VNCRC48198",
        supplies="""
Black Cartridge HP CF217A = 28
Imaging Drum HP CF219A = 71
""",
        pages=(15232, None),
    ),
    "jetdirect_m880_repaired": M880,
    "konica": Truth(
        "KONICA MINOLTA bizhub C3110",
        supplies="""
Toner (Cyan) = 29
Toner (Magenta) = 31
Toner (Yellow) = 58
Toner (Black) = 83
Drum Cartridge (Cyan) = 59
Developer Cartridge (Cyan) = 79
Drum Cartridge (Magenta) = 97
Developer Cartridge (Magenta) = 78
Drum Cartridge (Yellow) = 59
Developer Cartridge (Yellow) = 78
Drum Cartridge (Black) = 20
Developer Cartridge (Black) = 71
waste: Waste Toner Box = -
Fusing Unit = 68
Image Transfer Belt Unit = 41
Transfer Roller Unit = 45
Ozone Filter = 45
""",
    ),
    "konica_2": Truth(
        "Konica Minolta bizhub 25e",
        supplies="""
Black Toner = 8
Drum = 99
Fuser = 58
Transfer Roller = 58
""",
    ),
    "kyocera": Truth("KYOCERA FS-1028MFP", "QUV9600664"),
    "lexmarkprinter": Truth("Lexmark T640"),
    "okilan": Truth("OKI MC342"),
    "partial_lexmark_x748": Truth(
        None,
        supplies="""
Cyan Toner = 94
Magenta Toner = 96
Yellow Toner = 96
Black Toner = 94
Photo Drum:Cyan = 71
Photo Drum:Magenta = 71
Photo Drum:Yellow = 71
Photo Drum:Black = 71
waste: Waste Toner Bottle = 0
Fuser = 77
Transfer Module = 77
Separator pad = -
""",
    ),
    "partial_oki": Truth(
        None,
        supplies="""
Toner Cartridge OKI DATA CORP = 30
Toner Cartridge OKI DATA CORP = 10
Toner Cartridge OKI DATA CORP = 10
Toner Cartridge OKI DATA CORP = 40
Image Drum Unit OKI DATA CORP = 2
Image Drum Unit OKI DATA CORP = 39.8
Image Drum Unit OKI DATA CORP = 58
Image Drum Unit OKI DATA CORP = 23.1
Belt Unit OKI DATA CORP = 79
Fuser Unit OKI DATA CORP = 43.6
waste: Waste Toner box OKI DATA CORP = -
""",
    ),
    "partial_utf8_sleep_alert": Truth(None, state="idle"),
    "ricoh": Truth("RICOH MP 3053"),
    "ricoh_mpc3002": Truth(
        "RICOH Aficio MP C3002",
        "W492KB03439",
        supplies="""
Black Toner = 40
waste: Waste Toner = 0
Cyan Toner = 20
Magenta Toner = 50
Yellow Toner = 50
""",
        pages=(None, 271871),
    ),
    "samsungprinter_c": Truth("Samsung C"),
    "samsungprinter_m4080fx": Truth(
        "Samsung M4080FX",
        reasons=("media-low-warning",),
        supplies="""
Black Toner Cartridge S/N:CRUM- = 88
Fuser S/N: = 74.5
Transfer Roller = 84.7
ADF Roller = 95.6
MP Roller = 100
Tray 1 Roller = 90.5
Tray 1 Retard Roller Life = 90.5
""",
        pages=(22934, None),
    ),
    "sharp": Truth(
        "SHARP MX-3570N",
        "6509415X00",
        reasons=("toner-low-warning",),
        supplies="""
Cyan Toner = 55
Magenta Toner = 19
Yellow Toner = 40
Black Toner = 34
waste: Waste Toner = -
Cyan Photoconductive Drum = 81
Magenta Photoconductive Drum = 81
Yellow Photoconductive Drum = 81
Black Photoconductive Drum = 95
Cyan Developer = 91
Magenta Developer = 91
Yellow Developer = 91
Black Developer = 74
Fusing Unit = -
""",
        pages=(121104, None),
    ),
    "toshiba-tec_fv4": Truth("TOSHIBA TEC B-FV4"),
    "xerox": Truth(
        "Xerox AltaLink C8045",
        supplies="""
Black Toner, PN 006R01509;SN48178080E0000481 = 20
Cyan Toner, PN 006R01512;SN461E7A80E0000489 = 66
Magenta Toner, PN 006R01511;SN45304780E0000489 = 72
Yellow Toner, PN 006R01510;SN4E0B8980E000048A = 60
Drum Cartridge (R1), PN 013R00662;SN5238EF80E000048E = 50
Drum Cartridge (R2), PN 013R00662;SN52100780E000048E = 92
Drum Cartridge (R3), PN 013R00662;SN52374F80E000048E = 93
Drum Cartridge (R4), PN 013R00662;SN5234E480E000048E = 93
Fuser, PN unknown;SNunknown = 90
waste: Waste Toner Container, PN 008R13061;SNunknown = 95
Transfer Belt Cleaner, PN 001R00613;SNunknown = 65
Second Bias Transfer Roll, PN 008R13064;SNunknown = 86
""",
    ),
    "xerox_phaser": Truth("Xerox Phaser 4600"),
    "zebra": Truth("Zebra ZTC TLP 2824 Plus", "37J162600538", "idle"),
}

NO_PRINTERS = ("axisdocserver", "panasonic-ns")
"""A document server and a telephone exchange answer by SNMP too."""

IPP: dict[str, Truth] = {
    "get-printer-attributes-hp6830.bin": Truth(
        "HP Officejet Pro 6830",
        "TH55R620W0",
        "idle",
        ("marker-supply-low-warning",),
        supplies="""
magenta ink = 20
cyan ink = 20
yellow ink = 20
black ink = 20
""",
    ),
    "get-printer-attributes-epsonxp6000.bin": Truth(
        "EPSON XP-6000 Series",
        "X44Y0540",
        "idle",
        ("marker-supply-low-warning",),
        supplies="""
Photo Black ink = 27
Cyan ink = 99
Magenta ink = 83
Yellow ink = 6
Black ink = 64
""",
    ),
    "Kyocera-ECOSYS-M2040dn-Printer-Attributes.ipp": Truth(
        "Kyocera ECOSYS M2040dn",
        "VCF9192281",
        "idle",
        supplies="""
Black TK-1170 = 84
waste: Waste Toner Box = 0
""",
    ),
}
