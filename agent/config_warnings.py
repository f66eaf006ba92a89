"""What is doubtful in a good configuration: it may be meant, so that it is told and nothing is refused. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config_schema import Config
from agent.printos.device_types import doubt


def config_warnings(config: Config) -> Iterator[str]:
    """Name what has no effect, and the types and models of PrintOS that HP's list does not have or gives no logins."""
    if config.siteflow.postback_token_file is not None and not config.web.listen:
        yield "siteflow.postback_token_file: has no effect without web.listen"
    yield from _doubtful_types(config)


def _doubtful_types(config: Config) -> Iterator[str]:
    if config.printos.dialect != "platform":
        return
    for number, printer in enumerate(config.printers, 1):
        key = "printos_type" if printer.printos_type else "printos_model"
        if printer.printos_model and not printer.printos_type:
            hint = doubt("", printer.printos_model)
            yield f"printer[{number}].{key}: has no effect without printos_type{f' ({hint})' if hint else ''}"
        elif told := doubt(printer.printos_type, printer.printos_model):
            yield f"printer[{number}].{key}: {told}"
