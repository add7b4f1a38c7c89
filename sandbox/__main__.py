"""``python -m sandbox``: both APIs on one port of the loopback interface, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox import credentials
from sandbox.app import make_app
from sandbox.clock import format_instant, parse_instant
from sandbox.guide import guide
from sandbox.keap.packed import read_messages
from sandbox.questions import parse
from sandbox.sample import NOW, sample_account
from sandbox.server import make_server


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to end.

    Returns:
        0 after SIGTERM or SIGINT; 2 when the account, the clock, an answer or the address is no good.
    """
    options = _parser().parse_args(arguments)
    try:
        now = _fixed_clock(options.now, options.account)
        app = make_app(_account(options.account, now), now, options.only, parse(options.answers))
        server, listener = make_server(app, options.host, options.port)
    except (OSError, ValueError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    port = listener.getsockname()[1]
    where = _where(f"http://{options.host}:{port}")
    if options.ready_file:
        _write_atomically(Path(options.ready_file), json.dumps(where))
    time = f"{format_instant(now)} for ever" if now else "that of this machine"
    print(guide(where, port, time) if options.guide else json.dumps(where), flush=True)
    gc.freeze()  # the account stays; collecting it again and again would only cost answers their time
    gc.set_threshold(50_000, 10, 10)  # a first load makes millions of objects, all of which stay
    server.run(sockets=[listener])
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument(
        "--account",
        default="sample",
        help="sample, empty, a .json file of streams, or a .jsonl file of Singer messages (large ones)",
    )
    parser.add_argument(
        "--now",
        help="fixed clock, ISO 8601 with zone, or `today`: the machine's; the sample follows it",
    )
    parser.add_argument("--guide", action="store_true", help="say what to do next, not the line for programs")
    parser.add_argument("--only", choices=["keap", "chartmogul"], help="serve one API")
    parser.add_argument(
        "--answers",
        default="",
        help="to open questions, as page-token-form=url,update-answer=304; all of them: control address, /answers",
    )
    parser.add_argument("--ready-file", help="where the line with the addresses is also written")
    return parser


def _fixed_clock(text: str | None, account: str) -> datetime | None:
    if text == "today":
        return None
    if text:
        return parse_instant(text)
    return NOW if account == "sample" else None


def _account(name: str, now: datetime | None) -> dict[str, Any]:
    if name == "sample":
        return sample_account(now or datetime.now(UTC))
    if name == "empty":
        return {}
    if name.endswith(".jsonl"):
        return {**read_messages(Path(name))}
    account: dict[str, Any] = json.loads(Path(name).read_text(encoding="utf-8"))
    return account


def _where(base: str) -> dict[str, str]:
    return {
        "keap_api_url": f"{base}/keap/crm/rest",
        "keap_token_url": f"{base}/keap/token",
        "keap_authorize_url": f"{base}/keap/app/oauth/authorize",
        "chartmogul_api_url": f"{base}/chartmogul/v1",
        "control_url": f"{base}/control",
        "keap_api_key": credentials.KEAP_API_KEY,
        "keap_client_id": credentials.KEAP_CLIENT_ID,
        "keap_client_secret": credentials.KEAP_CLIENT_SECRET,
        "keap_refresh_token": credentials.KEAP_REFRESH_TOKEN,
        "chartmogul_api_key": credentials.CHARTMOGUL_API_KEY,
        "chartmogul_read_only_key": credentials.CHARTMOGUL_READ_ONLY_KEY,
    }


def _write_atomically(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text + "\n", encoding="utf-8")
    beside.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
