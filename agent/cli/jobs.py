"""`print` and `jobs`: a job without MQTT, and the spool."""

from __future__ import annotations

import argparse
import getpass
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from agent.cli import client, state
from agent.cli.account import add_export
from agent.cli.output import age, amount, facts, progress, show_json, table
from agent.cli.prompt import ask_secret
from agent.config import load_config
from agent.config_schema import Config
from agent.errors import InputError
from agent.job import CLOUD_DESTINATIONS
from agent.secret_files import read_order_file, read_secret

FINAL_STATES = ("completed", "canceled", "aborted")
WAIT_POLL_SECONDS = 0.25
OPTIONS = {
    "sides": "one-sided, two-sided-long-edge or two-sided-short-edge",
    "media": "such as iso_a4_210x297mm",
    "color_mode": "such as monochrome",
    "page_ranges": "such as 1-3,7",
    "print_quality": "draft, normal or high",
    "fidelity": "strict (refuse what the printer can't do) or best-effort",
}
DELIVERY = {
    "folder": "Box: an id, or a name for one that is made once; default: box.folder, else one for this job",
    "notes": "Box: a note to whoever prints it",
    "flow": "Box: an easy-submit flow, by its name or id",
    "substrate": "Box: what to print it on",
}


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this module."""
    _add_print(commands.add_parser("print", help="print a file"))
    jobs = commands.add_parser("jobs", help="the jobs of the spool")
    jobs.add_argument("--json", action="store_true")
    jobs.add_argument("--printer", metavar="ID", help="only this printer's")
    jobs.add_argument("--user", metavar="NAME", help="only this user's")
    jobs.set_defaults(run=show_jobs)
    actions = jobs.add_subparsers(metavar="ACTION")
    add_export(actions)
    show = _add_job_action(actions, "show", "everything known of one", show_job)
    cancel = _add_job_action(actions, "cancel", "end it, also while it prints", change_job)
    release = _add_job_action(actions, "release", "print a held job", change_job)
    for for_a_user in (show, cancel, release):
        for_a_user.add_argument("--user", metavar="NAME", help="only if it is this user's", default=argparse.SUPPRESS)
    release.add_argument("--pin-file", type=Path, metavar="F", help="file with its PIN; asked for otherwise")
    for name, about in {"confirm": "it did print", "reprint": "it did not print: send it again"}.items():
        settle = _add_job_action(actions, name, f"settle a job whose outcome is unknown: {about}", change_job)
        settle.add_argument("--attempts", type=int, help="its attempts as last seen; default: as they are now")


def _add_print(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--printer", metavar="ID", help="an id or an alias")
    place.add_argument("--destination", choices=CLOUD_DESTINATIONS, help="what of HP's cloud takes it instead")
    parser.add_argument("--copies", type=int, metavar="N")
    for name, about in {**OPTIONS, **DELIVERY}.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="VALUE", help=about)
    parser.add_argument(
        "--order", type=Path, metavar="F", help="Site Flow: a JSON file with the order, or its orderData"
    )
    parser.add_argument("--finishings", action="append", metavar="KEYWORD", help="such as staple; may be repeated")
    parser.add_argument("--priority", type=int, metavar="N", help="1 to 100; default: 50")
    parser.add_argument("--format", dest="document_format", metavar="MIME", help="default: told from the file")
    parser.add_argument("--name", help="default: the file's")
    parser.add_argument("--id", help="makes it once only, however often it is given")
    parser.add_argument("--hold", action="store_true", default=None, help="wait for `jobs release`")
    parser.add_argument("--pin", action="store_true", help="ask for a PIN that `jobs release` must give")
    parser.add_argument("--pin-file", type=Path, metavar="F", help="the PIN is in this file")
    parser.add_argument("--wait", action="store_true", help="follow it to its end")
    parser.add_argument("--json", action="store_true")
    parser.set_defaults(run=print_file)


def _add_job_action(actions: Any, name: str, about: str, run: Any) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(name, help=about)
    action.add_argument("id", metavar="ID")
    action.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    action.set_defaults(run=run, action=name)
    return action


def print_file(options: argparse.Namespace) -> int:
    """Put a file into the spool; exit code 1 where `--wait` saw it end other than completed."""
    config = load_config(options.config)
    _check_document(options.file)
    job = client.ask(config, "print", {"ticket": _ticket(options)}, document=options.file)
    if options.wait:
        job = _follow(config, job)
    if options.json:
        show_json(job)
    else:
        print(_sentence(job))
    return 0 if not options.wait or job["state"] == "completed" else 1


def _check_document(file: Path) -> None:
    try:
        with file.open("rb") as document:
            if not document.read(1):
                raise InputError(f"{file}: is empty")
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error


def show_jobs(options: argparse.Namespace) -> int:
    """List the spool."""
    config = load_config(options.config)
    jobs = state.read(config, "jobs", {"printer": options.printer, "user": options.user})
    if options.json:
        show_json(jobs)
    elif jobs:
        aliases = {printer["id"]: printer["alias"] for printer in state.read(config, "printers")}
        rows = [
            [job["id"], aliases.get(job["printer"]) or job["printer"] or job["destination"], job["name"], job["user"],
             job["state"], age(job["received_at"]), amount(job["size"]), job["message"] or job["state_reasons"]]
            for job in jobs
        ]  # fmt: skip
        print(table(["id", "printer", "name", "user", "state", "received", "size", "reason"], rows))
    else:
        print("There are no such jobs." if options.printer or options.user else "The spool is empty.")
    return 0


def show_job(options: argparse.Namespace) -> int:
    """Show one job."""
    job = state.read(load_config(options.config), "jobs.show", {"id": options.id, "user": options.user})
    if options.json:
        show_json(job)
    else:
        print(facts({name.replace("_", " "): value for name, value in job.items()}))
    return 0


def change_job(options: argparse.Namespace) -> int:
    """Have the running agent change something about one job."""
    config = load_config(options.config)
    job = client.ask(config, f"jobs.{options.action}", dict(_change(config, options)))
    if options.json:
        show_json(job)
    else:
        print(_sentence(job))
    return 0


def _ticket(options: argparse.Namespace) -> dict[str, Any]:
    names = ("printer", "destination", "copies", "finishings", "priority", "document_format", "id", "hold")
    given = {name: getattr(options, name) for name in (*names, *OPTIONS, *DELIVERY)}
    ticket = {name: value for name, value in given.items() if value is not None}
    ticket |= {"name": options.name or options.file.name, "user": getpass.getuser()}
    if options.order:
        ticket["order"] = read_order_file(options.order)
    return ticket | {"pin": _pin(options)} if options.pin or options.pin_file else ticket


def _change(config: Config, options: argparse.Namespace) -> Iterator[tuple[str, Any]]:
    yield "id", options.id
    if options.action in ("cancel", "release"):
        yield "user", options.user
    if options.action in ("confirm", "reprint"):
        job = client.ask(config, "jobs.show", {"id": options.id})
        yield "attempts", job["attempts"] if options.attempts is None else options.attempts
    elif options.action == "release":
        job = client.ask(config, "jobs.show", {"id": options.id, "user": options.user})
        if options.pin_file or "job-password-wait" in job["state_reasons"]:
            yield "pin", _pin(options)


def _pin(options: argparse.Namespace) -> str:
    if options.pin_file:
        return read_secret(options.pin_file)
    return ask_secret("PIN: ", otherwise="give the PIN at a terminal, or with --pin-file")


def _follow(config: Config, job: Mapping[str, Any]) -> Mapping[str, Any]:
    """Tell how a job goes on until it has ended; its end is for the caller to tell."""
    told = ""
    while job["state"] not in FINAL_STATES:
        if (news := _sentence(job)) != told:
            progress(news)
            told = news
        time.sleep(WAIT_POLL_SECONDS)
        job = client.ask(config, "jobs.show", {"id": job["id"]})
    return job


def _sentence(job: Mapping[str, Any]) -> str:
    count = job["impressions_completed"]
    printed = f", {count} {'impression' if count == 1 else 'impressions'}" if count else ""
    why = job["message"] or ", ".join(job["state_reasons"])
    return f"{job['id']}: {job['state']}{printed}{f' ({why})' if why else ''}"
