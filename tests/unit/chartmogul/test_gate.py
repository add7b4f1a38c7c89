"""The pace towards ChartMogul: never more than 40 in any second, for threads and for processes together."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time

import pytest

from target_chartmogul.chartmogul.errors import UnreachableError
from target_chartmogul.chartmogul.gate import LONGEST_PAUSE, SHORTEST_PAUSE, RequestGate


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def most_in_a_second(times):
    times = sorted(times)
    return max(sum(1 for other in times if start <= other < start + 1) for start in times)


@pytest.fixture(params=["memory", "file"])
def gate(request, tmp_path):
    clock = Clock()
    made = RequestGate(tmp_path if request.param == "file" else None, "account", clock=clock)
    made.test_clock = clock
    return made


def passes(gate, count):
    times = []
    for _ in range(count):
        with gate.passing(gate.test_clock.sleep) as left:
            times.append(left)
    return times


def test_pace_is_even_and_nearly_the_limit(gate):
    times = passes(gate, 400)
    assert most_in_a_second(times) <= 39
    assert 400 / (times[-1] - times[0]) >= 38


def test_a_refusal_pauses_everyone_once(gate):
    first, second = passes(gate, 2)
    wait = gate.throttled(second)
    assert wait == SHORTEST_PAUSE
    refused = gate.test_clock.now
    gate.test_clock.now += 0.1
    assert gate.throttled(first) == pytest.approx(SHORTEST_PAUSE - 0.1)  # was under way at the same time
    assert passes(gate, 1)[0] == pytest.approx(refused + SHORTEST_PAUSE, abs=0.03)


def test_pauses_grow_while_trouble_lasts_and_end_with_an_answer(gate):
    waits = []
    for _ in range(10):
        left = passes(gate, 1)[0]
        gate.test_clock.now += 0.01
        waits.append(gate.throttled(left))
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_PAUSE
    left = passes(gate, 1)[0]
    gate.answered(left)
    assert gate.throttled(passes(gate, 1)[0]) == SHORTEST_PAUSE


def test_retry_after_is_honoured(gate):
    left = passes(gate, 1)[0]
    assert gate.throttled(left, 17) == 17
    assert passes(gate, 1)[0] >= left + 17


def test_the_pace_recovers_after_a_refusal(gate):
    gate.throttled(passes(gate, 1)[0])
    times = passes(gate, 300)
    assert times[1] - times[0] > 1 / 30
    assert times[-1] - times[-2] == pytest.approx(1 / 38.6, rel=0.01)


def test_threads_that_wake_late_do_not_bunch(gate):
    """Each sleep lasts up to 0.3 s too long, as on a busy machine."""
    late = random.Random(3)
    times = []
    for _ in range(400):
        with gate.passing(lambda seconds: gate.test_clock.sleep(seconds + late.choice([0, 0, 0, 0.3]))) as left:
            times.append(left)
    assert most_in_a_second(times) <= 40


def test_requests_that_wait_on_the_way_do_not_bunch(gate):
    """A stall of 150 ms on the other side: what left before it arrives at its end, together with what follows."""
    clock, arrivals = gate.test_clock, []
    under_way = []
    for _ in range(200):
        with gate.passing(clock.sleep) as left:
            stalled = 1001.0 <= left < 1001.15
            arrival = 1001.15 if stalled else left
            arrivals.append(arrival)
            under_way.append((arrival + 0.1, left))
        for answer in [each for each in under_way if each[0] <= clock.now]:
            under_way.remove(answer)
            now, clock.now = clock.now, answer[0]
            gate.answered(answer[1])
            clock.now = now
    assert most_in_a_second(arrivals) <= 40
    assert 200 / (arrivals[-1] - arrivals[0]) >= 36


def test_what_an_earlier_start_of_the_machine_wrote_does_not_count(tmp_path):
    late = Clock()
    late.now = 10_000_000.0
    first = RequestGate(tmp_path, "account", clock=late)
    with first.passing(late.sleep) as left:
        first.throttled(left, 200)
    early = Clock()
    with RequestGate(tmp_path, "account", clock=early).passing(early.sleep) as left:
        assert left == 1000.0


def test_a_damaged_file_does_not_count(tmp_path):
    clock = Clock()
    gate = RequestGate(tmp_path, "account", clock=clock)
    with gate.passing(clock.sleep):
        pass
    next(tmp_path.glob("*/pace")).write_bytes(b"xx")
    with gate.passing(clock.sleep) as left:
        assert left == 1000.0


def test_neither_key_nor_address_is_in_the_file_names(tmp_path):
    clock = Clock()
    with RequestGate(tmp_path, "https://example.org|secret-key", clock=clock).passing(clock.sleep):
        pass
    names = " ".join(path.name for path in tmp_path.rglob("*"))
    assert "secret" not in names
    assert "example" not in names


def test_connections_are_limited():
    gate = RequestGate(per_second=10_000, connections=3)
    under_way = []
    most = []

    def work():
        with gate.passing():
            under_way.append(1)
            most.append(len(under_way))
            time.sleep(0.01)
            under_way.pop()

    threads = [threading.Thread(target=work) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 3


WORKER = """
import json, sys, threading, time
from pathlib import Path
from target_chartmogul.chartmogul.errors import UnreachableError
from target_chartmogul.chartmogul.gate import RequestGate
gate = RequestGate(Path(sys.argv[1]), "account", connections=5)
spans = []
def work():
    for _ in range(10):
        with gate.passing() as left:
            begun = time.monotonic()
            time.sleep(0.05)
            spans.append([left, begun, time.monotonic()])
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
print(json.dumps(spans))
"""


def test_processes_share_pace_and_connections(tmp_path):
    running = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    spans = [span for process in running for span in json.loads(process.communicate(timeout=60)[0])]
    assert len(spans) == 120
    assert most_in_a_second([span[0] for span in spans]) <= 40
    marks = sorted([(begun, 1) for _, begun, _ in spans] + [(ended, -1) for *_, ended in spans])
    level = highest = 0
    for _, step in marks:
        level += step
        highest = max(highest, level)
    assert highest <= 5


@pytest.mark.parametrize(
    "trouble", [NotImplementedError("no flock here"), PermissionError(13, "no"), OSError(28, "full")]
)
def test_where_files_cannot_be_locked_a_run_keeps_the_limits_for_itself(tmp_path, monkeypatch, caplog, trouble):
    def acquire(*_, **__):
        raise trouble

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    clock = Clock()
    gate = RequestGate(tmp_path, "account", clock=clock)
    gate.test_clock = clock
    assert most_in_a_second(passes(gate, 100)) <= 40
    assert ["cannot be locked" in record.getMessage() for record in caplog.records] == [True]


def test_too_few_open_files_end_in_a_sentence(tmp_path, monkeypatch):
    gate = RequestGate(tmp_path, "account")

    def acquire(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("filelock.FileLock.acquire", acquire)
    with pytest.raises(UnreachableError, match="Too many open files; raise the limit"), gate.passing():
        pass


def test_a_full_disk_does_not_stop_requests(tmp_path, monkeypatch):
    gate = RequestGate(tmp_path, "account")

    def write_bytes(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", write_bytes)
    with gate.passing() as left:
        assert left
