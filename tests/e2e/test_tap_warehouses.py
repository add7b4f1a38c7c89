"""The tap piped for real into target-jsonl, DuckDB and PostgreSQL: every row arrives, with its type.

The targets are installed into environments of their own, because each brings its own libraries.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_process import ROOT, Sandbox
from tests.support.tap_process import COMMAND, TapRun, key_config, parse

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

TARGETS = {
    "target-jsonl": ["target-jsonl"],
    "target-duckdb": ["target-duckdb", "duckdb<1.1"],  # it takes the first row for a header with newer ones
    "target-postgres": ["meltanolabs-target-postgres"],
}
KEYS = {"transactions": "transaction_key", "payment_methods": "payment_method_id"}


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One environment a target; skipped where the package index cannot be reached."""
    home = tmp_path_factory.mktemp("targets")
    uv = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")
    for name, packages in TARGETS.items():
        install = [uv, "pip", "install", "-q", "--python", str(home / name / "bin" / "python"), *packages]
        for command in ([uv, "venv", "-q", str(home / name)], install):
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip(f"{name} cannot be installed here")
    return {name: home / name / "bin" for name in TARGETS}


@pytest.fixture
def piped(sandbox: Sandbox, tmp_path: Path) -> Any:
    """Pipes the whole sample account into a target; what the tap wrote."""
    sandbox.no_limits(["keap"])
    (tmp_path / "config.json").write_text(json.dumps(key_config(sandbox)))

    def pipe(target: Path, config: dict[str, Any]) -> TapRun:
        (tmp_path / "target.json").write_text(json.dumps(config))
        copy = tmp_path / "messages.jsonl"
        tap = [*COMMAND, "--config", str(tmp_path / "config.json")]
        with subprocess.Popen(tap, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as source:
            with subprocess.Popen(["tee", str(copy)], stdin=source.stdout, stdout=subprocess.PIPE) as tee:
                done = subprocess.run(
                    [str(target), "--config", str(tmp_path / "target.json")],
                    stdin=tee.stdout, capture_output=True, text=True, check=False,
                )  # fmt: skip
                assert done.returncode == 0, done.stderr[-3000:]
            assert source.wait() == 0
        return TapRun(0, "", parse(copy.read_text()))

    return pipe


def test_jsonl(environments: dict[str, Path], piped: Any, tmp_path: Path) -> None:
    home = tmp_path / "lines"
    home.mkdir()
    run = piped(
        environments["target-jsonl"] / "target-jsonl", {"destination_path": str(home), "do_timestamp_file": False}
    )
    found = {path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in home.iterdir()}
    assert found == run.rows
    assert found["orders"]


def test_duckdb(environments: dict[str, Path], piped: Any, tmp_path: Path) -> None:
    path = tmp_path / "keap.duckdb"
    run = piped(
        environments["target-duckdb"] / "target-duckdb", {"filepath": str(path), "default_target_schema": "main"}
    )
    script = (
        "import duckdb, json, sys; c = duckdb.connect(sys.argv[1]);"
        't = c.execute("select table_name, column_name, data_type from information_schema.columns").fetchall();'
        "n = {x[0]: c.execute(f'select count(*) from \"{x[0]}\"').fetchone()[0] for x in t};"
        "s = str(c.execute('select sum(amount) from payments').fetchone()[0]);"
        "print(json.dumps([t, n, s]))"
    )
    answer = subprocess.run(
        [str(environments["target-duckdb"] / "python"), "-c", script, str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    columns, counts, total = json.loads(answer.stdout)
    types = {(table, column): kind for table, column, kind in columns}
    assert {table: counts[table] for table in run.counts} == dict(run.counts)
    assert types["orders", "modification_time"].startswith("TIMESTAMP")
    assert types["subscriptions", "active"] == "BOOLEAN"
    assert types["orders", "id"] == "VARCHAR"
    assert round(float(total), 2) == round(sum(row["amount"] for row in run.rows["payments"]), 2)


@pytest.fixture
def postgres() -> Iterator[int]:
    """A PostgreSQL server of the test's own on loopback; its port.

    Its folder lies outside pytest's own, which every other pytest that starts closes to other users.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    binaries, data = found[-1], Path(tempfile.mkdtemp(prefix="keap-postgres-")) / "data"
    prefix: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL does not run as root
        prefix = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
        owner = pwd.getpwnam("postgres")
        os.chown(data.parent, owner.pw_uid, owner.pw_gid)
    subprocess.run(
        [*prefix, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "keap"],
        check=True,
        capture_output=True,
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    control = [*prefix, str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
    subprocess.run([*control, "-l", str(data / "log"), "-o", options, "start"], check=True, capture_output=True)
    yield port
    stopped = subprocess.run([*control, "-m", "immediate", "stop"], check=False, capture_output=True, text=True)
    shutil.rmtree(data.parent)
    assert stopped.returncode == 0, stopped.stderr


def test_postgres(environments: dict[str, Path], piped: Any, postgres: int) -> None:
    config = {"host": "127.0.0.1", "port": postgres, "user": "keap", "password": "x", "database": "postgres",
              "default_target_schema": "public", "activate_version": True}  # fmt: skip
    run = piped(environments["target-postgres"] / "target-postgres", config)

    def query(text: str) -> list[list[str]]:
        where = ["-h", "127.0.0.1", "-p", str(postgres), "-U", "keap", "-d", "postgres"]
        answer = subprocess.run(
            ["psql", *where, "-At", "-F", "\t", "-c", text],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [line.split("\t") for line in answer.stdout.splitlines()]

    columns = {
        (table, column): kind
        for table, column, kind in query(
            "select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'"
        )
    }
    for stream, count in run.counts.items():
        assert query(f'select count(*) from "{stream}"') == [[str(count)]], stream
    assert columns["orders", "modification_time"].startswith("timestamp")
    assert columns["subscriptions", "start_date"] == "date"
    assert columns["subscriptions", "active"] == "boolean"
    assert columns["payments", "amount"] in {"numeric", "double precision"}
    assert columns["orders", "order_items"] == "ARRAY"
    for stream in ("orders", "transactions"):
        key = KEYS.get(stream, "id")
        assert sorted(row[0] for row in query(f'select "{key}" from "{stream}"')) == sorted(run.ids(stream, key))
    paid = sum(row["amount"] for row in run.rows["payments"])
    assert round(float(query("select sum(amount) from payments")[0][0]), 2) == round(paid, 2)
