"""decisions.toml: read, told apart, and rewritten without touching what a person wrote."""

from __future__ import annotations

import stat
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bulkmove.errors import ConfigError
from bulkmove.mapping.lookups.collecting import Unresolved
from bulkmove.mapping.lookups.deciding import merge_decisions
from bulkmove.mapping.lookups.decisions import Decision, Decisions, load_decisions
from bulkmove.mapping.lookups.doubting import doubts_of
from bulkmove.mapping.lookups.index import Candidate, Index
from bulkmove.mapping.lookups.keys import FieldWatch as KeyWatch
from bulkmove.settings import LookupSettings

LOOKUPS = {
    "region": LookupSettings("region"),
    "kind": LookupSettings("kind", inline={"b": 1, "c": 2}),
    "town": LookupSettings("town", within="region_id", match="normalised"),
}
FILE = """\
# mine
[region]
"Sânmartin" = 63933   # the one near Oradea
"Xanadu" = "skip"
"Nowhere" = "default"
"Later" = "?"
"word" = { value = "skip" }

[town."101"]
"Sânmartin" = "T-1"
"""


def load(tmp_path: Path, text: str) -> Decisions:
    (tmp_path / "decisions.toml").write_text(text, encoding="utf-8")
    return load_decisions(tmp_path / "decisions.toml", LOOKUPS)


def miss(value: str, *, within: str | None = None, records: int = 1, **more: Any) -> Unresolved:
    lookup = "region" if within is None else "town"
    return Unresolved(
        lookup,
        value,
        within,
        records,
        first_id=more.pop("first_id", "7"),
        becomes=more.pop("becomes", "rejected"),
        **more,
    )


@pytest.mark.parametrize(
    ("lookup", "value", "within", "decision"),
    [
        ("region", "Sânmartin", None, Decision("value", 63933)),
        ("region", "Xanadu", None, Decision("skip")),
        ("region", "Nowhere", None, Decision("default")),
        ("region", "word", None, Decision("value", "skip")),
        ("region", "Later", None, None),
        ("region", "SANMARTIN", None, None),
        ("town", "Sânmartin", "101", Decision("value", "T-1")),
        ("town", "SANMARTIN", "101", Decision("value", "T-1")),
        ("town", "Sânmartin", "102", None),
    ],
)
def test_each_decision_is_found_as_its_look_up_matches(
    tmp_path: Path, lookup: str, value: str, within: str | None, decision: Decision | None
) -> None:
    assert load(tmp_path, FILE).find(LOOKUPS[lookup], value, within) == decision


def test_spellings_that_were_decided_differently_decide_nothing_for_a_third(tmp_path: Path) -> None:
    found = load(tmp_path, '[town."1"]\n"Iași" = 1\n"IASI" = 2\n"Arad" = 3\n"arad" = 3\n')
    town = LOOKUPS["town"]
    assert [found.find(town, each, "1") for each in ("Iași", "IASI")] == [
        Decision("value", 1),
        Decision("value", 2),
    ]
    assert found.find(town, "Iaşi", "1") is None
    assert found.find(town, "ARAD", "1") == Decision("value", 3)


def test_a_file_that_is_not_there_decides_nothing(tmp_path: Path) -> None:
    assert load_decisions(tmp_path / "none.toml", LOOKUPS).find(LOOKUPS["region"], "a", None) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[regoin]\na = 1\n", r"\[regoin\]: there is no look-up of this name; did you mean \[region\]\?"),
        ("region = 1\n", r"region: must be a table of values"),
        ('[region]\na = ""\n', r"\[region\] 'a': is empty"),
        ("[region]\na = true\n", r"\[region\] 'a': must be text, a number, \"skip\", \"default\" or \"\?\", not a bool"),
        ('[kind]\na = "skp"\n', r"\[kind\] 'a': must be a whole number, as all values of lookups\.kind are, not 'skp'; did you mean \"skip\"\?"),
        ('[kind]\na = "63933"\n', r"\[kind\] 'a': must be a whole number, .* not '63933'; write 63933 without quotes"),
        ("[kind]\na = 6.5\n", r"\[kind\] 'a': must be a whole number, .* not 6\.5"),
        ("[region]\na = [1]\n", r"\[region\] 'a': must be text, a number"),
        ("[region]\na = 2024-01-01\n", r"\[region\] 'a': must be text, a number"),
        ("[region]\na = { valeu = 1 }\n", r"\[region\] 'a': a table in place of a value must be \{ value = … \}"),
        ("[town]\na = 1\n", r"\[town\] 'a': values of this look-up stand in a table for each region_id, as \[town\.\"101\"\]"),
        ('[town."1"]\na = []\n', r"\[town\.\"1\"\] 'a': must be text"),
        ("[region]\na = nan\n", r"\[region\] 'a': must not be nan"),
        ("[region]\na = { value = -inf }\n", r"\[region\] 'a': must not be -inf"),
        ("[region]\na = 18446744073709551616\n", r"\[region\] 'a': must be a whole number of at most 64 bits"),
        ("[region\n", "is not TOML"),
        ("[region]\na = 1\na = 2\n", "is not TOML"),
    ],
)  # fmt: skip
def test_a_mistake_names_file_table_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path / 'decisions.toml'}: {message}"):
        load(tmp_path, text)


