"""What ``make sandbox`` says: what to do next, in another terminal."""

from __future__ import annotations

from collections.abc import Mapping

# As in the environment ``sandbox`` of meltano.yml.
_USUAL_PORT = 8765
_TEXT = """\
Keap and ChartMogul are served on {base} until you press Ctrl-C. ChartMogul is empty; the time is {time}.

In another terminal, in this folder:

  source .venv/bin/activate
{exports}
  meltano --environment=sandbox install
  meltano --environment=sandbox run tap-keap target-chartmogul

Run the last line again, and nothing is written: nothing has changed. What ChartMogul holds now:

  curl {control}/chartmogul/content
"""


def guide(ready: Mapping[str, str], port: int, time: str) -> str:
    """Return the text.

    Args:
        ready: addresses and keys by name, as in the line that programs read.
        port: where it is served; another one than Meltano's environment knows needs addresses too.
        time: of the clock, in words.
    """
    variables = {"TAP_KEAP_API_KEY": ready["keap_api_key"], "TARGET_CHARTMOGUL_API_KEY": ready["chartmogul_api_key"]}
    if port != _USUAL_PORT:
        variables |= {
            "TAP_KEAP_API_URL": ready["keap_api_url"],
            "TAP_KEAP_TOKEN_URL": ready["keap_token_url"],
            "TARGET_CHARTMOGUL_API_URL": ready["chartmogul_api_url"],
        }
    exports = "\n".join(f"  export {name}={value}" for name, value in variables.items())
    control = ready["control_url"]
    return _TEXT.format(base=control.removesuffix("/control"), control=control, exports=exports, time=time)
