from __future__ import annotations

import random
from typing import Any

import pytest

from agent.errors import TicketError
from agent.jdf import parse_jdf
from agent.ticket import parse_ticket_keys

WHOLE = """<?xml version="1.0" encoding="UTF-8"?>
<JDF xmlns="http://www.CIP4.org/JDFSchema_1_1" ID="n1" Type="Combined" Types="DigitalPrinting" Status="Waiting"
  Version="1.3" JobID="J-17" JobPartID="1" DescriptiveName="Spring brochure">
  <NodeInfo JobPriority="80"/>
  <ResourcePool>
    <RunList ID="r1" Class="Parameter" Status="Available" Pages="0 ~ 3 7"><LayoutElement>
      <FileSpec MimeType="application/pdf" URL="file://mis.example/out/Spring%20brochure.pdf"/></LayoutElement></RunList>
    <Media ID="m1" Class="Consumable" Status="Available" MediaType="Paper" Dimension="907.08 1275.59"/>
    <Media ID="m2" Class="Consumable" Status="Available" MediaType="Plate" Dimension="2000 3000"/>
    <DigitalPrintingParams ID="d1" Class="Parameter" Status="Available" Sides="TwoSidedFlipY"/>
    <ColorantControl ID="c1" Class="Parameter" Status="Available" ProcessColorModel="DeviceGray"/>
    <Component ID="o1" Class="Quantity" Status="Unavailable" ComponentType="FinalProduct"/>
  </ResourcePool>
  <ResourceLinkPool>
    <RunListLink rRef="r1" Usage="Input"/>
    <MediaLink rRef="m1" Usage="Input" Amount="999"/>
    <ComponentLink rRef="o1" Usage="Output" Amount="250"/>
    <ComponentLink rRef="o2" Usage="Output" ProcessUsage="Waste" Amount="5"/>
  </ResourceLinkPool>
</JDF>
"""


def keys_of(content: str) -> dict[str, Any]:
    """Read the keys of a JDF that has this in it."""
    return dict(parse_jdf(f'<JDF Version="1.4">{content}</JDF>'.encode()).keys)


def refusal_of(content: str) -> str:
    """Read why a JDF that has this in it is refused."""
    with pytest.raises(TicketError) as error:
        keys_of(content)
    return str(error.value)


def test_all_that_a_printer_can_be_asked_for_is_read() -> None:
    """Of a JDF as a controller of a press gets it; what stands there for plates and waste is not for it."""
    description = parse_jdf(WHOLE.encode())
    assert description.document == "Spring brochure.pdf"
    assert dict(description.keys) == {
        "name": "Spring brochure",
        "copies": 250,
        "sides": "two-sided-long-edge",
        "media": "iso_sra3_320x450mm",
        "priority": 80,
        "color_mode": "monochrome",
        "page_ranges": "1-4,8-8",
    }


