"""SNMP v3 (USM: authentication and privacy) by pysnmp, behind the same blocking calls as `snmp.SnmpClient`.

HP's print servers keep the supplies and HP's own MIB in a context of their own, where they are looked for as well.

pysnmp is used for nothing else. It is imported at `start` (0.12 s and 17 MB that v1 and v2c need not pay) and has one
engine (building one costs 0.14 s) on one event loop in one thread. In a sweep it is not given an address that doesn't
answer, because its engine keeps a row for each address for ever: the sweep asks with a datagram of its own first.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from functools import lru_cache, partial
from typing import Any, Literal

from agent.drivers import printer_mib as mib
from agent.drivers.printer_makes import enterprise_oid
from agent.drivers.snmp_message import Message, Missing, Oid, Operation, Tag, Value, Version
from agent.drivers.snmp_reading import Ask, get_values, walk_columns
from agent.drivers.snmp_sweep import identify
from agent.drivers.snmp_v3_discovery import discover
from agent.errors import PrinterError, PrinterRejectedError, PrinterUnreachableError
from agent.model import Sighting

ROWS_AT_ONCE = 8
MOST_UNDER_WAY = 32
STOP_SECONDS = 5.0

DEFAULT_CONTEXT, HP_CONTEXT = "", "Jetdirect"
JETDIRECT = enterprise_oid("11.2.3.9")

log = logging.getLogger(__name__)

AuthProtocol = Literal["MD5", "SHA", "SHA224", "SHA256", "SHA384", "SHA512"]
PrivProtocol = Literal["DES", "AES", "AES192", "AES256"]


class SnmpV3Client:
    """Asks SNMP v3 agents as one user; thread-safe between `start` and `stop`.

    Args:
        user: the security name.
        auth_key: the authentication passphrase, at least 8 characters; None for noAuthNoPriv.
        priv_key: the privacy passphrase, at least 8 characters; None for authNoPriv.
        auth_protocol: how messages are authenticated.
        priv_protocol: how they are encrypted.
        port: where agents listen, unless a call says otherwise.
        timeout_seconds: how long one request waits.
        retries: how often it is sent again.
    """

    def __init__(
        self,
        *,
        user: str,
        auth_key: str | None = None,
        priv_key: str | None = None,
        auth_protocol: AuthProtocol = "SHA",
        priv_protocol: PrivProtocol = "AES",
        port: int = 161,
        timeout_seconds: float = 1.0,
        retries: int = 1,
    ) -> None:
        self._user = user
        self._auth_key = auth_key
        self._priv_key = priv_key
        self._auth_protocol = auth_protocol
        self._priv_protocol = priv_protocol
        self._port = port
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._session: _Session | None = None
        self._with_context: set[tuple[str, int]] = set()

    def start(self) -> None:
        """Import pysnmp and start its loop."""
        self._session = _Session(
            user=self._user,
            auth=(self._auth_protocol, self._auth_key),
            priv=(self._priv_protocol, self._priv_key),
            timeout_seconds=self._timeout_seconds,
            retries=self._retries,
        )
        self._session.start()

    def stop(self) -> None:
        """Stop the loop."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def get(self, host: str, oids: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Ask for values, as `SnmpClient.get`.

        Raises:
            PrinterUnreachableError: no answer.
            PrinterRejectedError: the agent doesn't know the user, or the keys are wrong.
        """
        place = host, port or self._port
        found = get_values(partial(self._ask, place, DEFAULT_CONTEXT), oids)
        if _is_jetdirect(found):
            self._with_context.add(place)
        missing = [name for name in oids if name not in found]
        return found | self._more(place, lambda ask: get_values(ask, missing)) if missing else found

    def walk(self, host: str, columns: Sequence[Oid], *, port: int | None = None) -> dict[Oid, Value]:
        """Read columns, as `SnmpClient.walk`; raises as `get`."""
        place = host, port or self._port
        found = walk_columns(partial(self._ask, place, DEFAULT_CONTEXT), columns)
        return found or self._more(place, lambda ask: walk_columns(ask, columns))

    def sweep(self, hosts: Iterable[str], *, port: int | None = None) -> list[Sighting]:
        """Find the printers among `hosts`, as `SnmpClient.sweep`."""
        wanted = list(dict.fromkeys(hosts))
        speaking = discover(wanted, port or self._port, timeout_seconds=self._timeout_seconds, rounds=self._retries + 1)
        sightings = (self._look(host, port) for host in wanted if host in speaking)
        return [sighting for sighting in sightings if sighting is not None]

    def _look(self, host: str, port: int | None) -> Sighting | None:
        get = partial(self.get, host, port=port)
        try:
            identity = identify(get(mib.IDENTITY_NAMES), get)
        except PrinterError as error:
            log.debug("sweep: %s", error)
            return None
        uri = f"snmp://{host}:{port}" if port else f"snmp://{host}"
        return None if identity is None else Sighting(source="snmp", host=host, uris=(uri,), identity=identity)

    def _more(self, place: tuple[str, int], read: Callable[[Ask], dict[Oid, Value]]) -> dict[Oid, Value]:
        """Read in HP's context, if the host has one."""
        if place not in self._with_context:
            return {}
        try:
            return read(partial(self._ask, place, HP_CONTEXT))
        except PrinterError as error:
            log.debug("%s: nothing in the context %s: %s", place[0], HP_CONTEXT, error)
            self._with_context.discard(place)
            return {}

    def _ask(self, place: tuple[str, int], context: str, operation: Operation, names: tuple[Oid, ...]) -> Message:
        if self._session is None:
            raise PrinterUnreachableError(f"{place[0]}: SNMP v3 is not started")
        return self._session.ask(*place, context, operation, names)


