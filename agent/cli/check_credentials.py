"""What `doctor` looks at in the sealed logins of PrintOS devices."""

from __future__ import annotations

from collections.abc import Iterator

from agent.cli import client
from agent.cli.finding import Finding
from agent.config_schema import Config
from agent.errors import RefusedError


def check_credentials(config: Config) -> Iterator[Finding]:
    """Ask the running agent whether its key opens what is sealed, and whether an old key is still needed."""
    try:
        rows = client.ask(config, "credentials")
    except RefusedError as error:
        yield Finding("credentials", "failed", str(error), "until that is right no device logs in, and none is made")
        return
    closed = [row["printer"] for row in rows if row["sealed_by"] in ("unknown", "damaged")]
    older = [row["printer"] for row in rows if row["sealed_by"] == "older"]
    if closed:
        problem = f"the key opens {len(rows) - len(closed)} of {len(rows)} logins, and not that of {closed[0]}"
        advice = "bring the right key back, or make the devices anew: printos-agent activate --replace"
        yield Finding("credentials", "failed", problem, advice)
    elif older:
        problem = f"an old key is still needed, for {len(older)} of {len(rows)} logins"
        yield Finding("credentials", "warning", problem, "printos-agent credentials rotate")
    elif rows:
        yield Finding("credentials", "ok", f"sealed logins: {len(rows)}; the key is {rows[0]['key']}")