def test_what_is_read_is_a_ticket_s() -> None:
    """The same checks hold as for one that comes by MQTT."""
    ticket = parse_ticket_keys({"printer": "press", **parse_jdf(WHOLE.encode()).keys})
    assert (ticket.options.copies, ticket.options.page_ranges) == (250, ((1, 4), (8, 8)))


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        ("", {}),
        ('<CustomerInfo CustomerJobName="Menu"/>', {"name": "Menu"}),
        ('<Component ComponentType="FinalProduct Sheet" Amount="12.0"/>', {"copies": 12}),
        ('<ComponentLink Usage="Output"><PartAmount Amount="8"/></ComponentLink>', {"copies": 8}),
        ('<ComponentLink Usage="Output" Amount="0"/>', {"copies": 0}),
        ('<LayoutIntent Sides="TwoSidedHeadToFoot"/>', {"sides": "two-sided-short-edge"}),
        ('<LayoutPreparationParams Sides="OneSidedFront"/>', {"sides": "one-sided"}),
        ('<MediaIntent><Dimensions Preferred="841.89 595.28"/></MediaIntent>', {"media": "iso_a4_210x297mm"}),
        ('<Media Dimension="612 792"/>', {"media": "na_letter_8.5x11in"}),
        ('<Media Dimension="878.74 1417.32"/>', {"media": "custom_310x500mm_310x500mm"}),
        ('<Media Dimension="2592 0"/>', {}),
        ('<NodeInfo JobPriority="0"/>', {"priority": 1}),
        ('<ColorantControl ProcessColorModel="DeviceCMYK"/>', {}),
        ('<RunList Pages="0 ~ -1"/>', {}),
        ('<RunList Pages="4 ~ -1"/>', {"page_ranges": "5-2147483647"}),
        ('<RunList FirstPage="0" NPage="8"/>', {}),
    ],
)  # fmt: skip
def test_the_ways_to_say_it(content: str, keys: dict[str, Any]) -> None:
    """Intents of a product and parameters of a process alike; no copies is for the ticket's check to refuse."""
    assert keys_of(content) == keys


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('<LayoutIntent Sides="OneSided"/><DigitalPrintingParams Sides="TwoSidedFlipX"/>', "more than one: sides"),
        ('<Media Dimension="612 792"/><Media Dimension="595 842"/>', "more than one: media sizes"),
        ('<Component ComponentType="FinalProduct" Amount="2.5"/>', "no number of copies"),
        ('<DigitalPrintingParams Sides="ThreeSided"/>', "Sides 'ThreeSided'"),
        ('<Media Dimension="wide"/>', "no media size"),
        ('<Media Dimension="1e999 5"/>', "no media size"),
        ('<NodeInfo JobPriority="high"/>', "no number"),
        ('<RunList Pages="-3 ~ -1"/>', "counts from the end"),
        ('<RunList Pages="first"/>', "no list of pages"),
        ('<RunList FirstPage="2"/>', "FirstPage"),
        ('<RunList><FileSpec URL="a.pdf"/></RunList><RunList><FileSpec URL="b.pdf"/></RunList>', "documents"),
        ('<RunList><FileSpec URL="http://[::1/a.pdf"/></RunList>', "no URL"),
    ],
)
def test_what_would_come_out_wrongly_is_refused(content: str, why: str) -> None:
    """A JDF that contradicts itself, or asks for what is not read, is told, and never printed in part."""
    assert why in refusal_of(content)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:///out/a%20b.pdf", "a b.pdf"),
        ("file:\\\\server\\out\\order.pdf", "order.pdf"),
        ("C:\\out\\order.pdf", "order.pdf"),
        ("https://h.example/x/order.pdf?token=1", "order.pdf"),
        ("cid:order.pdf", "order.pdf"),
        ("../../etc/order.pdf", "order.pdf"),
        ("file:///out/", None),
    ],
)
def test_only_the_name_of_a_document_counts(url: str, name: str | None) -> None:
    """It is looked for beside the JDF and nowhere else."""
    body = f'<JDF><RunList><LayoutElement><FileSpec URL="{url}"/></LayoutElement></RunList></JDF>'
    assert parse_jdf(body.encode()).document == name


@pytest.mark.parametrize(
    "body",
    [
        b"", b"%PDF-1.4", b"<XJDF/>", b'<JDF Version="2.0"/>', b"<JMF/>", b"<JDF>", b"\xff\xfe",
        b'<!DOCTYPE JDF [<!ENTITY a "aaaa">]><JDF DescriptiveName="&a;"/>', b"<JDF>" + b" " * (1 << 20) + b"</JDF>",
    ],
)  # fmt: skip
def test_what_is_no_jdf_is_refused(body: bytes) -> None:
    """Other formats of CIP4, other files, and XML that is an attack."""
    with pytest.raises(TicketError):
        parse_jdf(body)


def test_a_damaged_jdf_is_read_or_refused() -> None:
    """Whatever bytes are changed, nothing else comes of it."""
    chance = random.Random(5)
    for _ in range(500):
        body = bytearray(WHOLE.encode())
        for _ in range(chance.randint(1, 6)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        try:
            parse_ticket_keys({"printer": "press", **parse_jdf(bytes(body)).keys})
        except TicketError:
            continue
