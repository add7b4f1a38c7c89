"""What leaves the tap: messages in order, nothing half written, and a progress line only where someone looks."""

from __future__ import annotations

import io
import json
import logging
from decimal import Decimal
from typing import Any

from singer_sdk.singerlib import RecordMessage, SchemaMessage, StateMessage

from tap_keap.progress import CLEAR, ProgressLine
from tap_keap.writer import BUFFER_BYTES, BufferedWriter


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
    writer = BufferedWriter(pipe)
    writer.write_message(SchemaMessage("orders", {"type": "object", "properties": {}}, ["id"]))
    writer.write_message(RecordMessage("orders", {"id": "1"}))
    writer.write_rows("orders", [{"id": "2"}, {"id": "3"}], version=7)
    assert [line["type"] for line in lines(pipe)] == ["SCHEMA"]
    writer.write_message(StateMessage({"bookmarks": {}}))
    found = lines(pipe)
    assert [line["type"] for line in found] == ["SCHEMA", "RECORD", "RECORD", "RECORD", "STATE"]
    assert [line["record"]["id"] for line in found[1:4]] == ["1", "2", "3"]
    assert ["version" in line for line in found[1:4]] == [False, True, True]
    assert found[2]["time_extracted"]


def test_a_full_buffer_is_written_at_once_and_the_rest_by_flush() -> None:
    pipe = Pipe()
    writer = BufferedWriter(pipe)
    row = {"id": "1", "text": "x" * 1000}
    count = 2 * BUFFER_BYTES // 1000
    writer.write_rows("orders", [row] * count, version=None)
    assert 1 <= pipe.writes <= 4
    writer.flush()
    assert len(lines(pipe)) == count


def test_amounts_leave_as_they_came() -> None:
    pipe = Pipe()
    writer = BufferedWriter(pipe)
    writer.write_rows("payments", [{"id": "1", "amount": Decimal("0.10")}], version=None)
    writer.flush()
    assert b'"amount":0.10}' in pipe.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_progress_on_a_terminal() -> None:
    terminal, clock = Terminal(), Clock()
    line = ProgressLine(lambda: 29_500, terminal, clock)
    line.advance("contacts", 1000)
    clock.now = 2.0
    line.advance("contacts", 5000)
    assert terminal.getvalue() == f"{CLEAR}contacts: 6,000 rows, 3,000 a second, 29,500 requests left today"
    line.end()
    assert terminal.getvalue().endswith(CLEAR)


def test_log_lines_push_the_progress_aside() -> None:
    terminal, clock = Terminal(), Clock()
    handler = logging.StreamHandler(terminal)
    logging.getLogger().addHandler(handler)
    try:
        line = ProgressLine(lambda: None, terminal, clock)
        clock.now = 1.0
        line.advance("orders", 10)
        logging.getLogger("tap-keap").warning("something")
        assert terminal.getvalue().endswith(f"{CLEAR}something\n")
    finally:
        logging.getLogger().removeHandler(handler)
        for other in logging.getLogger().handlers:
            other.filters = [found for found in other.filters if "push_aside" not in str(found)]


def test_no_progress_in_a_file() -> None:
    output, clock = io.StringIO(), Clock()
    line = ProgressLine(lambda: None, output, clock)
    clock.now = 5.0
    line.advance("orders", 10)
    line.end()
    assert not line.enabled
    assert output.getvalue() == ""
