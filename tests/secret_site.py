"""A whole agent that is given secrets of every kind, among servers whose refusals repeat what they were sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agent.simulator.printer import PrinterOptions, SimulatedPrinter
from tests.file_server import FileServer
from tests.mosquitto import Mosquitto
from tests.mqtt_user import MqttUser, broker_options
from tests.printos_stand_in import Seen, Told, stand_in
from tests.running_agent import RunningAgent
from tests.secret_search import files_below, make_secret, process
from tests.test_snmp_v3 import JETDIRECT, free_port
from tests.v3_agent import serving_contexts
from tests.web_proxy import WebProxy, web_proxy

HOST = "printos.example"
LOGIN = "boss@example.com"
DOCUMENT = b"%PDF-1.7\n" + b"a page\n" * 1000
PLATFORM = "/base/api/aaa/v1"


class Secrets:
    """Every secret that was given, by name; one is made when it is first asked for."""

    def __init__(self) -> None:
        self.given: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self.given.setdefault(name, make_secret())

    def plain(self, name: str) -> str:
        """Give one that is a single word, for what takes no other."""
        return self.given.setdefault(name, make_secret(""))

    def file(self, folder: Path, name: str) -> Path:
        """Write one to a file, and give that."""
        path = folder / name.replace(" ", "-")
        path.write_text(f"{self[name]}\n")
        return path


@dataclass
class PrintOS:
    """HP's dialect, with credentials and tokens that are secrets; what it refuses it repeats.

    Attributes:
        is_out: whether it is out of order.
        refuses: whether it takes no device login.
    """

    secrets: Secrets
    is_out: bool = False
    refuses: bool = False
    tokens: int = 0
    statuses: int = 0

    def answers(self) -> dict[str, Any]:
        """Give what a stand-in needs."""
        return {
            f"POST {PLATFORM}/users/login": self._login_administrator,
            f"POST {PLATFORM}/users/logout": (204, None),
            f"POST {PLATFORM}/organizations/devices": self._create,
            f"POST {PLATFORM}/devices/login": self._login_device,
            "POST /base/api/system-statistics/v1/devices": self._take_status,
        }

    @property
    def token(self) -> str:
        """The newest session's."""
        return self.secrets.plain(f"session token {self.tokens}")

    def end_session(self) -> None:
        """Forget it."""
        self.tokens += 1

    def _login_administrator(self, seen: Seen) -> Told:
        good = seen.content == {"login": LOGIN, "password": self.secrets["administrator's password"]}
        return (200, {"authToken": self.secrets.plain("administrator's token")}) if good else refusal(401, seen)

    def _create(self, seen: Seen) -> Told:
        if seen.headers["Indigo-SmS-Auth-Token"] != self.secrets.plain("administrator's token"):
            return refusal(401, seen)
        login = {"login": "device-1", "password": self.secrets["device password"]}
        return 200, {"device": {"deviceId": "d-1"}, "credentials": login}

    def _login_device(self, seen: Seen) -> Told:
        if self.is_out or self.refuses or seen.content["password"] != self.secrets["device password"]:
            return refusal(503 if self.is_out else 401, seen)
        self.tokens += 1
        return 200, {"authToken": self.token}

    def _take_status(self, seen: Seen) -> Told:
        if self.is_out or seen.headers["Indigo-SmS-Auth-Token"] != self.token:
            return refusal(503 if self.is_out else 401, seen)
        self.statuses += 1
        return 204, None


def refusal(status: int, seen: Seen) -> Told:
    """Refuse, and repeat all that was sent."""
    sent = f"{seen.content} {json.dumps(seen.content)} {dict(seen.headers.items())}"
    return status, {"smsError": {"statusCode": status, "message": sent, "developerInfo": sent}}


