"""The tap: settings in, streams out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, cast

from tap_keap.errors import ConfigurationError, OutputError, RejectedRowsError, ServiceError
from tap_keap.sdk import SdkTap
from tap_keap.session import Session
from tap_keap.special_streams import STREAM_CLASSES, OrderPaymentStream
from tap_keap.stream_specs import BILLING, STREAM_SPECS
from tap_keap.streams import NOTHING_OFFERED, KeapStream

STREAMS_AHEAD = 3


class TapKeap(SdkTap):
    """Singer tap for Keap (Infusionsoft) CRM, REST v2."""

    name = "tap-keap"

    @cached_property
    def session(self) -> Session:
        """What the streams of this run share."""
        return Session(self.settings, self.initialized_at, self.flush)

    def discover_streams(self) -> list[KeapStream]:
        """All streams, in the order of `stream_specs`."""
        streams = {
            spec.name: STREAM_CLASSES.get(spec.name, KeapStream)(self, spec, self.session) for spec in STREAM_SPECS
        }
        shares = streams["order_payments"]
        assert isinstance(shares, OrderPaymentStream)  # noqa: S101 - STREAM_CLASSES
        shares.payments = streams["payments"]
        left = self.state.get("bookmarks", {}).get(shares.name, {}).get("orders") or []
        self.session.shared_orders.attach(left, lambda: shares.state_manager.stream_state, lambda: shares.selected)
        return list(streams.values())

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over the bookmarks; what an earlier run read says nothing about this one."""
        super().load_state(state)
        self._mark(None)

    def run(self) -> None:
        """One sync: the billing streams, the marker, the other streams.

        Raises:
            TapKeapError: if it ends early, or rows were left out.
        """
        session = self.session
        session.stop.listen_to_signals()
        try:
            try:
                self._read_all()
            finally:
                self.flush()
        except (RuntimeError, OSError) as error:
            raise _lack_of_this_machine(error) from error
        finally:
            session.progress.end()
            session.stop.end()
        self._conclude()

    def _read_all(self) -> None:
        _ = self.session.client  # incomplete credentials end the run before the first STATE
        chosen = [stream for stream in self.streams.values() if stream.selected]
        billing = [stream for stream in chosen if stream.name in BILLING]
        marker = {
            "selected": [each.name for each in billing],
            "complete": [],
            "start_date": self.config.get("start_date"),
        }
        if marker["start_date"] is not None:
            self._mark(marker)  # whoever needs all of it hears at once that older rows are missing
        self.emit_state()
        self._read(billing, chosen)
        complete = [stream.name for stream in billing if stream.ended]
        if not billing or set(complete) - {"order_payments"}:  # of no payment there is nothing to ask for
            offered = [stream.name for stream in billing if not stream.lacking]
            self._mark({**marker, "selected": offered, "complete": complete})
            self.emit_state()
        self._read(chosen[len(billing) :], chosen)

    def _read(self, streams: Sequence[KeapStream], chosen: Sequence[KeapStream]) -> None:
        """Read streams one after the other, and let the next ones be fetched while one is written.

        They share one budget, so nothing is faster than Keap allows, but no wait for an answer is wasted.
        """
        for stream in streams:
            if not stream.is_limited:
                for following in chosen[chosen.index(stream) :][: STREAMS_AHEAD + 1]:
                    following.open_feed()
            self.sync_stream(stream)

    def _mark(self, marker: dict[str, Any] | None) -> None:
        """In every STATE: null until the billing streams are read (with a `start_date` at once), then what was read."""
        cast("dict[str, Any]", self.state)["keap_read"] = marker

    def _conclude(self) -> None:
        chosen = [stream for stream in self.streams.values() if stream.selected and stream.name != "order_payments"]
        if chosen and all(stream.lacking for stream in chosen):
            raise ConfigurationError(NOTHING_OFFERED)
        rejected = sum(stream.rejected for stream in self.streams.values())
        if rejected:
            raise RejectedRowsError(f"{rejected} records do not fit their schema and were left out; see the log.")


def _lack_of_this_machine(error: RuntimeError | OSError) -> Exception:
    """What the machine has no more of, in one sentence; any other error as it is."""
    if isinstance(error, BrokenPipeError):
        return OutputError("The reader of this tap's output is gone; its own messages say why.")
    if isinstance(error, OSError) and error.strerror:
        return ServiceError(f"This machine refuses something that the tap needs: {error.strerror}.")
    if "can't start new thread" in str(error):
        return ServiceError("This machine allows no more threads: raise its limit of processes, or run fewer at once.")
    return error
