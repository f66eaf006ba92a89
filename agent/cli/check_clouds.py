"""What `doctor` tries of HP's services that take jobs: whether they take the key of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from agent.cli.finding import Finding
from agent.cloud_clients import build_box, cloud_http
from agent.config_schema import Config
from agent.errors import CloudRefusedError, CloudUnreachableError

UNAUTHORIZED = 401


def check_printos_box(config: Config) -> Iterator[Finding]:
    """Ask Box for its substrates, which changes nothing; nothing is said of a Box that is off."""
    if not config.box.key:
        return
    try:
        with closing(cloud_http(config.printos)) as http:
            count = len(build_box(config.box, http).substrates())
    except CloudUnreachableError as error:
        advice = "see box.base_url, printos.proxy and printos.ca_file, and the clock of this box"
        yield Finding("box", "failed", str(error), advice)
    except CloudRefusedError as error:
        yield Finding("box", "failed", str(error), _advice(error.status))
    else:
        yield Finding("box", "ok", f"{config.box.base_url} takes the key; it has {count} substrates")


def _advice(status: int) -> str:
    if status == UNAUTHORIZED:
        return "box.key and box.secret_file must be one application connector's, from the same PrintOS as box.base_url"
    return "the key needs the role Order Creation; make one in PrintOS under Application Connectors"
