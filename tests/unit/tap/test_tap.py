"""The run as a whole, where the machine has no more of something."""

from __future__ import annotations

import threading

import pytest

from tap_keap.errors import ServiceError
from tap_keap.stopping import StopWatch
from tap_keap.tap import TapKeap


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("can't start new thread"), "allows no more threads"),
        (OSError(24, "Too many open files"), "refuses something that the tap needs: Too many open files."),
    ],
)
def test_a_machine_that_has_no_more(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], error: Exception, words: str
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise error

    tap = TapKeap(config={"api_key": "KeapAK-x", "api_url": "http://127.0.0.1:9"})
    monkeypatch.setattr(StopWatch, "listen_to_signals", lambda watch: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(ServiceError, match=words) as caught:
        tap.run()
    assert caught.value.exit_code == 4


def test_an_unexpected_error_stays_what_it_is(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("a defect")

    tap = TapKeap(config={"api_key": "KeapAK-x", "api_url": "http://127.0.0.1:9"})
    monkeypatch.setattr(StopWatch, "listen_to_signals", lambda watch: None)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError, match="a defect"):
        tap.run()
