"""What an answer comes to: HTTP and IPP status codes (RFC 8011 appendix B) as the errors of the agent. Pure."""

from __future__ import annotations

from agent.drivers.ipp_message import parse_response
from agent.drivers.ipp_values import GroupTag, Message, Status, plain_text
from agent.errors import (
    NotFoundError,
    PrinterBusyError,
    PrinterRejectedError,
    PrinterUnreachableError,
)
from agent.http import Answer

HTTP_OK = 200
HTTP_BAD_REQUEST = 400
HTTP_FIRST_SERVER_ERROR = 500
HTTP_FORBIDS = frozenset({401, 403})
HTTP_BUSY = frozenset({429, 503})
FIRST_ERROR = 0x0100
FIRST_SERVER_ERROR = 0x0500

FORBIDS = frozenset({Status.FORBIDDEN, Status.NOT_AUTHENTICATED, Status.NOT_AUTHORIZED})
LACKS = frozenset({Status.NOT_FOUND, Status.GONE})
IS_BUSY = frozenset(
    {
        Status.SERVICE_UNAVAILABLE,
        Status.NOT_ACCEPTING_JOBS,
        Status.BUSY,
        Status.TOO_MANY_JOBS,
    }
)
NEVER_WILL = frozenset(
    {
        Status.OPERATION_NOT_SUPPORTED,
        Status.VERSION_NOT_SUPPORTED,
        Status.MULTIPLE_DOCUMENT_JOBS_NOT_SUPPORTED,
        Status.PRINTER_IS_DEACTIVATED,
    }
)


def parse_answer(answer: Answer) -> Message:
    """Read the IPP message of an HTTP answer, whatever its status code; HTTP's Bad Request becomes IPP's.

    Raises:
        PrinterRejectedError: the printer wants a login, or a better one.
        PrinterBusyError: it asks for patience.
        PrinterUnreachableError: it is out of order (another HTTP 5xx).
        NotFoundError: the HTTP server there wants no IPP request (another HTTP 3xx or 4xx).
        PrinterProtocolError: what came is no IPP.
    """
    told = f"HTTP status {answer.status}"
    if answer.status == HTTP_OK:
        return parse_response(answer.body)
    if answer.status == HTTP_BAD_REQUEST:
        return Message(Status.BAD_REQUEST, ())
    if answer.status in HTTP_FORBIDS:
        raise PrinterRejectedError(f"the printer asks for a login, or refuses the one it got ({told})")
    if answer.status in HTTP_BUSY:
        pause = answer.headers.get("Retry-After", "")
        seconds = float(pause) if pause.isascii() and pause.isdigit() else None
        raise PrinterBusyError(f"the printer is busy ({told})", retry_after_seconds=seconds)
    if answer.status >= HTTP_FIRST_SERVER_ERROR:
        raise PrinterUnreachableError(f"the printer is out of order ({told})")
    raise NotFoundError(f"the HTTP server there refuses an IPP request ({told})")


def raise_for_status(message: Message) -> None:
    """Do nothing where a response tells of success.

    Raises:
        NotFoundError: there is no such job, or no such printer at this path.
        PrinterBusyError: later, perhaps.
        PrinterRejectedError: never; its reason is a state-reasons keyword.
        PrinterUnreachableError: the printer has an internal error, of which it doesn't say what it undid.
    """
    if message.code < FIRST_ERROR:
        return
    told = _told(message)
    if message.code in LACKS:
        raise NotFoundError(f"the printer knows of no such thing ({told})")
    if message.code in IS_BUSY:
        raise PrinterBusyError(f"the printer asks to be tried again later ({told})")
    if message.code in FORBIDS:
        raise PrinterRejectedError(f"the printer asks for a login, or refuses the one it got ({told})")
    if message.code < FIRST_SERVER_ERROR or message.code in NEVER_WILL:
        refused = ", ".join(sorted(refused_names(message)))
        raise PrinterRejectedError(f"the printer refuses{refused and ' ' + refused} ({told})", reason=_reason(message))
    raise PrinterUnreachableError(f"the printer is out of order ({told})")


def refused_names(message: Message) -> frozenset[str]:
    """Name the attributes that the printer ignored or refused."""
    return frozenset(plain_text(item.name) for item in message.group(GroupTag.UNSUPPORTED).items)


def _reason(message: Message) -> str:
    if message.code == Status.DOCUMENT_FORMAT_NOT_SUPPORTED or "document-format" in refused_names(message):
        return "unsupported-document-format"
    if message.code == Status.ATTRIBUTES_OR_VALUES_NOT_SUPPORTED:
        return "unsupported-attributes-or-values"
    return "aborted-by-system"


def _told(message: Message) -> str:
    name = next((status.name.lower().replace("_", "-") for status in Status if status == message.code), "IPP status")
    text = message.group(GroupTag.OPERATION).text("status-message")
    return f"{name} 0x{message.code:04x}" + (f": {text}" if text else "")
