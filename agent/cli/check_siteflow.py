"""What `doctor` tries of Site Flow: whether it takes the key of the configuration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from agent.cli.finding import Finding
from agent.cloud_clients import build_siteflow, cloud_http
from agent.config_schema import Config
from agent.errors import CloudRefusedError, CloudUnreachableError, NotFoundError

FORBIDDEN = 403


def check_siteflow(config: Config) -> Iterator[Finding]:
    """Ask Site Flow for its skus, which changes nothing; nothing is said of one that is off."""
    if not config.siteflow.key:
        return
    try:
        with closing(cloud_http(config.printos)) as http:
            count = len(build_siteflow(config.siteflow, http).skus())
    except CloudUnreachableError as error:
        advice = "see siteflow.base_url, printos.proxy and printos.ca_file, and the clock of this box"
        yield Finding("siteflow", "failed", str(error), advice)
    except NotFoundError as error:
        yield Finding("siteflow", "failed", str(error), "siteflow.base_url goes before /api/sku")
    except CloudRefusedError as error:
        yield Finding("siteflow", "failed", str(error), _advice(error.status))
    else:
        yield Finding("siteflow", "ok", f"{config.siteflow.base_url} takes the key; it has {count} skus")


def _advice(status: int) -> str:
    if status == FORBIDDEN:
        return "the key may not query orders; make one in Site Flow that may"
    return "siteflow.key and siteflow.secret_file must be one key's, and siteflow.signing that of siteflow.base_url"
