"""What `doctor` tries of HP's services that take jobs: whether they take the key of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing

from agent.cli.finding import Finding
from agent.cloud_clients import build_box, build_siteflow, cloud_http
from agent.config_schema import Config
from agent.errors import CloudRefusedError, CloudUnreachableError, NotFoundError

UNAUTHORIZED = 401
FORBIDDEN = 403


def check_printos_box(config: Config) -> Iterator[Finding]:
    """Ask Box for its substrates, which changes nothing; nothing is said of a Box that is off."""
    if config.box.key:
        with closing(cloud_http(config.printos)) as http:
            box = build_box(config.box, http)
            yield _tried("box", config.box.base_url, "substrates", box.substrates, advice=_box_advice)


def check_siteflow(config: Config) -> Iterator[Finding]:
    """Ask Site Flow for its skus, which changes nothing; nothing is said of one that is off."""
    if config.siteflow.key:
        with closing(cloud_http(config.printos)) as http:
            siteflow = build_siteflow(config.siteflow, http)
            yield _tried("siteflow", config.siteflow.base_url, "skus", siteflow.skus, advice=_siteflow_advice)


def _tried(
    section: str, url: str, things: str, ask: Callable[[], Sequence[object]], *, advice: Callable[[int], str]
) -> Finding:
    """Ask for the things that a service has; `advice` is what to do where it answers with a status of refusal."""
    try:
        found = ask()
    except CloudUnreachableError as error:
        where = f"see {section}.base_url, printos.proxy and printos.ca_file, and the clock of this box"
        return Finding(section, "failed", str(error), where)
    except NotFoundError as error:
        return Finding(section, "failed", str(error), f"{section}.base_url goes before /api")
    except CloudRefusedError as error:
        return Finding(section, "failed", str(error), advice(error.status))
    return Finding(section, "ok", f"{url} takes the key; it has {len(found)} {things}")


def _box_advice(status: int) -> str:
    if status == UNAUTHORIZED:
        return "box.key and box.secret_file must be one application connector's, from the same PrintOS as box.base_url"
    return "the key needs the role Order Creation; make one in PrintOS under Application Connectors"


def _siteflow_advice(status: int) -> str:
    if status == FORBIDDEN:
        return "the key may not query orders; make one in Site Flow that may"
    return "siteflow.key and siteflow.secret_file must be one key's, and siteflow.signing that of siteflow.base_url"
