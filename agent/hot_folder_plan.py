"""What of a hot folder is due: documents with their tickets, and those that come without; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agent.config_schema import HotFolderConfig
from agent.hot_folder_names import pair


def due_files(
    still: Mapping[str, float], named: Mapping[str, str | None], settings: HotFolderConfig
) -> Iterator[tuple[str, ...]]:
    """Give what belongs together and may be taken now, in order, the document last; a ticket alone waits longest.

    While a ticket has not settled, nobody knows which document it names: those without one wait a little for it.

    Args:
        still: for how many seconds each file has not changed, the first to have come first.
        named: the tickets among them, with the document that each names, None where that isn't known.
        settings: how long to wait for what.
    """
    settle = settings.settle_seconds
    documents = [name for name in still if name not in named]
    tickets = pair(named, documents)
    all_read = all(still[ticket] >= settle for ticket in named)
    alone = settle + max(settings.jdf_wait_seconds, 0 if all_read else settle)
    for document in documents:
        ticket = tickets.get(document)
        if ticket is None and still[document] >= alone:
            yield (document,)
        elif ticket is not None and min(still[document], still[ticket]) >= settle:
            yield ticket, document
    paired = set(tickets.values())
    yield from ((ticket,) for ticket in named if ticket not in paired and still[ticket] >= settings.wait_seconds)
