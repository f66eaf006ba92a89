"""agent.toml: what is right is filled in, what is wrong is named with its key and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from agent.config import load_config, parse_config, read_printer_credentials
from agent.config_files import check_files
from agent.errors import ConfigError
from agent.hardware import hardware_id
from agent.secret_files import read_secret
from tests import config_reference

PATH = Path("/etc/printos-agent/agent.toml")


def test_an_empty_file_is_valid() -> None:
    """Every key has a default but those that only the operator can know."""
    config = parse_config("", PATH)
    assert config.mqtt.port == 1883
    assert config.socket_path == Path("/run/printos-agent/agent.sock")


def test_defaults_follow_the_keys_they_hang_on() -> None:
    """The base topic is made of the agent's id, the port of TLS, the PrintOS address of the dialect."""
    config = parse_config('[agent]\nid = "site-7"\n[mqtt]\ntls = true\n[printos]\ndialect = "openapi"', PATH)
    assert (config.mqtt.base_topic, config.mqtt.port) == ("printos/site-7", 8883)
    assert config.mqtt.response_topics == ("printos/site-7/reply/#",)
    assert config.printos.base_url == "https://printos.api.hp.com"


def test_a_printer_is_named_by_any_of_its_protocols() -> None:
    """Those of HP's web server are told apart by what is before their `+`."""
    uris = ("ipps://h/ipp/print", "ledm+http://h:8080/", "cdm+https://h/", "socket://h:9100", "snmp://h")
    text = f'[[printer]]\nuris = {list(uris)}\ndrivers = ["ledm", "cdm", "raw"]'
    (printer,) = parse_config(text, PATH).printers
    assert (printer.uris, printer.drivers) == (uris, ("ledm", "cdm", "raw"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[mqtt]\nprot = 1", "2: mqtt.prot: unknown key"),
        ("[mqtt]\nport = 1\nport = 2", "Cannot overwrite a value"),
        ("[mqtt]\n\nport = 70000", "3: mqtt.port: must be 1 to 65535"),
        ("[mqtt]\nport = true", "2: mqtt.port: must be a whole number"),
        ("[mqtt]\ntls = 1", "2: mqtt.tls: must be true or false"),
        ('[mqtt]\nversion = "4"', "2: mqtt.version: must be one of auto, 5, 3.1.1"),
        ('[agent]\nid = "a/b"', "2: agent.id: 'a/b' does not have the form"),
        ("[moqtt]", "1: moqtt: unknown; the sections are"),
        ("mqtt = 7", "1: mqtt: must be a section"),
        ('[discovery]\nsubnets = ["10.0.0.1/8"]', "2: discovery.subnets: '10.0.0.1/8'"),
        ('[fetch]\nallowed_hosts = ["files.example:8080"]', "2: fetch.allowed_hosts: 'files.example:8080' is neither"),
        ('[fetch]\nallowed_hosts = ["*.example"]', "2: fetch.allowed_hosts: '*.example' does not have the form"),
        ('[discovery]\nsubnets = "10.0.0.0/8"', "2: discovery.subnets: must be a list"),
        ("[printer]", "printer: must be written as [[printer]]"),
        ('[[printer]]\nalias = "a"', "1: printer[1]: needs one of uuid"),
        ('[[printer]]\nhost = "h"\n[[printer]]\nuris = ["gopher://h"]', "4: printer[2].uris: 'gopher://h' is none of"),
        ('[[printer]]\nhost="h"\nalias="a"\n[[printer]]\nhost="i"\nalias="a"', "6: printer[2].alias: 'a' is another"),
        ('[[printer]]\nhost = "h"\ndrivers = ["lpd"]', "3: printer[1].drivers: must be one of"),
        ('[[printer]]\nmac = "00:11"', "2: printer[1].mac: '00:11' does not have the form"),
        ('[[printer]]\nhost = "h"\nhot_folder = "hot"', "3: printer[1].hot_folder: 'hot' does not have the form /.+"),
        ('[[printer]]\nhost = "h"\nhot_folder = "/var/lib"', "/var/lib/printos-agent (agent.state_dir) are one, or"),
        (
            '[[printer]]\nhost="h"\nhot_folder="/a/b"\n[[printer]]\nhost="i"\nhot_folder="/a/./b/c/"',
            "6: printer[2].hot_folder: /a/b/c and /a/b (printer[1].hot_folder) are one, or one lies in the other",
        ),
        ("[user]", "user: must be written as [[user]]"),
        ("[[user]]\njobs_per_day = 1", "1: user[1]: needs a name"),
        ('[[user]]\nname = "a"\n[[user]]\nname = "a"', "4: user[2].name: 'a' is there already"),
        ('[[user]]\nname = "a/b"', "2: user[1].name: 'a/b' does not have the form"),
        ("[limits]\npages_per_day = -1", "2: limits.pages_per_day: must be 0 to"),
        ('[mqtt]\nhost = "a\\u0007b"', "2: mqtt.host: has a control character in it"),
        ('[mqtt]\nbase_topic = "site/"', "2: mqtt.base_topic: 'site/' does not have the form"),
        ('[mqtt]\nresponse_topics = ["a", "b/#/c"]', "2: mqtt.response_topics: 'b/#/c' does not have the form"),
        ('[mqtt]\nca_file = "ca.pem"', "2: mqtt.ca_file: needs mqtt.tls beside it"),
        ('[snmp]\nversion = "3"', "2: snmp.version: '3' needs snmp.v3_user beside it"),
        ("[spool]\nmax_bytes = 1048576", "spool.max_job_bytes: 104857600 is more than all jobs may take"),
        ('[siteflow]\nkey = "k"', "2: siteflow.key: needs siteflow.secret_file beside it"),
        ('[web]\nlisten = "8080"', "2: web.listen: '8080' does not have the form"),
        ('[web]\nlisten = "[::1]:65536"', "2: web.listen: '[::1]:65536': ports end at 65535"),
        ("[mqtt", "Expected ']'"),
    ],
)
def test_a_mistake_names_its_key_and_its_line(text: str, message: str) -> None:
    """What is unknown, of the wrong type or out of range is an error that a person can act on."""
    with pytest.raises(ConfigError) as raised:
        parse_config(text, PATH)
    assert message in str(raised.value)
    assert str(raised.value).startswith(str(PATH))


