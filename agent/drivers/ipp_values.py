"""The words of IPP: tags and codes of RFC 8010, RFC 8011 and PWG 5100.13, and the values that attributes hold."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from datetime import datetime

LONGEST_TEXT = 1023


@enum.unique
class GroupTag(enum.IntEnum):
    """Delimiter tags of RFC 8010 section 3.5.1."""

    OPERATION = 0x01
    JOB = 0x02
    END = 0x03
    PRINTER = 0x04
    UNSUPPORTED = 0x05


@enum.unique
class Tag(enum.IntEnum):
    """Value tags of RFC 8010 section 3.5.2."""

    UNSUPPORTED = 0x10
    UNKNOWN = 0x12
    NO_VALUE = 0x13
    INTEGER = 0x21
    BOOLEAN = 0x22
    ENUM = 0x23
    OCTET_STRING = 0x30
    DATE_TIME = 0x31
    RESOLUTION = 0x32
    RANGE_OF_INTEGER = 0x33
    BEGIN_COLLECTION = 0x34
    TEXT_WITH_LANGUAGE = 0x35
    NAME_WITH_LANGUAGE = 0x36
    END_COLLECTION = 0x37
    TEXT = 0x41
    NAME = 0x42
    KEYWORD = 0x44
    URI = 0x45
    URI_SCHEME = 0x46
    CHARSET = 0x47
    NATURAL_LANGUAGE = 0x48
    MIME_MEDIA_TYPE = 0x49
    MEMBER_NAME = 0x4A


@enum.unique
class Operation(enum.IntEnum):
    """Operation ids of RFC 8011 and PWG 5100.13 that are used here."""

    PRINT_JOB = 0x0002
    VALIDATE_JOB = 0x0004
    CREATE_JOB = 0x0005
    SEND_DOCUMENT = 0x0006
    CANCEL_JOB = 0x0008
    GET_JOB_ATTRIBUTES = 0x0009
    GET_JOBS = 0x000A
    GET_PRINTER_ATTRIBUTES = 0x000B
    IDENTIFY_PRINTER = 0x003C


@enum.unique
class Status(enum.IntEnum):
    """Status codes of RFC 8011 that are told apart here; every code below 0x0100 is a success."""

    OK = 0x0000
    OK_IGNORED_OR_SUBSTITUTED = 0x0001
    BAD_REQUEST = 0x0400
    FORBIDDEN = 0x0401
    NOT_AUTHENTICATED = 0x0402
    NOT_AUTHORIZED = 0x0403
    NOT_POSSIBLE = 0x0404
    NOT_FOUND = 0x0406
    GONE = 0x0407
    DOCUMENT_FORMAT_NOT_SUPPORTED = 0x040A
    ATTRIBUTES_OR_VALUES_NOT_SUPPORTED = 0x040B
    CHARSET_NOT_SUPPORTED = 0x040D
    INTERNAL_ERROR = 0x0500
    OPERATION_NOT_SUPPORTED = 0x0501
    SERVICE_UNAVAILABLE = 0x0502
    VERSION_NOT_SUPPORTED = 0x0503
    TEMPORARY_ERROR = 0x0505
    NOT_ACCEPTING_JOBS = 0x0506
    BUSY = 0x0507
    MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED = 0x0509
    PRINTER_IS_DEACTIVATED = 0x050A
    TOO_MANY_JOBS = 0x050B


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resolution; `units` is 3 for dots an inch, 4 for dots a centimetre."""

    cross_feed: int
    feed: int
    units: int


@dataclass(frozen=True, slots=True)
class Range:
    """A rangeOfInteger, both ends in it."""

    lower: int
    upper: int


@dataclass(frozen=True, slots=True)
class Localized:
    """A textWithLanguage or nameWithLanguage."""

    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """One value and its tag; the value is None for the out-of-band tags, octets where it isn't what the tag says."""

    tag: int
    value: Value


@dataclass(frozen=True, slots=True)
class Attribute:
    """A name and its values, one or a 1setOf."""

    name: str
    values: tuple[Tagged, ...]


@dataclass(frozen=True, slots=True)
class Attributes:
    """The attributes of a group or the members of a collection, read by name; of two of one name the first counts."""

    items: tuple[Attribute, ...] = ()

    def values(self, name: str) -> tuple[Value, ...]:
        """Give all values of an attribute, empty where it is missing."""
        found = next((item for item in self.items if item.name == name), None)
        return tuple(tagged.value for tagged in found.values) if found else ()

    def integers(self, name: str) -> tuple[int | None, ...]:
        """Give the integers and enums of an attribute in their places, None where one is no integer."""
        values = self.values(name)
        return tuple(value if isinstance(value, int) and not isinstance(value, bool) else None for value in values)

    def integer(self, name: str) -> int | None:
        """Give the first integer or enum of an attribute."""
        return next(iter(self.integers(name)), None)

    def boolean(self, name: str) -> bool | None:
        """Give the first value of an attribute where that is a boolean."""
        value = next(iter(self.values(name)), None)
        return value if isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Give the strings of an attribute in their places, made safe to show; empty where one is no string."""
        return tuple(map(plain_text, self.values(name)))

    def text(self, name: str) -> str | None:
        """Give the first string of an attribute, None where it is missing or empty."""
        return next(iter(self.texts(name)), None) or None


Value = int | str | bytes | datetime | Resolution | Range | Localized | Attributes | None


@dataclass(frozen=True, slots=True)
class Group:
    """An attribute group of a message; `tag` is a GroupTag or one that isn't known here."""

    tag: int
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Message:
    """A request, whose `code` is an operation id, or a response, whose `code` is a status code."""

    code: int
    groups: tuple[Group, ...]
    version: tuple[int, int] = (2, 0)
    request_id: int = 1

    def group(self, tag: GroupTag) -> Attributes:
        """Give the first group of a tag, empty where there is none."""
        return next(iter(self.all_groups(tag)), Attributes())

    def all_groups(self, tag: GroupTag) -> tuple[Attributes, ...]:
        """Give every group of a tag: Get-Jobs answers with one for each job."""
        return tuple(group.attributes for group in self.groups if group.tag == tag)


def attribute(name: str, tag: Tag, *values: Value) -> Attribute:
    """Make an attribute whose values have one tag."""
    return Attribute(name, tuple(Tagged(tag, value) for value in values))


def plain_text(value: Value) -> str:
    """Give a string in one line without control characters, at most 1023 long; empty for a value that is no string."""
    if isinstance(value, Localized):
        value = value.text
    if isinstance(value, bytes):
        value = _decoded(value)
    if not isinstance(value, str):
        return ""
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())[:LONGEST_TEXT]


def hyphenated(word: str) -> str:
    """Give PWG 5100.9's keyword for the Printer-MIB's name: `inkCartridge` is `ink-cartridge`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", plain_text(word)).lower()


def parse_fields(text: str) -> dict[str, str]:
    """Split `type=toner;level=25;` (PWG 5100.13) by its keys in lower case."""
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def parse_quantity(text: str | None) -> int | None:
    """Read a level or capacity; the Printer-MIB's -1, -2 and -3 say that it isn't known."""
    return int(text) if text and re.fullmatch(r"[0-9]{1,10}", text) else None


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
