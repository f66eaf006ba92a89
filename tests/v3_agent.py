"""An SNMP v3 agent with contexts, as HP's print servers have them: pysnmp's engine on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pysnmp.carrier.asyncio.dgram import udp  # type: ignore[import-untyped]
from pysnmp.entity import config, engine  # type: ignore[import-untyped]
from pysnmp.entity.rfc3413 import cmdrsp, context  # type: ignore[import-untyped]
from pysnmp.proto import rfc1902, rfc1905  # type: ignore[import-untyped]
from pysnmp.smi.instrum import AbstractMibInstrumController  # type: ignore[import-untyped]

from agent.drivers.snmp_message import Oid

USER, AUTH_KEY, PRIV_KEY = "reader", "auth-pass-1", "priv-pass-1"

Values = Mapping[Oid, int | str | Oid]


class Table(AbstractMibInstrumController):  # type: ignore[misc]  # pysnmp has no type hints
    """The values of one context."""

    def __init__(self, values: Values) -> None:
        self._values = dict(sorted(values.items()))

    def read_variables(self, *asked: Any, **_: Any) -> list[Any]:
        """Answer a GET."""
        return [(name, self._value(tuple(name))) for name, _value in asked]

    def read_next_variables(self, *asked: Any, **_: Any) -> list[Any]:
        """Answer a GETNEXT."""
        return [self._next(tuple(name)) for name, _value in asked]

    def _value(self, name: Oid) -> Any:
        match self._values.get(name):
            case int() as number:
                return rfc1902.Integer32(number)
            case str() as words:
                return rfc1902.OctetString(words)
            case tuple() as identifier:
                return rfc1902.ObjectIdentifier(identifier)
        return rfc1905.noSuchInstance

    def _next(self, name: Oid) -> tuple[Any, Any]:
        following = next((known for known in self._values if known > name), None)
        if following is None:
            return rfc1902.ObjectName(name), rfc1905.endOfMibView
        return rfc1902.ObjectName(following), self._value(following)


@contextmanager
def serving_contexts(
    contexts: Mapping[str, Values], *, port: int, auth_key: str = AUTH_KEY, priv_key: str = PRIV_KEY
) -> Iterator[None]:
    """Run an agent on loopback that has these contexts, for the user `reader` with SHA and AES."""
    loop = asyncio.new_event_loop()

    async def open_agent() -> Any:
        snmp = engine.SnmpEngine()
        config.add_transport(snmp, udp.DOMAIN_NAME, udp.UdpTransport().open_server_mode(("127.0.0.1", port)))
        config.add_v3_user(snmp, USER, config.USM_AUTH_HMAC96_SHA, auth_key, config.USM_PRIV_CFB128_AES, priv_key)
        config.add_vacm_user(snmp, 3, USER, "authPriv", (1, 3, 6))
        known = context.SnmpContext(snmp)
        known.unregister_context_name("")
        for name, values in contexts.items():
            config.add_context(snmp, name)
            known.register_context_name(name.encode(), Table(values))
        for responder in (cmdrsp.GetCommandResponder, cmdrsp.NextCommandResponder, cmdrsp.BulkCommandResponder):
            responder(snmp, known)
        return snmp

    async def close_agent(snmp: Any) -> None:
        snmp.close_dispatcher()
        await asyncio.sleep(0)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    agent = asyncio.run_coroutine_threadsafe(open_agent(), loop).result(10)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(close_agent(agent), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()
