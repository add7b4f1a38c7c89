"""Which orders share a payment, and are still to be asked for their order payments."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


class SharedOrders:
    """Filled by `payments`, emptied by `order_payments`, and kept in the state of the latter.

    So nothing is lost when a run ends between the two.
    """

    def __init__(self) -> None:
        self._state: Callable[[], dict[str, Any]] = dict
        self._wanted: Callable[[], bool] = bool
        self._waiting: dict[str, None] = {}

    def attach(self, left: Iterable[str], state: Callable[[], dict[str, Any]], wanted: Callable[[], bool]) -> None:
        """Continue with the orders that an earlier run left.

        Args:
            left: Their ids.
            state: Gives the state of `order_payments`, writable.
            wanted: Whether that stream is selected; if not, nothing is remembered.
        """
        self._waiting, self._state, self._wanted = dict.fromkeys(left), state, wanted

    def note(self, order_ids: Iterable[str | None]) -> None:
        """Remember the orders of a payment that names two or more."""
        ids = [each for each in order_ids if each]
        if len(ids) > 1 and self._wanted():
            self._waiting.update(dict.fromkeys(ids))
            self._remember()

    def waiting(self) -> list[str]:
        """Orders still to be asked for."""
        return list(self._waiting)

    def done(self, order_id: str) -> None:
        """An order was asked for, and its rows are written."""
        self._waiting.pop(order_id, None)
        self._remember()

    def _remember(self) -> None:
        self._state()["orders"] = list(self._waiting) or None