def test_what_is_undecided_is_counted(tmp_path: Path) -> None:
    assert load(tmp_path, FILE).undecided == {"region": 1, "town": 0}


def towns(*rows: tuple[str, int, int]) -> Index:
    index = Index(LOOKUPS["town"], KeyWatch(LOOKUPS["town"], "new.towns"))
    index.add([{"name": name, "id": number, "region_id": outer} for name, number, outer in rows])
    return index


def test_a_decision_that_fits_no_row_is_doubted_by_name(tmp_path: Path) -> None:
    text = '[town."101"]\n"A" = 7\n"B" = 9\n"C" = 8\n"D" = "skip"\n[town."Bihor"]\n"E" = 7\n"F" = 7\n'
    found = doubts_of(
        tmp_path / "decisions.toml",
        LOOKUPS["town"],
        load(tmp_path, text),
        towns(("X", 7, 101), ("Y", 8, 102)),
    )
    assert list(found) == [
        "decisions.toml: [town.\"101\"] 'B': no row of lookups.town has the id 9",
        "decisions.toml: [town.\"101\"] 'C': the id 8 belongs to another region_id than '101'",
        "decisions.toml: [town.\"Bihor\"]: no row of lookups.town has the region_id 'Bihor'",
    ]


def test_a_slip_is_refused_once_the_rows_show_that_all_values_are_whole_numbers(tmp_path: Path) -> None:
    decided = load(tmp_path, '[town."101"]\n"A" = "defualt"\n')
    with pytest.raises(
        ConfigError, match=r"\[town\.\"101\"\] 'A': must be a whole number.*mean \"default\"\?"
    ):
        list(doubts_of(tmp_path / "decisions.toml", LOOKUPS["town"], decided, towns(("X", 7, 101))))


def test_the_digest_is_of_what_is_decided_alone(tmp_path: Path) -> None:
    before = load(tmp_path, FILE).digest("region")
    assert before is not None
    shuffled = FILE.replace('"Later" = "?"\n', "").replace("# mine\n", "").replace('"Xanadu" = "skip"\n', "")
    same = load(tmp_path, shuffled.replace("[region]\n", '[region]\n"Xanadu" = "skip"\n'))
    assert same.digest("region") == before
    assert load(tmp_path, FILE.replace('"skip"\n', '"default"\n')).digest("region") != before
    assert load(tmp_path, FILE.replace("63933", '"63933"')).digest("region") != before
    assert load(tmp_path, '[region]\n"Later" = "?"\n').digest("region") is None


