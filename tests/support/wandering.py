"""A data source that follows a history by every way that runs can go, with any copy of its store."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.support.histories import Moment
from tests.support.pipeline import Pipeline, PipelineRun, RunningPipeline, shuffled
from tests.support.sandbox_process import Sandbox
from tests.support.store_copies import BucketCopies, Copy, LocalCopies, UploadKiller

FAULTS = ["500", "502", "503", "504_html", "429", "reset_before", "reset_after", "truncated", "html_200"]
SETTINGS: dict[str, tuple[Any, ...]] = {
    "trial_source": ("contact_created", "subscription", "none"),
    "interval_source": ("product", "subscription"),
    "churn_fallback": ("next_bill_date", "paid_through", "last_bill_date", "modified"),
    "late_payment": ("erase_cancellation", "ignore"),
    "plan_change": ("separate", "switch"),
    "credits": ("balance_transfer", "ignore"),
    "subscription_owner": ("subscription", "order"),
    "customer_scope": ("billed", "all"),
    "date_timezone": ("UTC", "America/New_York"),
    "unpaid_orders": ("include", "skip"),
    "full_refund": ("cash_only", "remove_mrr"),
    "hard_delete": (False, True),
}
ENDED_EARLY = {6, 10}


@dataclass
class Wandering:
    """Runs of one data source.

    Args:
        sandbox: both APIs.
        pipeline: both commands, and the STATE.
        place: where the store lies.
        chance: draws what happens.
        killer: kills in uploads, where the store lies in a bucket.
    """

    sandbox: Sandbox
    pipeline: Pipeline
    place: LocalCopies | BucketCopies
    chance: random.Random
    killer: UploadKiller | None = None
    copies: list[Copy] = field(default_factory=lambda: [{}])
    states: list[dict[str, Any] | None] = field(default_factory=lambda: [None])
    ways: list[str] = field(default_factory=list)
    """What happened, for whoever reads a failure."""

    def __post_init__(self) -> None:
        self.pipeline.target["store_path"] = self.place.path

    def at(self, moment: Moment) -> None:
        """The account is as at this moment, and so is the clock."""
        now = moment.now.isoformat()
        self.sandbox.clock(now)
        self.sandbox.load(moment.rows)
        self.pipeline.tap["now"] = self.pipeline.target["now"] = now
        self.ways.append(f"at {now} after {', '.join(moment.edits) or 'no edit'}")

    def change_settings(self) -> None:
        """One of them."""
        name = self.chance.choice(list(SETTINGS))
        self.pipeline.target[name] = value = self.chance.choice(SETTINGS[name])
        self.ways.append(f"{name}: {value}")

    def swap(self) -> None:
        """Any copy of the store, with any STATE."""
        copy, state = self.chance.randrange(len(self.copies)), self.chance.randrange(len(self.states))
        self.place.put(self.copies[copy])
        self.pipeline.state = self.states[state]
        self.ways.append(f"store {copy} of {len(self.copies)}, STATE {state} of {len(self.states)}")

    def go(self) -> None:
        """One run, which need not come to its end."""
        ways: list[Callable[[], PipelineRun]] = [
            self._plain, self._plain, self._shuffled, self._cut, self._cut, self._out_of_quota, self._kill_target,
            self._kill_target, self._kill_tap, self._faulty, self._whole, self._without_store, self._out_of_time,
        ]  # fmt: skip
        if self.killer is not None:
            ways += [self._kill_in_upload] * 3
        how = self.chance.choice(ways)
        self.ways.append(how.__name__)
        self._remember(how())

    def content(self) -> dict[str, Any]:
        """What ChartMogul holds; nothing, before the data source is created."""
        try:
            return self.pipeline.content(self.pipeline.target["now"])
        except RuntimeError as error:
            if "no such data source" not in str(error):
                raise
        return {section: {} for section in ("customers", "plans", "invoices", "cancellations", "scheduled", "mrr")}

    def finish(self) -> list[PipelineRun]:
        """Two runs as a scheduler makes them: the first one may find that it has to read again."""
        first = self.pipeline.run()
        self._remember(first)
        assert first.target_code in {0, 7, *ENDED_EARLY}, f"{self}\n{first}"
        second = self.pipeline.run()
        self._remember(second)
        assert second.tap_code == 0, f"{self}\n{second}"
        assert second.target_code in {0, 7}, f"{self}\n{second}"
        return [first, second]

    def __str__(self) -> str:
        return "\n".join(self.ways)

    def _remember(self, run: PipelineRun) -> None:
        self.ways[-1] += f" -> {run.codes}"
        assert run.target_code in {0, 4, 6, 7, 10, -9}, f"{self}\n{run}"
        self.place.put(copy := self.place.take())
        if copy != self.copies[-1]:
            self.copies.append(copy)
        for line in (run.folder / "states.jsonl").read_text().splitlines():
            if (state := json.loads(line)) not in self.states:
                self.states.append(state)

    # ways

    def _plain(self) -> PipelineRun:
        return self.pipeline.run()

    def _whole(self) -> PipelineRun:
        return self.pipeline.run(full=True)

    def _shuffled(self) -> PipelineRun:
        return self.pipeline.run(messages=shuffled(self.pipeline.read(), self.chance))

    def _cut(self) -> PipelineRun:
        """At any line, or right behind payments."""
        lines = self.pipeline.read().splitlines(keepends=True)
        end = self.chance.randint(0, len(lines))
        payments = [number for number, line in enumerate(lines) if '"payments"' in line and '"RECORD"' in line]
        if payments and self.chance.random() < 0.3:
            end = payments[-1] + self.chance.randint(1, 3)
        self.ways[-1] += f" at {end} of {len(lines)}"
        return self.pipeline.run(messages="".join(lines[:end]))

    def _out_of_quota(self) -> PipelineRun:
        after = self.chance.randint(1, 14)
        self.ways[-1] += f" after {after}"
        script = [{"match": {"path_regex": ""}, "kind": "429_day", "times": 99, "after": after}]
        self.sandbox.faults("keap", script=script)
        try:
            return self.pipeline.run()
        finally:
            self.sandbox.faults("keap")

    def _faulty(self) -> PipelineRun:
        for api in ("keap", "chartmogul"):
            self.sandbox.faults(api, seed=self.chance.random(), rate=0.1, kinds=FAULTS)
        try:
            return self.pipeline.run(timeout=240)
        finally:
            for api in ("keap", "chartmogul"):
                self.sandbox.faults(api)

    def _out_of_time(self) -> PipelineRun:
        return self.pipeline.run(max_run_minutes=self.chance.choice([0.0001, 0.001, 0.003]))

    def _without_store(self) -> PipelineRun:
        return self.pipeline.run(full=True, store_path=None)

    def _kill_target(self) -> PipelineRun:
        number = self.chance.randint(1, 50)
        self.ways[-1] += f" after {number}"
        self.sandbox.clear_requests()
        running = self.pipeline.start()
        running.wait_until(lambda: int(self.sandbox.summary("chartmogul")["requests"]) >= number)
        time.sleep(self.chance.uniform(0, 0.02))
        running.target.kill()
        return running.finish()

    def _kill_tap(self) -> PipelineRun:
        number = self.chance.randint(1, 12)
        self.ways[-1] += f" after {number}"
        self.sandbox.clear_requests()
        running = self.pipeline.start()
        running.wait_until(lambda: int(self.sandbox.summary("keap")["requests"]) >= number)
        time.sleep(self.chance.uniform(0, 0.02))
        assert running.tap is not None
        running.tap.kill()
        return running.finish()

    def _kill_in_upload(self) -> PipelineRun:
        assert self.killer is not None
        number, lands = self.chance.randint(1, 2), self.chance.random() < 0.5
        self.ways[-1] += f" {number}, lands: {lands}"
        running: list[RunningPipeline] = []

        def pid() -> int:
            while not running:
                time.sleep(0.005)
            return running[0].target.pid

        self.killer.arm(number, lands=lands, pid=pid)
        running.append(self.pipeline.start())
        try:
            return running[0].finish()
        finally:
            self.killer.arm(0, lands=False, pid=pid)
