"""Where reports are kept: a local folder, or an address such as `s3://bucket/reports/report.json` (`report_path`)."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Protocol

from target_chartmogul.failures import ConfigurationError

_PAGES = (".html", ".htm")


class Folder(Protocol):
    """What a report needs of its folder; names are relative to it."""

    def check(self, names: tuple[str, ...]) -> None:
        """Raise an OSError if files of these names cannot be written."""

    def read(self, name: str) -> bytes | None:
        """A file's content, None if there is none."""

    def put(self, source: Path, name: str) -> None:
        """Replace a file, whole; a reader finds the old one or the new one."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""


class ReportPlace:
    """The files of a report: `report.json`, `report.html` beside it, and `report-runs/` with those of earlier runs.

    Args:
        location: `report_path`: the JSON file or the page, by path or URL.
    """

    def __init__(self, location: str) -> None:
        folder, slash, name = location.rpartition("/")
        stem, dot, ending = name.rpartition(".")
        self._prefix = folder + slash
        is_page = f".{ending}".lower() in _PAGES
        self.stem = stem if dot and stem else name
        self.json_name = f"{self.stem}.json" if is_page else name
        self.page_name = name if is_page else f"{self.stem}.html"
        self.runs = f"{self.stem}-runs"
        self.folder: Folder = _Remote(folder) if "://" in location else _Local(Path(folder + slash).expanduser())

    def where(self, name: str) -> str:
        """A file as a person finds it."""
        return self._prefix + name

    def check(self) -> None:
        """See, before a run, that the report can be written.

        Raises:
            ConfigurationError: it cannot.
        """
        if not self.stem:
            raise ConfigurationError(
                "setting `report_path` names a folder: add the name of a file, such as report.json"
            )
        try:
            self.folder.check((self.json_name, self.page_name))
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise ConfigurationError(
                f"setting `report_path`: {self.where(self.json_name)} cannot be written: {why}"
            ) from None


class _Local:
    def __init__(self, path: Path) -> None:
        self._path = path

    def check(self, names: tuple[str, ...]) -> None:
        self._path.mkdir(parents=True, exist_ok=True)
        for name in names:
            if (self._path / name).is_dir():
                raise IsADirectoryError(21, "it is a folder")
        handle, probe = tempfile.mkstemp(dir=self._path, prefix=".report.", suffix=".part")
        os.close(handle)
        Path(probe).unlink()

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None

    def put(self, source: Path, name: str) -> None:
        file = self._path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.", suffix=".part")
        os.close(handle)
        try:
            shutil.copyfile(source, temporary)
            Path(temporary).replace(file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def has(self, name: str) -> bool:
        return (self._path / name).is_file()

    def remove(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)


class _Remote:
    def __init__(self, url: str) -> None:
        import fsspec  # noqa: PLC0415  only remote reports need it

        try:
            self._files, self._path = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"setting `report_path`: {error}") from None

    def check(self, names: tuple[str, ...]) -> None:
        del names
        with _as_os_errors():
            bucket = self._path.split("/")[0]
            if not bucket or not self._files.exists(bucket):
                raise FileNotFoundError(2, "there is no such bucket")

    def read(self, name: str) -> bytes | None:
        self._files.invalidate_cache()
        with _as_os_errors():
            try:
                found: bytes = self._files.cat_file(f"{self._path}/{name}")
            except FileNotFoundError:
                return None
            return found

    def put(self, source: Path, name: str) -> None:
        with _as_os_errors():
            kind = {"ContentType": "text/html; charset=utf-8"} if name.endswith(_PAGES) else {}
            self._files.put_file(str(source), f"{self._path}/{name}", **kind)

    def has(self, name: str) -> bool:
        self._files.invalidate_cache()
        with _as_os_errors():
            return bool(self._files.exists(f"{self._path}/{name}"))

    def remove(self, name: str) -> None:
        with _as_os_errors(), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._path}/{name}")


@contextlib.contextmanager
def _as_os_errors() -> Any:
    """Whatever the library of a service raises, without its text, which may hold an address."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001
        raise OSError(5, f"the service does not take it ({type(error).__name__})") from None