def test_what_is_unresolved_is_written_for_a_person(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    found = [
        miss("Sânmartin", records=1234, candidates=(Candidate("Sinmartin", 63933, 91.6), Candidate("Arad", "A-1", 75.0))),
        miss("Satu Mare", within="101", is_ambiguous=True, becomes="null",
             candidates=(Candidate("Satu-Mare", 3, 100.0), Candidate("SATU MARE", 4, 100.0))),
        miss("plain", within="101", first_id=None, becomes="default"),
    ]  # fmt: skip
    assert merge_decisions(path, found, lookups=LOOKUPS)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert (
        '"Sânmartin" = "?"  # 1,234 records, as 7; nearest: Sinmartin → 63933 (92 %), Arad → A-1 (75 %)'
        in lines
    )
    assert '"Satu Mare" = "?"  # 1 record, as 7; becomes null; could be Satu-Mare → 3, SATU MARE → 4' in lines
    assert '"plain" = "?"  # 1 record; becomes the default' in lines
    assert '[town."101"]' in lines
    assert load_decisions(path, LOOKUPS).digest("region") is None


def test_values_may_be_personal_data_so_that_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o644)
    merge_decisions(path, [miss("new")], lookups=LOOKUPS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["decisions.toml"]


def test_what_a_person_wrote_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    path.write_text(FILE, encoding="utf-8")
    assert merge_decisions(path, [miss("Sânmartin", records=99), miss("Later", records=3)], lookups=LOOKUPS)
    assert path.read_text(encoding="utf-8") == FILE.replace(
        '"Later" = "?"', '"Later" = "?"  # 3 records, as 7'
    )


def test_undecided_values_that_occur_no_more_go_unless_only_a_part_was_read(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    text = FILE + '\n[town."102"]\n"gone" = "?"\n"kept" = "?"\n\n[town."103"]\n"gone" = "?"\n'
    path.write_text(text, encoding="utf-8")
    merge_decisions(path, [miss("kept", within="102")], lookups=LOOKUPS, is_whole=False)
    assert {"Later", "Sânmartin"} <= tomllib.loads(path.read_text(encoding="utf-8"))["region"].keys()
    merge_decisions(path, [miss("kept", within="102")], lookups={"region": LOOKUPS["region"]})
    assert "gone" in tomllib.loads(path.read_text(encoding="utf-8"))["town"]["102"]
    merge_decisions(path, [miss("kept", within="102")], lookups=LOOKUPS)
    left = tomllib.loads(path.read_text(encoding="utf-8"))
    assert "Later" not in left["region"]
    assert left["town"] == {"101": {"Sânmartin": "T-1"}, "102": {"kept": "?"}}
    assert "# the one near Oradea" in path.read_text(encoding="utf-8")


def test_the_same_again_leaves_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    found = [miss("b"), miss("a", within="1"), miss("c")]
    assert merge_decisions(path, found, lookups=LOOKUPS)
    before = path.stat().st_mtime_ns
    assert not merge_decisions(path, found, lookups=LOOKUPS)
    assert path.stat().st_mtime_ns == before


def test_nothing_to_decide_makes_no_file(tmp_path: Path) -> None:
    assert not merge_decisions(tmp_path / "decisions.toml", [], lookups=LOOKUPS)
    assert not list(tmp_path.iterdir())


def test_a_value_that_looks_like_an_undecided_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    text = '[region]\n"n/a" = { value = "?" }\n"gone" = "?"\n'
    path.write_text(text, encoding="utf-8")
    assert merge_decisions(path, [], lookups=LOOKUPS)
    assert path.read_text(encoding="utf-8") == text.replace('"gone" = "?"\n', "")


def test_many_values_are_put_into_a_table_in_little_time(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    path.write_text('[region]\n  "a" = 1\n', encoding="utf-8")
    started = time.perf_counter()
    merge_decisions(path, [miss(f"v{n}") for n in range(4000)], lookups=LOOKUPS)
    assert time.perf_counter() - started < 2
    assert list(tomllib.loads(path.read_text(encoding="utf-8"))["region"]) == [
        "a",
        *(f"v{n}" for n in range(4000)),
    ]


@pytest.mark.parametrize(
    "text",
    [
        '[town."1"]\nx = 1\n[region]\ny = 2\n[town."2"]\nz = "?"\n',
        'region.a = 1\nregion.b = "?"\n',
        'town = { "1" = { a = 1 } }\nregion = { b = "?" }\n',
        '["region"]\n',
    ],
)
def test_a_file_that_is_laid_out_in_another_way_takes_new_values_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "decisions.toml"
    path.write_text(text, encoding="utf-8")
    old = tomllib.loads(text)
    found = [miss("n"), miss("n", within="1"), miss("n", within="9")]
    merge_decisions(path, found, lookups=LOOKUPS)
    new = tomllib.loads(path.read_text(encoding="utf-8"))
    assert new["region"]["n"] == new["town"]["1"]["n"] == new["town"]["9"]["n"] == "?"
    for name, table in old.get("town", {}).items():
        assert {k: v for k, v in table.items() if v != "?"}.items() <= new["town"].get(name, {}).items()
    assert {k: v for k, v in old["region"].items() if v != "?"}.items() <= new["region"].items()


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5, unique=True), st.text())
def test_any_value_comes_back_out_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, values: list[str], within: str
) -> None:
    path = tmp_path_factory.mktemp("any") / "decisions.toml"
    found = [miss(value) for value in values] + [miss(value, within=within) for value in values]
    merge_decisions(path, found, lookups=LOOKUPS)
    written = tomllib.loads(path.read_text(encoding="utf-8"))
    assert list(written["region"]) == values
    assert list(written["town"][within]) == values


def test_a_value_that_has_no_utf8_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    merge_decisions(path, [miss("a\ud800"), miss("b", first_id="x\ud800\n")], lookups=LOOKUPS)
    assert list(tomllib.loads(path.read_text(encoding="utf-8"))["region"]) == ["b"]


def test_a_file_that_is_no_toml_is_not_written_over(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    path.write_text("[region\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        merge_decisions(path, [miss("a")], lookups=LOOKUPS)
    assert path.read_text(encoding="utf-8") == "[region\n"


def test_a_folder_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be written"):
        merge_decisions(tmp_path / "none" / "decisions.toml", [miss("a")], lookups=LOOKUPS)