def test_a_missing_file_says_where_to_get_one(tmp_path: Path) -> None:
    """The first error that a technician meets tells what to do."""
    with pytest.raises(ConfigError, match=r"copy agent\.toml\.example"):
        load_config(tmp_path / "agent.toml")


def test_a_relative_secret_is_a_systemd_credential_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`password_file = "mqtt"` needs no path where the service has a credential of that name."""
    (tmp_path / "mqtt").write_text("sealed\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    config = parse_config('[mqtt]\nusername = "me"\npassword_file = "mqtt"\n[printos]\nca_file = "ca.pem"', PATH)
    assert config.mqtt.password_file is not None
    assert read_secret(config.mqtt.password_file) == "sealed"
    assert config.printos.ca_file == Path("/etc/printos-agent/ca.pem")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[snmp]\ncommunity_file = "no-such"', r"agent\.toml:2: snmp\.community_file: .*no-such does not exist"),
        ('[siteflow]\norder_file = "press"', r":2: siteflow\.order_file: .*press: is not JSON"),
        ('[snmp]\ncommunity_file = "empty"', r"agent\.toml:2: snmp\.community_file: .*empty: is empty"),
        (
            '[[printer]]\nhost = "h"\ncredentials_file = "press"',
            r":3: printer\[1\]\.credentials_file: .*pin: unknown key",
        ),
    ],
)
def test_a_named_file_of_no_use_is_told_by_its_key_and_line(tmp_path: Path, text: str, message: str) -> None:
    """`config check` finds it, before the first message is lost for it."""
    (tmp_path / "empty").touch()
    (tmp_path / "press").write_text('pin = "1"\n')
    (tmp_path / "agent.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        check_files(load_config(tmp_path / "agent.toml"))


def test_a_relative_state_folder_is_beside_the_file(tmp_path: Path) -> None:
    """Not wherever the command happened to be given."""
    config = parse_config('[agent]\nstate_dir = "state"', tmp_path / "agent.toml")
    assert config.agent.state_dir == tmp_path / "state"


def test_a_user_says_only_what_differs_from_everybody() -> None:
    """0 is no limit for that user; what is left out is as in `[limits]`."""
    config = parse_config('[limits]\njobs_per_day = 5\n[[user]]\nname = "ann"\njobs_per_day = 0', PATH)
    (user,) = config.users
    assert (config.limits.jobs_per_day, user.jobs_per_day, user.pages_per_day) == (5, 0, None)


def test_a_printer_login_is_read_and_masked(tmp_path: Path) -> None:
    """The credentials of a printer are a small TOML file, and never shown."""
    (tmp_path / "press").write_text('username = "admin"\npassword = "s3cret"\n')
    credentials = read_printer_credentials(tmp_path / "press")
    assert (credentials.username, credentials.password) == ("admin", "s3cret")
    assert "s3cret" not in repr(credentials)


def test_a_copied_card_is_another_gateway(tmp_path: Path) -> None:
    """The name comes from the board, and from a network card where there is no board serial."""
    card = tmp_path / "sys/class/net/eth0"
    card.mkdir(parents=True)
    (card / "address").write_text("b8:27:eb:01:02:03\n")
    assert hardware_id(tmp_path) == "b827eb010203"
    board = tmp_path / "proc/device-tree"
    board.mkdir(parents=True)
    (board / "serial-number").write_bytes(b"10000000ABCDEF01\0")
    assert hardware_id(tmp_path) == "10000000abcdef01"


def test_the_example_and_the_reference_are_the_schema() -> None:
    """agent.toml.example and docs/configuration.md are what `python -m tests.config_reference` writes."""
    assert config_reference.EXAMPLE.read_text(encoding="utf-8") == config_reference.example()
    assert config_reference.REFERENCE.read_text(encoding="utf-8") == config_reference.reference()


def test_the_example_is_a_valid_configuration() -> None:
    """It can be copied as it is, and with every option switched on."""
    text, defaults = config_reference.example(), parse_config("", PATH)
    assert parse_config(text, PATH) == defaults
    switched_on = re.sub(r"(?m)^# (?=\w+ = )", "", text.partition("# [[printer]]")[0])
    assert parse_config(switched_on, PATH) == defaults
