"""A first load of 40,000 orders that is told to end: what Keap told is kept, and the next run sends the rest."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.bench.accounts import NOW, serving
from tests.bench.spent import account_file
from tests.support.pipeline import Pipeline

ORDERS = 40_000


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_rule_1_5_what_was_not_sent_is_not_read_again(tmp_path: Path) -> None:
    with serving(account_file(tmp_path, ORDERS // 10, ORDERS)) as sandbox:
        pipeline = Pipeline(sandbox, tmp_path / "runs", tap={"now": NOW}, target={"now": NOW}, fresh=True)
        running = pipeline.start()
        assert running.wait_until(lambda: len(sandbox.writes()) > 2, timeout=300)
        running.target.send_signal(signal.SIGTERM)
        done = running.finish(300)
        assert done.codes == (0, 143), done
        assert done.state is not None
        read = len(sandbox.requests("keap"))
        sandbox.clear_requests()
        pipeline.run(timeout=600).assert_fine()
        assert len(pipeline.content()["invoices"]) > ORDERS // 2
        assert len(sandbox.requests("keap")) < read / 5
        sandbox.clear_requests()
        pipeline.lose_store()
        pipeline.run(timeout=600, full=True).assert_fine()
        assert sandbox.writes() == []
