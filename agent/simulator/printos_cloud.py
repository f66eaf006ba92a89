"""What the pretended PrintOS knows: one organisation, its administrator, its devices, the sessions of them all."""

from __future__ import annotations

import json
import re
import secrets
import threading
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.errors import InputError
from agent.model import Clock, timestamp
from agent.printos.device_types import NOT_SELF_PROVISIONABLE, SELF_PROVISIONABLE
from agent.simulator.printos_http import RefusalError

Dialect = Literal["platform", "openapi"]
Kind = Literal["administrator", "device"]

HISTORY_LENGTH = 2000
FOREIGN_SERIAL_PREFIX = "FOREIGN"
"""Serial numbers that begin so belong to another organisation."""
SERIAL_PATTERN = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(slots=True)
class Device:
    """A device of the organisation; `login` is None where it has no credentials."""

    id: str
    dialect: Dialect
    name: str
    model: str
    serial: str
    registered_at: str
    type: str = ""
    location: str = ""
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    status: str | None = None
    told_at: float | None = None
    history: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=HISTORY_LENGTH))


@dataclass(frozen=True, slots=True)
class Session:
    """Who a token stands for, and until when."""

    kind: Kind
    login: str
    expires_at: float


class PretendCloud:
    """The organisation; safe in several threads.

    Args:
        admin_login: the administrator's login.
        admin_password: likewise.
        session_seconds: how long a session lives.
        status_seconds: how soon an unchanged status is too soon; 0 for never.
        state_file: where devices are kept over a restart.
        monotonic: the clock of sessions, in seconds.
        now: the present.
    """

    def __init__(
        self,
        *,
        admin_login: str,
        admin_password: str,
        session_seconds: float,
        status_seconds: float,
        state_file: Path | None,
        monotonic: Callable[[], float],
        now: Clock,
    ) -> None:
        self.session_seconds = session_seconds
        self._admin_login = admin_login
        self._admin_password = admin_password
        self._status_seconds = status_seconds
        self._state_file = state_file
        self._monotonic = monotonic
        self._now = now
        self._lock = threading.RLock()
        self._sessions: dict[str, Session] = {}
        self._devices: dict[str, Device] = {}
        self._logins: dict[Kind, int] = {"administrator": 0, "device": 0}
        self._updates = 0
        self._foreign_serials: set[str] = set()
        self._refused: deque[dict[str, Any]] = deque(maxlen=HISTORY_LENGTH)
        self._replaced: set[str] = set()
        self._unknown: deque[dict[str, Any]] = deque(maxlen=HISTORY_LENGTH)
        self._out_until = 0.0
        self._outage: Literal["refuse", "drop"] = "refuse"

    def load(self) -> None:
        """Read the devices that an earlier run kept.

        Raises:
            InputError: the file is no such list, or can't be read or written.
        """
        if self._state_file is None:
            return
        try:
            text = self._state_file.read_text() if self._state_file.exists() else "[]"
            self._devices = {row["id"]: Device(**row) for row in json.loads(text)}
            self._save()
        except OSError as error:
            raise InputError(f"{self._state_file}: {error.strerror}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(f"{self._state_file}: is not what the simulator has kept") from error

    def login_administrator(self, login: str, password: str) -> str:
        """Open a person's session and give its token."""
        right = secrets.compare_digest(
            f"{login}\0{password}".encode(), f"{self._admin_login}\0{self._admin_password}".encode()
        )
        if not right:
            raise RefusalError(401, "wrong login or password")
        return self._opened("administrator", login)

    def login_device(self, dialect: Dialect, login: str, password: str) -> str:
        """Open a device's session and give its token."""
        with self._lock:
            device = self._by_login(login)
            if device is None or device.dialect != dialect or device.password != password:
                raise RefusalError(401, "wrong login or password")
            return self._opened("device", login)

    def logout(self, token: str | None) -> None:
        """End a session."""
        with self._lock:
            self.session(token)
            del self._sessions[token or ""]

    def session(self, token: str | None) -> Session:
        """Give the session of a token; 401 where there is none, or no longer."""
        with self._lock:
            session = self._sessions.get(token or "")
            if session is None:
                raise RefusalError(401, "no such session" if token else "no session token")
            if self._monotonic() >= session.expires_at:
                del self._sessions[token or ""]
                raise RefusalError(401, "the session has expired")
            return session

    def administrator(self, token: str | None) -> Session:
        """Give the session of a token that must be a person's; 403 where it is a device's."""
        session = self.session(token)
        if session.kind != "administrator":
            raise RefusalError(403, "only the administrator may do this")
        return session

    def device(self, token: str | None) -> Device:
        """Give the device of a token; 403 where it is a person's."""
        with self._lock:
            session = self.session(token)
            device = self._by_login(session.login) if session.kind == "device" else None
            if device is None:
                raise RefusalError(403, "only a device may do this")
            return device

    def find(self, device_id: str) -> Device:
        """Give a device of the OpenAPI dialect by its id; 404 where there is none, 410 where it has been replaced."""
        if device_id in self._replaced:
            raise RefusalError(410, f"device {device_id} has been replaced")
        device = self._devices.get(device_id)
        if device is None or device.dialect != "openapi":
            raise RefusalError(404, f"no device {device_id}")
        return device

    def devices(self, dialect: Dialect) -> list[Device]:
        """Give the devices of a dialect."""
        with self._lock:
            return [device for device in self._devices.values() if device.dialect == dialect]

    def find_same(self, model: str, serial: str) -> Device | None:
        """Find the device of the OpenAPI dialect that has this model and serial number."""
        same = (device for device in self.devices("openapi") if (device.model, device.serial) == (model, serial))
        return next(same, None) if serial else None

    def is_admin_password(self, password: str) -> bool:
        """Whether this is the administrator's password."""
        return secrets.compare_digest(password.encode(), self._admin_password.encode())

    def create(self, dialect: Dialect, *, with_credentials: bool, **facts: str) -> Device:
        """Make a device; one of the same type, model and serial is replaced, and its credentials end."""
        if facts["serial"].startswith(FOREIGN_SERIAL_PREFIX) or facts["serial"] in self._foreign_serials:
            raise RefusalError(409, "the serial number is in use in another organisation")
        device = Device(
            id=str(uuid.uuid4()),
            dialect=dialect,
            registered_at=timestamp(self._now()) or "",
            **facts,  # type: ignore[arg-type]
        )
        if with_credentials:
            device.login, device.password = f"device-{secrets.token_hex(6)}", secrets.token_urlsafe(18)
        with self._lock:
            for old in self.devices(dialect):
                if device.serial and (old.type, old.model, old.serial) == (device.type, device.model, device.serial):
                    self._end_sessions(old.login)
                    del self._devices[old.id]
                    self._replaced.add(old.id)
            self._devices[device.id] = device
            self._save()
        return device

    def tell(self, device: Device, status: str, told: Mapping[str, Any]) -> None:
        """Note a device's status; 429 where it is unchanged and comes too soon."""
        with self._lock:
            now = self._monotonic()
            if device.told_at is not None and status == device.status:
                left = device.told_at + self._status_seconds - now
                if left > 0:
                    raise RefusalError(429, "too soon", headers={"Retry-After": str(int(left) + 1)})
            device.status, device.told_at = status, now
            device.history.append({"at": timestamp(self._now()), **told})
            self._updates += 1

    def begin_outage(self, seconds: float, *, dropping: bool) -> None:
        """Be out of order for a while."""
        self._outage = "drop" if dropping else "refuse"
        self._out_until = self._monotonic() + seconds

    def outage(self) -> Literal["refuse", "drop"] | None:
        """Say how it is out of order now; None where it isn't."""
        return self._outage if self._monotonic() < self._out_until else None

    def expire_sessions(self) -> int:
        """End all sessions and give their number."""
        with self._lock:
            count = len(self._sessions)
            self._sessions.clear()
            return count

    def revoke(self, login: str) -> None:
        """Make a device's credentials worthless; 404 where nobody has that login."""
        with self._lock:
            device = self._by_login(login)
            if device is None:
                raise RefusalError(404, f"nobody has the login {login}")
            device.password = secrets.token_urlsafe(18)
            self._end_sessions(login)
            self._save()

    def delete(self, device_id: str) -> None:
        """Delete a device, as a person does on the web; 404 where there is none."""
        with self._lock:
            device = self._by_id(device_id)
            self._end_sessions(device.login)
            del self._devices[device.id]
            self._save()

    def replace(self, device_id: str) -> Device:
        """Make a device anew, as another box that finds the same printer does; 404 where there is none."""
        with self._lock:
            old = self._by_id(device_id)
            facts = {name: getattr(old, name) for name in ("name", "type", "model", "serial", "location")}
            return self.create(old.dialect, with_credentials=old.login is not None, **facts)

    def hold_serial(self, serial: str) -> None:
        """Let a serial number belong to another organisation from now on; our devices of it stay."""
        self._foreign_serials.add(serial)

    def note_refusal(self, method: str, path: str, refusal: RefusalError) -> None:
        """Keep a refusal for the report."""
        self._refused.append({"method": method, "path": path, "status": refusal.status, "message": str(refusal)})

    def note_unknown(self, path: str, names: Sequence[str]) -> None:
        """Keep the names of fields that were taken though no document has them."""
        if names:
            self._unknown.append({"path": path, "names": list(names)})

    def report(self) -> dict[str, Any]:
        """Tell what has happened; no secret is in it."""
        with self._lock:
            return {
                "administrator_logins": self._logins["administrator"],
                "device_logins": self._logins["device"],
                "status_updates": self._updates,
                "devices": [_shown(device) for device in self._devices.values()],
                "refused": list(self._refused),
                "unknown_fields": list(self._unknown),
            }

    def _opened(self, kind: Kind, login: str) -> str:
        token = secrets.token_hex(13)
        with self._lock:
            self._sessions[token] = Session(kind, login, self._monotonic() + self.session_seconds)
            self._logins[kind] += 1
        return token

    def _by_id(self, device_id: str) -> Device:
        device = self._devices.get(device_id)
        if device is None:
            raise RefusalError(404, f"no device {device_id}")
        return device

    def _by_login(self, login: str) -> Device | None:
        return next((device for device in self._devices.values() if device.login == login), None)

    def _end_sessions(self, login: str | None) -> None:
        for token in [token for token, session in self._sessions.items() if session.login == login]:
            del self._sessions[token]

    def _save(self) -> None:
        if self._state_file is None:
            return
        kept = ({**asdict(device), "told_at": None, "history": None} for device in self._devices.values())
        rows = [{name: value for name, value in row.items() if value is not None} for row in kept]
        draft = self._state_file.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(rows))
        draft.replace(self._state_file)


def is_self_provisionable(device_type: str, model: str) -> bool:
    """Whether PrintOS gives such a device credentials; RefusalError where it knows no such type or model."""
    if model in SELF_PROVISIONABLE.get(device_type, ()):
        return True
    if model in NOT_SELF_PROVISIONABLE.get(device_type, ()):
        return False
    raise RefusalError(400, f"PrintOS knows no {device_type} {model}")


def _shown(device: Device) -> dict[str, Any]:
    return {
        "id": device.id,
        "dialect": device.dialect,
        "name": device.name,
        "type": device.type,
        "model": device.model,
        "serial_number": device.serial,
        "location": device.location,
        "login": device.login,
        "status": device.status,
        "history": list(device.history),
    }
