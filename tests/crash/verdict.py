"""What the kills did, judged by what the publisher heard and what the printers hold, never by the agent's own files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

Printer = Literal["ipp", "rest", "raw", "pjl", "box", "siteflow"]
"""Box and Site Flow are sent to like printers."""

PRINTERS: tuple[Printer, ...] = ("ipp", "rest", "raw", "pjl")
CLOUDS: tuple[Printer, ...] = ("box", "siteflow")
AT_9100: tuple[Printer, ...] = ("raw", "pjl")
"""Those whose jobs nobody can ask for once the connection is gone; the second tells of them until then."""

FINAL = frozenset({"completed", "aborted", "canceled"})
UNKNOWN = "agent-outcome-unknown"


@dataclass(frozen=True, slots=True)
class Order:
    """A ticket whose PUBACK its publisher has: the broker answers for it from then on."""

    number: int
    printer: Printer
    size: int


@dataclass(frozen=True, slots=True)
class Told:
    """The last that a publisher heard of a job; `kills` is how many there had been when it was first called unknown."""

    job_id: str
    revision: int
    state: str
    reasons: tuple[str, ...]
    kills: int = 0

    @property
    def is_unknown(self) -> bool:
        """Whether a person is asked to look."""
        return self.state == "pending-held" and UNKNOWN in self.reasons

    @property
    def is_settled(self) -> bool:
        """Whether nothing more becomes of it by itself."""
        return self.state in FINAL or self.is_unknown


@dataclass(frozen=True, slots=True)
class Copy:
    """What a printer has printed of a document: all of it, or a part; `is_shown` where the agent may find it there."""

    number: int
    is_whole: bool
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Kill:
    """A SIGKILL, where it fell, and whether it may have cut off what goes to port 9100: a connection was open.

    The agent writes down that the first byte is about to leave, and only then lets it leave: after a kill between the
    two nothing tells it whether it did. A kill that surely fell before that word cut nothing off.

    A cut of the network is one that kills nobody: `cuts_off` are those to whom the request that counts may have been
    on its way.
    """

    where: str
    is_on_the_line: bool
    is_cut: bool = False
    cuts_off: Collection[Printer] = CLOUDS


@dataclass(frozen=True, slots=True)
class Verdict:
    """The counts, as the last line of the suite has them."""

    kills: int
    jobs: int
    lost: int
    doubled: int
    falsely_completed: int
    told_unknown: int
    unknown_needlessly: int

    @property
    def is_good(self) -> bool:
        """Whether the agent kept its promises."""
        return not (self.lost or self.doubled or self.falsely_completed or self.unknown_needlessly)

    def to_json(self) -> dict[str, Any]:
        """Give the counts by their names."""
        return asdict(self)


@dataclass(frozen=True)
class Evidence:
    """All that is known at the end; `told` is by the number of the order."""

    orders: Sequence[Order]
    told: Mapping[int, Told]
    copies: Sequence[Copy]
    kills: Sequence[Kill]

    def of(self, order: Order) -> Sequence[Copy]:
        """Give what was printed of an order."""
        return self._printed.get(order.number, ())

    def lost(self) -> Iterator[Order]:
        """Find what was neither printed nor told: all printers here take everything, so a failure is a loss too."""
        for order, told, copies in self._each():
            if told is None or not told.is_settled or not (copies or told.is_unknown or told.state == "completed"):
                yield order

    def doubled(self) -> Iterator[Order]:
        """Find what came out more than once, whole or in part; nobody asked for a reprint."""
        return (order for order, _, copies in self._each() if len(copies) > 1)

    def falsely_completed(self) -> Iterator[Order]:
        """Find what was called completed, confirmed or not, and did not come out whole."""
        for order, told, copies in self._each():
            if told is not None and told.state == "completed" and not any(copy.is_whole for copy in copies):
                yield order

    def falsely_aborted(self) -> Iterator[Order]:
        """Find what was given up, though nothing here deserves that."""
        for order, told, _ in self._each():
            if told is not None and told.state in ("aborted", "canceled"):
                yield order

    def told_unknown(self) -> Iterator[Order]:
        """Find what a person is asked to look after."""
        return (order for order, told, _ in self._each() if told is not None and told.is_unknown)

    def unknown_needlessly(self) -> Iterator[Order]:
        """Find what a person is bothered with though it could be known.

        That is so on every printer that can be asked, and in a cloud that shows it. On port 9100 each kill excuses one
        unknown that is told after it, but one of which no byte came only a kill while there was a connection for it. In
        a cloud that shows none each kill, and each cut that may have met the request, excuses one.
        """
        unknown = tuple(self.told_unknown())
        yield from (order for order in unknown if order.printer not in (*AT_9100, *CLOUDS) or self._is_shown(order))
        yield from self._unexcused([order for order in unknown if order.printer in AT_9100], self._excuses_9100)
        for cloud in CLOUDS:
            hidden = [order for order in unknown if order.printer == cloud and not self._is_shown(order)]
            yield from self._unexcused(hidden, lambda kill, order: order.printer in kill.cuts_off)

    def verdict(self) -> Verdict:
        """Count."""
        return Verdict(
            kills=sum(not kill.is_cut for kill in self.kills),
            jobs=len(self.orders),
            lost=_count(self.lost()),
            doubled=_count(self.doubled()),
            falsely_completed=_count(self.falsely_completed()),
            told_unknown=_count(self.told_unknown()),
            unknown_needlessly=_count(self.unknown_needlessly()),
        )

    def table(self) -> str:
        """Write what was found for people: a line a printer, then every order that something is wrong with."""
        head = "printer    jobs  printed once  unknown  lost  doubled  false  aborted  needless"
        wrong = {
            "lost": tuple(self.lost()),
            "doubled": tuple(self.doubled()),
            "falsely completed": tuple(self.falsely_completed()),
            "falsely aborted": tuple(self.falsely_aborted()),
            "unknown needlessly": tuple(self.unknown_needlessly()),
        }
        ordered = {order.printer for order in self.orders}
        lines = [head, *(self._line(printer, wrong) for printer in get_args(Printer) if printer in ordered)]
        lines += [f"{what}: {self._story(order)}" for what, orders in wrong.items() for order in orders]
        return "\n".join(lines)

    def _line(self, printer: Printer, wrong: Mapping[str, Collection[Order]]) -> str:
        orders = [order for order in self.orders if order.printer == printer]
        once = sum(1 for order in orders if [copy.is_whole for copy in self.of(order)] == [True])
        unknown = sum(1 for order in self.told_unknown() if order.printer == printer)
        counts = [sum(1 for order in found if order.printer == printer) for found in wrong.values()]
        faults = "".join(f"{count:{width}}" for count, width in zip(counts, (6, 9, 7, 9, 10), strict=True))
        return f"{printer:8}{len(orders):7}{once:14}{unknown:9}{faults}"

    def _story(self, order: Order) -> str:
        told = self.told.get(order.number)
        parts = Counter("whole" if copy.is_whole else "in part" for copy in self.of(order))
        printed = ", ".join(f"{count} {kind}" for kind, count in parts.items()) or "not at all"
        after = self.kills[told.kills - 1].where if told and told.kills else "no kill"
        heard = f"{told.job_id} {told.state} {' '.join(told.reasons)} (unknown after {after})" if told else "nothing"
        return f"document {order.number} of {order.size} bytes on {order.printer}: printed {printed}; told: {heard}"

    def _unexcused(self, orders: Sequence[Order], excuses: Callable[[Kill, Order], bool]) -> Iterator[Order]:
        """Find the orders that no kill is left for, first of those without a byte."""
        left = set(range(len(self.kills)))
        for order in sorted(orders, key=lambda order: (bool(self.of(order)), self.told[order.number].kills)):
            before = self.told[order.number].kills
            fitting = [number for number in left if number < before and excuses(self.kills[number], order)]
            if fitting:
                left.remove(max(fitting))
            else:
                yield order

    def _excuses_9100(self, kill: Kill, order: Order) -> bool:
        return not kill.is_cut and (kill.is_on_the_line or bool(self.of(order)))

    def _is_shown(self, order: Order) -> bool:
        return order.printer in CLOUDS and any(copy.is_shown for copy in self.of(order))

    def _each(self) -> Iterator[tuple[Order, Told | None, Sequence[Copy]]]:
        return ((order, self.told.get(order.number), self.of(order)) for order in self.orders)

    @cached_property
    def _printed(self) -> Mapping[int, Sequence[Copy]]:
        printed: dict[int, list[Copy]] = {}
        for copy in self.copies:
            printed.setdefault(copy.number, []).append(copy)
        return printed


def _count(found: Iterable[object]) -> int:
    return sum(1 for _ in found)
