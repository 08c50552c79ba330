"""Numbers as people type them; the page's script reads the same (test_seals.py compares them)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtsnn_lite.classroom.typed import readings

# (what is typed, the unit asked for, what may be meant: the likelier first)
MEANT = [
    ("1.5", "", (1.5,)), (" 1,5 ", "", (1.5,)), ("\u22122", "", (-2.0,)), ("- 2", "", (-2.0,)), ("3e-4", "", (3e-4,)),
    ("3E-4", "", (3e-4,)),
    ("1/3", "", (1 / 3,)), ("1 / 3", "", (1 / 3,)), (".5", "", (0.5,)), (",5", "", (0.5,)), ("7.", "", (7.0,)), ("~7", "", (7.0,)),
    ("5e-324", "", (5e-324,)), ("0.1/0.3", "", (0.1 / 0.3,)),
    # thousands; one comma before three digits may be either, unless the number begins with 0
    ("3,012", "", (3012.0, 3.012)), ("0,125", "", (0.125,)), ("3.012", "", (3.012,)), ("3 012", "", (3012.0,)),
    ("3\u202f012", "", (3012.0,)),
    ("3'012", "", (3012.0,)), ("3\u2019012", "", (3012.0,)), ("1,234,567", "", (1234567.0,)), ("1.234.567", "", (1234567.0,)),
    ("1,234.5", "", (1234.5,)), ("1.234,5", "", (1234.5,)), ("1 234,5", "", (1234.5,)), ("12,5", "", (12.5,)),
    ("1234,567", "", (1234.567,)),
    ("\uff13\uff0c\uff10\uff11\uff12", "", (3012.0, 3.012)), ("\uff13\uff0e\uff15", "", (3.5,)),
    # units
    ("3012 images", "images", (3012.0,)), ("3012images", "images", (3012.0,)), ("16x", "times", (16.0,)), ("7.", "timesteps", (7.0,)),
    ("30 %", "%", (30.0,)), ("30\uff05", "%", (30.0,)), ("30 per cent", "%", (30.0,)), ("0.3 %", "points", (0.3,)),
    ("30 %", "", (30.0, 0.3)),
    ("30 %", "times", (0.3,)), ("1500 us", "ms", (1.5,)), ("1500 \u00b5s", "ms", (1.5,)), ("2 s", "ms", (2000.0,)),
    ("2 ms.", "ms", (2.0,)),
    ("2 J", "ms", (2.0,)), ("3 thousand", "images", (3000.0,)), ("3k images", "images", (3000.0,)),
    # no number, or more than one
    ("", "", ()), ("abc", "", ()), ("%", "%", ()), ("1/0", "", ()), ("1/2/3", "", ()), ("0x10", "", ()), ("nan", "", ()),
    ("1e999", "", ()),
    ("1 2", "", ()), ("12 34", "", ()), ("1,2,3", "", ()), ("3,0123", "", (3.0123,)), ("5 or 6", "", ()), ("10-20", "", ()),
    ("2^3", "", ()),
    ("1,23,456", "", ()),
]


@pytest.mark.parametrize(("text", "asked", "meant"), MEANT)
def test_a_number_is_read_as_people_mean_it(text, asked, meant):
    assert readings(text, asked) == pytest.approx(meant)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_is_read_back(value):
    assert readings(repr(value))[0] == value


@given(st.integers(1000, 10 ** 12), st.sampled_from([",", " ", "'", "\u2009", "\u00a0"]))
def test_thousands_may_be_set_apart(value, mark):
    assert readings(f"{value:,}".replace(",", mark))[0] == value


@given(st.text(max_size=40))
def test_whatever_is_typed_is_read_or_not_and_never_fails(text):
    assert len(readings(text)) <= 4
