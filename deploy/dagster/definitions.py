"""Many Keap accounts on Dagster: one partition per account, each run in a process of its own.

The accounts are the names in `accounts.txt` beside this file, or in the file that `KEAP_ACCOUNTS` names. Keys per
account come from the environment: `ACME__TAP_KEAP_API_KEY` reaches the run of account `acme` as `TAP_KEAP_API_KEY`.

    dagster dev -f deploy/dagster/definitions.py
"""

import os
import signal
import subprocess
from pathlib import Path

import dagster as dg

WORTH_ANOTHER_TRY = {4, 6, 9, 10, 130, 143, -15}
"""A service that did not answer, an unfinished read, another run, a new store, a signal; see the plugins' READMEs."""

HERE = Path(__file__).resolve().parent
SYNC = Path(os.environ.get("KEAP_SYNC_COMMAND", HERE.parent / "sync.sh"))
ACCOUNTS = Path(os.environ.get("KEAP_ACCOUNTS", HERE / "accounts.txt"))

accounts = dg.StaticPartitionsDefinition(
    [line.strip() for line in ACCOUNTS.read_text().splitlines() if line.strip() and not line.startswith("#")]
)


def environment(account: str) -> dict[str, str]:
    """What the run of one account sees: its own keys without their prefix, no other account's."""
    prefix = account.upper().replace("-", "_") + "__"
    every = {name.upper().replace("-", "_") + "__" for name in accounts.get_partition_keys()}
    shared = {name: value for name, value in os.environ.items() if not any(name.startswith(each) for each in every)}
    own = {name.removeprefix(prefix): value for name, value in os.environ.items() if name.startswith(prefix)}
    return shared | own | {"ACCOUNT": account}


@dg.asset(
    partitions_def=accounts,
    # The third retry comes seven minutes after the failure: by then the lock of a run that was killed is over.
    retry_policy=dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS),
    op_tags={"dagster/concurrency_key": "keap"},
)
def chartmogul_data_source(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """One incremental load of one account. A killed run is retried and goes on where the store says."""
    process = subprocess.Popen([SYNC], env=environment(context.partition_key), start_new_session=True)
    try:
        code = process.wait()
    except BaseException:
        # Dagster ends the step: let Meltano's plugins stop at a safe point.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if code:
        text = f"The load of {context.partition_key} ended with exit code {code}; its log says why."
        raise dg.Failure(text, allow_retries=code in WORTH_ANOTHER_TRY)
    return dg.MaterializeResult(metadata={"account": context.partition_key})


every_data_source = dg.define_asset_job("every_data_source", [chartmogul_data_source], partitions_def=accounts)


@dg.schedule(cron_schedule="17 * * * *", job=every_data_source)
def every_account(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """One run per account; the run coordinator decides how many at once."""
    hour = context.scheduled_execution_time.isoformat()
    return [
        dg.RunRequest(run_key=f"{hour}-{account}", partition_key=account) for account in accounts.get_partition_keys()
    ]


defs = dg.Definitions(assets=[chartmogul_data_source], jobs=[every_data_source], schedules=[every_account])
