"""The SDK's standard suite for targets: streams that are not Keap's are ignored, and nothing breaks."""

from __future__ import annotations

from typing import Any

import pytest
from singer_sdk.testing import get_target_test_class

from target_chartmogul.failures import ConfigurationError
from target_chartmogul.target import TargetChartMogul

StandardSuite: Any = get_target_test_class(
    target_class=TargetChartMogul, config={"api_key": "key", "api_url": "http://127.0.0.1:9/v1"}
)


class TestTargetChartMogul(StandardSuite):
    """All of it but two tests, whose expectations are not this target's."""

    def test_target_record_before_schema(self, config: Any, resource: Any, runner: Any) -> None:
        """The SDK's exception would be a traceback; here it is the user's mistake, in one line."""
        with pytest.raises(ConfigurationError, match="came before its SCHEMA"):
            super().test_target_record_before_schema(config, resource, runner)

    def test_target_record_missing_key_property(self, config: Any, resource: Any, runner: Any) -> None:
        """The SDK ends the whole run over a record without its key; here it costs itself alone at most (rule 1.5)."""
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            super().test_target_record_missing_key_property(config, resource, runner)
