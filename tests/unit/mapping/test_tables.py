"""Look-up tables out of CSV files."""

from __future__ import annotations

from pathlib import Path

import pytest

from bulkmove.errors import ConfigError
from bulkmove.mapping.tables import load_table


def table(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "ids.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "old,new\n1,10\n2,20\n",
        "\ufeffold,new\n1,10\n2,20\n",
        "old;new\r\n1;10\r\n2;20\r\n",
        "old\tnew\n1\t10\n2\t20",
        "new,old\n10,1\n20,2\n",
        "\ufeffnew,old\n10,1\n20,2\n",
        "name,Old,note, NEW \nA,1,,10\nB,2,x,20\n",
        "product,number\n1,10\n2,20\n",
        "product,number,note\n1,10\n2,20,x,y\n",
        '"old","new"\n" 1 ","10"\n\n"2",  20  \n\n,\n',
        "old,new\n1,10\n2,20\n1,10\n",
    ],
)
def test_a_table_is_read_in_each_of_its_spellings(tmp_path: Path, text: str) -> None:
    assert dict(load_table(table(tmp_path, text))) == {"1": "10", "2": "20"}


def test_values_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    path = table(tmp_path, 'old;new\n007;1,5\n"a;b";"x\ny"\nşapcă;ţ\n')
    assert dict(load_table(path)) == {"007": "1,5", "a;b": "x\ny", "şapcă": "ţ"}


def test_quotes_hold_a_value_together_after_a_space_too(tmp_path: Path) -> None:
    assert dict(load_table(table(tmp_path, 'old, new\n1, "a, b"\n'))) == {"1": "a, b"}


def test_a_header_alone_is_an_empty_table(tmp_path: Path) -> None:
    assert dict(load_table(table(tmp_path, "old,new\n"))) == {}


def test_a_table_cannot_be_changed(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        load_table(table(tmp_path, "old,new\n"))["1"] = "2"  # type: ignore[index]  # the point of the test


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("old,new\n1,10\n2,20\n1,11\n", "line 4: '1' becomes '11' here and '10' in line 2"),
        ('old,new\n1,"a\nb"\n1,c\n', "line 4: '1' becomes 'c' here and 'a\\nb' in line 3"),
        ("old,new\n1,10\n ,11\n", "line 3: the key is empty beside '11'"),
        ("old,new\n1,\n", "line 2: the new value is empty beside '1'"),
        ("old,new\n1\n", "line 2: has 1 of the 2 columns needed"),
        ("name,old,new\nA,1\n", "line 2: has 2 of the 3 columns needed"),
        ("old\n1\n", "line 1: a header of two columns is needed"),
        ("", "line 1: a header of two columns is needed"),
        ("1,10\n2,20\n", "line 1: '1' looks like data; the first line is a header"),
        (b"old,new\n1,10\n2,\xe3\n", "line 3: is not UTF-8"),
        (b"\xff\xfeo\0l\0d\0", "line 1: is not UTF-8"),
        ('old,new\n1,10\n2,"20\n', "line 3: is not CSV: unexpected end of data"),
        ('"old,new\n1,10\n', "line 1: is not CSV: unexpected end of data"),
    ],
)
def test_a_bad_table_names_file_and_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(ConfigError) as raised:
        load_table(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.csv: the table can't be read: No such file"):
        load_table(tmp_path / "nowhere.csv")
