"""Every error of the agent, in one tree, split by what the caller does next.

AgentError
├── InputError                 edit what was given                              exit 2
│   ├── ConfigError            edit the file: it names the key and the line
│   └── TicketError            a message that can never become a job
├── NotFoundError              no such printer, job or running agent            exit 3
├── RefusedError               credentials, PIN or policy say no                exit 4
├── ConflictError              something else is there already                  exit 5
├── PrinterError
│   ├── PrinterUnreachableError   try again: no byte of a document has left
│   ├── PrinterBusyError          try again later: the printer said so
│   ├── PrinterRejectedError      do not try again: the printer said no
│   ├── PrinterProtocolError      it answers, but not in this protocol
│   ├── JobCanceledError          somebody wants it cancelled: break the transfer off, have the printer forget it
│   └── OutcomeUnknownError       ask the printer or a person, never resend
├── CloudError
│   ├── CloudUnreachableError  try again, with back-off
│   │   └── LoginLaterError    this device waits to log in, the others go on
│   │       └── LoginTurnError only for its turn: nothing is wrong
│   ├── SessionExpiredError    log in and retry once
│   └── CloudRefusedError      tell a person: PrintOS will say the same again
├── FetchError                 a document that a ticket names by its URL did not come
│   ├── FetchDelayedError      try again, with back-off
│   └── FetchFailedError       do not try again
├── BrokerUnreachableError     nothing was published: wait for the next connection
├── TransportError             what an HTTP exchange came to, for a driver to translate
│   ├── ConnectFailedError     nothing was sent
│   └── AnswerLostError        something was sent, and no whole answer came
└── StorageError
    └── SpoolFullError         leave the broker until there is room
"""

from __future__ import annotations


class AgentError(Exception):
    """Raised when the agent can tell a person what is wrong in one line."""

    exit_code = 1


class InputError(AgentError):
    """Raised when what was given can't be used as it is."""

    exit_code = 2


class ConfigError(InputError):
    """Raised when the configuration is wrong; the message names the key's path and, where known, the line."""


class TicketError(InputError):
    """Raised when a message can never become a job.

    Attributes:
        reason: the state-reasons keyword told to the publisher, such as `agent-bad-ticket`.
        job_id: the ticket's id where one could be read, so that the publisher can match the refusal.
    """

    def __init__(self, message: str, *, reason: str = "agent-bad-ticket", job_id: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.job_id = job_id


class NotFoundError(AgentError):
    """Raised when there is no such printer or job, or no agent is running."""

    exit_code = 3


class RefusedError(AgentError):
    """Raised when credentials, a PIN or policy forbid it."""

    exit_code = 4


class ConflictError(AgentError):
    """Raised when it contradicts what is already there."""

    exit_code = 5


class PrinterError(AgentError):
    """Raised when a printer did not do what was asked."""


class PrinterUnreachableError(PrinterError):
    """Raised when the printer can't be reached and no byte of a document has left: safe to try again."""


class PrinterBusyError(PrinterError):
    """Raised when the printer asks to be tried again later.

    Attributes:
        retry_after_seconds: the pause the printer asked for, None where it named none.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PrinterRejectedError(PrinterError):
    """Raised when the printer refuses the request and would refuse it again.

    Attributes:
        reason: the state-reasons keyword that tells why, such as `unsupported-document-format`.
    """

    def __init__(self, message: str, *, reason: str = "aborted-by-system") -> None:
        super().__init__(message)
        self.reason = reason


class PrinterProtocolError(PrinterError):
    """Raised when what came back isn't valid in the protocol that was spoken."""


class JobCanceledError(PrinterError):
    """Raised in the middle of a document where somebody wants its job cancelled: the transfer is broken off."""


class OutcomeUnknownError(PrinterError):
    """Raised when some of the document left and no answer came: it may be printed, so it is never resent by itself."""


class CloudError(AgentError):
    """Raised when PrintOS did not do what was asked."""


class CloudUnreachableError(CloudError):
    """Raised when PrintOS can't be reached, or answers that it is out of order: try again with back-off.

    Attributes:
        retry_after_seconds: the pause that PrintOS asked for, None where it named none.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class LoginLaterError(CloudUnreachableError):
    """Raised when a device must log in and PrintOS takes no logins now: devices whose sessions are open go on."""


class LoginTurnError(LoginLaterError):
    """Raised when a device must log in and it is not its turn, because logins are spread; nothing is wrong."""


class SessionExpiredError(CloudError):
    """Raised when PrintOS no longer knows the session token: log in and retry once."""


class CloudRefusedError(CloudError):
    """Raised when PrintOS refuses and would refuse again.

    Attributes:
        status: the HTTP status code.
    """

    exit_code = 4

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class FetchError(AgentError):
    """Raised when the document of a URL did not come; the message names its host, and neither path nor query."""


class FetchDelayedError(FetchError):
    """Raised when it may come another time: try again with back-off.

    Attributes:
        retry_after_seconds: the pause that the server asked for, None where it named none.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class FetchFailedError(FetchError):
    """Raised when it would not come another time either.

    Attributes:
        reasons: the state-reasons keywords that tell why, such as `agent-document-mismatch`.
    """

    def __init__(self, message: str, *, reasons: tuple[str, ...]) -> None:
        super().__init__(message)
        self.reasons = reasons


class BrokerUnreachableError(AgentError):
    """Raised when there is no connection to the MQTT broker, so that nothing was published."""


class TransportError(AgentError):
    """Raised when an HTTP exchange failed below HTTP."""


class ConnectFailedError(TransportError):
    """Raised when no connection was made, so that nothing was sent."""


class AnswerLostError(TransportError):
    """Raised when the connection broke or fell silent after something may have been sent."""


class StorageError(AgentError):
    """Raised when the disk did not keep what it was given."""


class SpoolFullError(StorageError):
    """Raised when a job doesn't fit into the spool or on the disk now."""
