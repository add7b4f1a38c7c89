"""What ends a run, each with its exit code. Messages hold neither credentials nor personal data."""

from __future__ import annotations

from target_chartmogul import exit_codes


class TargetChartMogulError(Exception):
    """Ends the run with one line on stderr and `exit_code`."""

    exit_code: int = exit_codes.UNEXPECTED


class ConfigurationError(TargetChartMogulError):
    """A setting or the command line cannot be used."""

    exit_code = exit_codes.CONFIGURATION


class CredentialsError(TargetChartMogulError):
    """ChartMogul refuses the key, or the key may only read."""

    exit_code = exit_codes.CREDENTIALS


class ServiceError(TargetChartMogulError):
    """ChartMogul or the ledger's store does not answer, or answers with errors, after all retries."""

    exit_code = exit_codes.SERVICE


class TimeUpError(TargetChartMogulError):
    """`max_run_minutes` is over."""

    exit_code = exit_codes.TIME_UP


class RefusedError(TargetChartMogulError):
    """A guard of rule 1.7, or the preflight, stopped the run before its first write."""

    exit_code = exit_codes.REFUSED


class LedgerInUseError(TargetChartMogulError):
    """Another run holds the ledger."""

    exit_code = exit_codes.LEDGER_IN_USE


class LedgerError(TargetChartMogulError):
    """The ledger cannot be read or written (disk full, no permission)."""

    exit_code = exit_codes.SERVICE


class StoppedError(TargetChartMogulError):
    """SIGINT or SIGTERM arrived; `exit_code` is 130 or 143."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
