"""Which request fails, and how: by a seeded share of all, or by a script."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from sandbox.odd_answers import ANSWERS, REFUSALS
from sandbox.odd_pages import PLACES, ROWS

# What the middleware does itself, besides the odd answers.
Kind = Literal[
    "500", "502", "503", "504_html", "429", "429_minute", "429_day", "reset_before", "reset_after", "truncated",
    "never", "trickle", "html_200", "401",
]  # fmt: skip
ODD = {**REFUSALS, **ANSWERS, **ROWS, **PLACES}
KINDS: frozenset[str] = frozenset({*get_args(Kind), *ODD})


@dataclass(slots=True)
class Step:
    """A line of the script: the first ``after`` matching requests pass, the next ``times`` (None: all) fail."""

    method: str | None
    path: re.Pattern[str]
    query: re.Pattern[str]
    kind: str
    times: int | None
    after: int

    def takes(self, method: str, path: str, query: str) -> bool:
        if self.times == 0 or (self.method and self.method != method):
            return False
        if not (self.path.search(path) and self.query.search(query)):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Faults:
    """The faults of one API; as made, there are none. ``latency_ms`` holds for every request."""

    rate: float = 0.0
    kinds: tuple[str, ...] = ()
    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    script: list[Step] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(0))

    def configure(self, plan: dict[str, Any]) -> None:
        """Replace the plan; an empty one clears it.

        Raises:
            ValueError: an unknown key or kind, or a rate without kinds.
        """
        if unknown := set(plan) - {"seed", "rate", "kinds", "latency_ms", "jitter_ms", "script"}:
            raise ValueError(f"unknown fault settings: {', '.join(sorted(unknown))}")
        kinds = tuple(str(kind) for kind in plan.get("kinds", ()))
        steps = [_step(line) for line in plan.get("script", ())]
        if bad := {*kinds, *(step.kind for step in steps)} - KINDS:
            raise ValueError(f"unknown fault kinds: {', '.join(sorted(bad))}")
        rate = float(plan.get("rate", 0.0))
        if rate and not kinds:
            raise ValueError("a rate needs kinds")
        self.rate, self.kinds, self.script = rate, kinds, steps
        self.latency_ms = float(plan.get("latency_ms", 0.0))
        self.jitter_ms = float(plan.get("jitter_ms", 0.0))
        self._random = random.Random(plan.get("seed", 0))

    def pick(self, method: str, path: str, query: str) -> str | None:
        """Return the fault of this request, or None. The script goes before the rate."""
        for step in self.script:
            if step.takes(method, path, query):
                return step.kind
        if self.rate and self._random.random() < self.rate:
            return self._random.choice(self.kinds)
        return None

    def delay(self) -> float:
        """Return the seconds by which this request is late."""
        if not self.latency_ms and not self.jitter_ms:
            return 0.0
        return (self.latency_ms + self._random.random() * self.jitter_ms) / 1000


def _step(line: dict[str, Any]) -> Step:
    match = line.get("match", {})
    return Step(
        method=match.get("method"),
        path=re.compile(match.get("path_regex", "")),
        query=re.compile(match.get("query_regex", "")),
        kind=str(line["kind"]),
        times=None if line.get("times", 1) is None else int(line.get("times", 1)),
        after=int(line.get("after", 0)),
    )