@dataclass
class Site:
    """The agent and everything around it.

    Attributes:
        said: what commands of the command line said, by their arguments.
        seen: what is seen of the agent's process from outside.
    """

    folder: Path
    secrets: Secrets
    agent: RunningAgent
    broker: Mosquitto
    user: MqttUser
    printos: PrintOS
    proxy: WebProxy
    web: FileServer
    said: dict[str, bytes] = field(default_factory=dict)
    seen: dict[str, bytes] = field(default_factory=dict)

    def run(self, *arguments: str | Path, text: str = "") -> str:
        """Run a command as talkatively as it can be; gives its standard output."""
        done = self.agent.run("-v", *arguments, text=text)
        said = f"{done.stdout}\n{done.stderr}"
        self.said[f"{len(self.said)} {' '.join(map(str, arguments))}"] = said.encode()
        return done.stdout

    def run_all(self, *commands: str) -> None:
        """Run commands that need no input."""
        said = self.agent.run_all(*commands)
        self.said |= {f"{len(self.said)} {command}": text for command, text in said.items()}

    def activate(self, password: str) -> str:
        """Type an administrator's password; gives what is answered."""
        return self.run("activate", "--password-stdin", text=f"{LOGIN}\n{password}\n")

    def look(self) -> None:
        """Look at the process from outside."""
        self.seen |= process(self.agent.pid)

    def written(self) -> dict[str, bytes]:
        """Give all that the agent has written and said, by place."""
        heard = {
            f"MQTT {message.topic}": str(message).encode()
            for message in self.user.everything()
            if "/cmd/" not in message.topic  # what is said there, others say
        }
        return {**files_below(self.folder / "agent"), **self.said, **self.seen, **heard}


@contextmanager
def secret_site(folder: Path) -> Iterator[Site]:
    """Run all but the agent itself. What that is given is in `folder/given`, what it writes in `folder/agent`."""
    secrets = Secrets()
    given = folder / "given"
    given.mkdir()
    password, port = secrets["MQTT password"], free_port()
    printos, web = PrintOS(secrets), FileServer(DOCUMENT)
    keys = {"auth_key": secrets.plain("SNMP auth"), "priv_key": secrets.plain("SNMP priv")}
    with ExitStack() as stack:
        enter = stack.enter_context
        broker = enter(Mosquitto(folder / "broker", username="agent", password=password))
        site = enter(stand_in(printos.answers()))
        place = {f"{HOST}:80": int(site.url.rpartition(":")[2])}
        proxy, proxy_url = enter(web_proxy(place, login=f"gate:{secrets['proxy password']}"))
        enter(web)
        enter(serving_contexts({"": JETDIRECT}, port=port, **keys))
        press = enter(_printer(kind="hp-rest", basic=("operator", secrets["printer password"])))
        office = enter(_printer(kind="hp-rest", bearer=secrets.plain("printer token")))
        desk = enter(_printer(kind="ipp"))
        (given / "press").write_text(f'username = "operator"\npassword = {json.dumps(secrets["printer password"])}\n')
        (given / "office").write_text(f'token = "{secrets.plain("printer token")}"\n')
        agent = RunningAgent(
            folder / "agent",
            printers=[
                {
                    "alias": "press", "uris": [press.ready_line()["http_url"]], "credentials_file": given / "press",
                    "printos_type": "IHPSPress", "printos_model": "HP T300M",
                },
                {"alias": "office", "uris": [office.ready_line()["http_url"]], "credentials_file": given / "office"},
                {"alias": "desk", "uris": [desk.ready_line()["ipp_uri"]]},
                {"alias": secrets.plain("planted"), "uris": [f"snmp://127.0.0.1:{port}"]},
            ],
            agent={"id": "site-7", "state_dir": folder / "agent" / "state", "log_level": "debug"},
            mqtt={"port": broker.port, "username": "agent", "password_file": secrets.file(given, "MQTT password")},
            snmp={
                "version": "3", "v3_user": "reader", "port": port,
                "v3_auth_file": secrets.file(given, "SNMP auth"), "v3_priv_file": secrets.file(given, "SNMP priv"),
                "community_file": secrets.file(given, "SNMP community"),
            },
            printos={
                "base_url": f"http://{HOST}/base", "proxy": proxy_url.replace("http://", "http://gate@"),
                "proxy_password_file": secrets.file(given, "proxy password"), "status_interval": 1,
            },
            fetch={"allowed_hosts": ["127.0.0.1"]},
        )  # fmt: skip
        user = enter(MqttUser(broker_options(broker.port, login=("agent", password)), agent.base_topic))
        it = Site(folder, secrets, agent, broker, user, printos, proxy, web)
        stack.callback(agent.stop)
        yield it


@contextmanager
def _printer(**options: Any) -> Iterator[SimulatedPrinter]:
    printer = SimulatedPrinter(PrinterOptions(mdns=False, seconds_per_page=0.01, **options))
    printer.start()
    try:
        yield printer
    finally:
        printer.stop()
