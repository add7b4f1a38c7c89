"""What leaves the tap: messages in order, nothing half written, and one sentence where nobody takes it."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from typing import Any

import pytest
from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage

from tap_keap.errors import OutputError
from tap_keap.output import BUFFER_BYTES, Output
from tap_keap.sdk import SingerWriter


class Pipe(io.BytesIO):
    """Remembers how often it was written to."""

    writes = 0

    def write(self, data: Any) -> int:
        self.writes += 1
        return super().write(data)


def lines(pipe: Pipe) -> list[dict[str, Any]]:
    return [json.loads(line) for line in pipe.getvalue().splitlines()]


def test_records_wait_until_something_stands_for_them() -> None:
    pipe = Pipe()
    writer = SingerWriter(pipe)
    writer.write_message(SchemaMessage("orders", {"type": "object", "properties": {}}, ["id"]))
    writer.write_message(RecordMessage("orders", {"id": "1"}))
    writer.output.write_rows("orders", [{"id": "2"}, {"id": "3"}], version=7)
    assert [line["type"] for line in lines(pipe)] == ["SCHEMA"]
    writer.write_message(StateMessage({"bookmarks": {}}))
    found = lines(pipe)
    assert [line["type"] for line in found] == ["SCHEMA", "RECORD", "RECORD", "RECORD", "STATE"]
    assert [line["record"]["id"] for line in found[1:4]] == ["1", "2", "3"]
    assert ["version" in line for line in found[1:4]] == [False, True, True]
    assert found[2]["time_extracted"]


def test_a_full_buffer_is_written_at_once_and_the_rest_by_flush() -> None:
    pipe = Pipe()
    writer = Output(pipe)
    row = {"id": "1", "text": "x" * 1000}
    count = 2 * BUFFER_BYTES // 1000
    writer.write_rows("orders", [row] * count, version=None)
    assert 1 <= pipe.writes <= 4
    writer.flush()
    assert len(lines(pipe)) == count


def test_amounts_leave_as_they_came() -> None:
    pipe = Pipe()
    writer = Output(pipe)
    writer.write_rows("payments", [{"id": "1", "amount": Decimal("0.10")}], version=None)
    writer.flush()
    assert b'"amount":0.10}' in pipe.getvalue()


class Refusing(io.BytesIO):
    """An output that nobody takes."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    def write(self, data: Any) -> int:
        raise self._error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BrokenPipeError(), "The reader of this tap's output is gone"),
        (OSError(28, "No space left on device"), "cannot be written: the disk is full"),
        (ValueError("I/O operation on closed file"), "cannot be written: ValueError"),
    ],
)
def test_an_output_that_nobody_takes(error: Exception, words: str) -> None:
    output = Output(Refusing(error))
    output.write({"type": "STATE", "value": {}})
    with pytest.raises(OutputError, match=words) as caught:
        output.flush()
    assert caught.value.exit_code == 4


def test_a_closed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(OutputError, match="is closed"):
        Output().flush()


class Full(io.BytesIO):
    """A pipe that does not block: it takes a few bytes at a time, and now and then none."""

    turn = 0

    def write(self, data: Any) -> Any:
        self.turn += 1
        return None if self.turn % 2 else super().write(bytes(data)[:7])


def test_a_pipe_that_takes_little_at_a_time_gets_every_byte() -> None:
    pipe = Full()
    output = Output(pipe)
    output.write_rows("orders", [{"id": str(number)} for number in range(20)], version=3)
    output.flush()
    assert [json.loads(line)["record"]["id"] for line in pipe.getvalue().splitlines()] == [str(n) for n in range(20)]