class _Session:
    """pysnmp's engine on its own loop and thread."""

    def __init__(
        self,
        *,
        user: str,
        auth: tuple[str, str | None],
        priv: tuple[str, str | None],
        timeout_seconds: float,
        retries: int,
    ) -> None:
        self._api = _pysnmp()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="snmp-v3", daemon=True)
        self._credentials = _credentials(self._api, user, auth, priv)
        self._timeout_seconds = timeout_seconds
        self._retries = retries
        self._limit_seconds = (timeout_seconds + 1) * (retries + 1) * 3
        self._engine: Any = None
        self._places: asyncio.Semaphore

    def start(self) -> None:
        """Run the loop and build the engine in it."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(STOP_SECONDS)

    def stop(self) -> None:
        """Close the engine, end what is under way, and end the loop."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(STOP_SECONDS)
        self._loop.close()

    def ask(self, host: str, port: int, context: str, operation: Operation, names: tuple[Oid, ...]) -> Message:
        """Ask and wait for the answer."""
        future = asyncio.run_coroutine_threadsafe(self._request((host, port), context, operation, names), self._loop)
        try:
            error, status, index, varbinds = future.result(self._limit_seconds)
        except FutureTimeoutError as timeout:
            future.cancel()
            raise PrinterUnreachableError(f"{host}: no answer by SNMP v3") from timeout
        if error:
            raise _translate(host, error)
        found = tuple((tuple(name), _value(value)) for name, value in varbinds)
        return Message(Version.V2C, b"", Operation.RESPONSE, 0, int(status), int(index), found)

    async def _open(self) -> None:
        self._engine = self._api.SnmpEngine()
        self._places = asyncio.Semaphore(MOST_UNDER_WAY)

    async def _close(self) -> None:
        waiting = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        self._engine.close_dispatcher()
        await asyncio.sleep(0)

    async def _request(self, place: tuple[str, int], context: str, operation: Operation, names: tuple[Oid, ...]) -> Any:
        objects = [_object(name) for name in names]
        async with self._places:
            target = await self._api.UdpTransportTarget.create(
                place, timeout=self._timeout_seconds, retries=self._retries
            )
            asked = (self._engine, self._credentials, target, self._api.ContextData(contextName=context))
            if operation is Operation.GET:
                return await self._api.get_cmd(*asked, *objects, lookupMib=False)
            return await self._api.bulk_cmd(*asked, 0, ROWS_AT_ONCE, *objects, lookupMib=False)


def _is_jetdirect(values: Mapping[Oid, Value]) -> bool:
    told = values.get(mib.SYS_OBJECT_ID)
    return isinstance(told, tuple) and told[: len(JETDIRECT)] == JETDIRECT


def _pysnmp() -> Any:
    # Without type hints of its own; imported late, because v1 and v2c need none of its 17 MB.
    from pysnmp.hlapi.v3arch import asyncio as api  # type: ignore[import-untyped]  # noqa: PLC0415 - see above

    return api


@lru_cache(maxsize=2048)
def _object(name: Oid) -> Any:
    """Make pysnmp's name: costly, and it keeps what it has looked up."""
    api = _pysnmp()
    return api.ObjectType(api.ObjectIdentity(name), api.Null(""))


def _credentials(api: Any, user: str, auth: tuple[str, str | None], priv: tuple[str, str | None]) -> Any:
    auth_protocols = {
        "MD5": api.USM_AUTH_HMAC96_MD5,
        "SHA": api.USM_AUTH_HMAC96_SHA,
        "SHA224": api.USM_AUTH_HMAC128_SHA224,
        "SHA256": api.USM_AUTH_HMAC192_SHA256,
        "SHA384": api.USM_AUTH_HMAC256_SHA384,
        "SHA512": api.USM_AUTH_HMAC384_SHA512,
    }
    priv_protocols = {
        "DES": api.USM_PRIV_CBC56_DES,
        "AES": api.USM_PRIV_CFB128_AES,
        "AES192": api.USM_PRIV_CFB192_AES,
        "AES256": api.USM_PRIV_CFB256_AES,
    }
    return api.UsmUserData(
        user,
        authKey=auth[1],
        privKey=priv[1],
        authProtocol=auth_protocols[auth[0]] if auth[1] else api.USM_AUTH_NONE,
        privProtocol=priv_protocols[priv[0]] if priv[1] else api.USM_PRIV_NONE,
    )


def _translate(host: str, error: Any) -> PrinterError:
    """Say what pysnmp's error indication means for the caller."""
    if type(error).__name__ in ("RequestTimedOut", "SocketError"):
        return PrinterUnreachableError(f"{host}: no answer by SNMP v3")
    return PrinterRejectedError(f"{host}: SNMP v3 refused: {error}")


def _value(value: Any) -> Value:
    """Turn pysnmp's value into ours by its BER tag."""
    outer = value.tagSet.superTags[-1]
    tag = outer.tagClass | outer.tagFormat | outer.tagId
    if tag in _OCTETS:
        return bytes(value)
    if tag == Tag.OBJECT_IDENTIFIER:
        return tuple(value)
    return int(value) if tag in _NUMBERS else _MISSING.get(tag)


_OCTETS = {Tag.OCTET_STRING, Tag.IP_ADDRESS, Tag.OPAQUE}
_NUMBERS = {Tag.INTEGER, Tag.COUNTER32, Tag.GAUGE32, Tag.TIME_TICKS, Tag.COUNTER64}
_MISSING = {missing.value: missing for missing in Missing}
