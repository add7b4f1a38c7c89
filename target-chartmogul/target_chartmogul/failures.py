"""What ends a run, each with its exit code. Messages hold neither credentials nor personal data."""

from __future__ import annotations

from target_chartmogul import exit_codes


class TargetChartMogulError(Exception):
    """Ends the run with one line on stderr and `exit_code`."""

    exit_code: int = exit_codes.UNEXPECTED
    report: str | None = None
    """Where the report of the run is, as a sentence; None for what ends before a run begins."""


class ConfigurationError(TargetChartMogulError):
    """A setting, the command line or the input cannot be used."""

    exit_code = exit_codes.CONFIGURATION


class CredentialsError(TargetChartMogulError):
    """ChartMogul refuses the key, or the key may only read."""

    exit_code = exit_codes.CREDENTIALS


class ServiceError(TargetChartMogulError):
    """ChartMogul or the place of the store does not answer, or answers with errors, after all retries."""

    exit_code = exit_codes.SERVICE


class UnfinishedError(TargetChartMogulError):
    """The input was cut off, or `max_run_minutes` is over; the next run continues."""

    exit_code = exit_codes.UNFINISHED


class RejectsError(TargetChartMogulError):
    """The run is complete, but records are rejected, or objects refused."""

    exit_code = exit_codes.REJECTS


class RefusedError(TargetChartMogulError):
    """A guard of rule 1.7, or the preflight, stopped the run before its first write."""

    exit_code = exit_codes.REFUSED


class ReadAgainError(TargetChartMogulError):
    """The store does not hold what the state that came says was read: the next run reads from the beginning."""

    exit_code = exit_codes.READ_AGAIN


class StoppedError(TargetChartMogulError):
    """SIGINT or SIGTERM arrived; `exit_code` is 130 or 143."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
