"""No cell of a table that people open in a spreadsheet is run as a formula."""

import csv
import io

import pytest

from tilth.text.cells import Table, harmless


@pytest.mark.parametrize("mark", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_a_formula_begins_with_is_text(mark):
    assert harmless(f"{mark}1+1") == f"'{mark}1+1"
    assert harmless(f"1{mark}1") == f"1{mark}1"


def test_numbers_stay_numbers_and_no_separator_opens_a_cell():
    file = io.StringIO()
    table = Table(file)
    table.write(["name", "left", "note"])
    table.write(["=cmd|' /C calc'!A0", -3, "x;=1+1"])
    assert file.getvalue() == "name,left,note\r\n'=cmd|' /C calc'!A0,-3,\"x;=1+1\"\r\n"
    (row,) = csv.DictReader(io.StringIO(file.getvalue()))
    assert row == {"name": "'=cmd|' /C calc'!A0", "left": "-3", "note": "x;=1+1"}


def test_whatever_is_written_is_read_again():
    cells = ['a "quoted" one', "two\r\nlines", "x,y;z", "tab\there", "", "plain", "0"]
    file = io.StringIO(newline="")
    Table(file).write([*cells, 7, 0.5, None])
    assert list(csv.reader(io.StringIO(file.getvalue(), newline=""))) == [[*cells, "7", "0.5", ""]]
