"""Each rule of docs/mapping.md is named by a test: in its name, its id, or in a worked account that is run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[3]
DOCUMENT = TESTS.parent / "docs" / "mapping.md"
SECTIONS = {"0": 8, "1": 11, "2": 4, "3": 8, "4": 10, "5": 7, "6": 9, "7": 5, "9": 11}
"""How many rules each section has; section 8 is one table of settings, which has one number."""

RULE = re.compile(r"0[a-h]|[1-79]\.\d{1,2}|8")
IN_NAME = re.compile(r"(?:^|_)(0[a-h]|[1-79]_\d{1,2}|8)(?=_|$)")
IN_DOCSTRING = re.compile(r"\b(0[a-h]|[1-79]\.(?:1[01]|\d))\b")
IN_ID = re.compile(r"(?:rule )?(0[a-h]|[1-79]\.(?:\d|1[01]))(?=[ :,_-]|$)")


def stated_rules() -> list[str]:
    rows = re.findall(r"^\| (\S+) \|", DOCUMENT.read_text(encoding="utf-8").split("## Where a choice")[0], re.MULTILINE)
    return [*(row for row in rows if RULE.fullmatch(row)), "8"]


def rules_of_accounts() -> Iterator[str]:
    for path in (TESTS / "accounts").glob("*.json"):
        yield from json.loads(path.read_text(encoding="utf-8"))["rules"]


def named_rules(source: str) -> Iterator[str]:
    """Rules that a test file names.

    In names of test functions (`test_rule_4_3_…`, `test_rules_0b_and_3_5_…`), in ids such as "4.3 …", and in
    docstrings of the file or of a test, in brackets: "(rules 1.7, 9.11)".
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef):
            for bracket in re.findall(r"\(([^()]*)\)", ast.get_docstring(node) or ""):
                yield from IN_DOCSTRING.findall(bracket.replace("§0 ", "0"))
        if isinstance(node, ast.FunctionDef) and (found := re.search(r"test_rules?_(.*)", node.name)):
            yield from (each.replace("_", ".") for each in IN_NAME.findall(found[1]))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(node.value) < 120
            and (found := IN_ID.match(node.value))
        ):
            yield found[1]


def rules_with_a_test() -> set[str]:
    found = set(rules_of_accounts())
    for path in TESTS.rglob("test_*.py"):
        found.update(named_rules(path.read_text(encoding="utf-8")))
    return found


def test_the_document_states_every_rule_once() -> None:
    stated = stated_rules()
    expected = [f"0{letter}" for letter in "abcdefgh"]
    expected += [
        f"{section}.{number + 1}" for section, count in SECTIONS.items() if section != "0" for number in range(count)
    ]
    assert sorted(stated) == sorted([*expected, "8"])


@pytest.fixture(scope="module")
def tested() -> set[str]:
    return rules_with_a_test()


@pytest.mark.parametrize("rule", stated_rules())
def test_every_rule_is_named_by_a_test(rule: str, tested: set[str]) -> None:
    assert rule in tested, f"no test names rule {rule}"


def test_naming_is_recognised() -> None:
    source = '''"""Of 5.1 (§0 a, rule 1.10)."""
def test_rules_4_3_and_9_7_of_links(): pass
CASES = [("3.7 names", 1), ("3.85", 2), ("about 6.1", 3)]
'''
    assert set(named_rules(source)) == {"0a", "1.10", "4.3", "9.7", "3.7"}
