"""Tables: who gets room on a narrow page, and what a head names."""

from __future__ import annotations

import pytest

from book.extensions.stopwhensure.tables import room_for, scoped


@pytest.mark.parametrize(("text", "room"), [("97.7 %", None), ("EDP saved at 1.46 timesteps", "some-words"),
                                            ("a sentence " * 8, "many-words")])
def test_a_cell_gets_room_for_its_words(text, room):
    assert room_for(text) == room


def test_a_head_says_whether_it_names_a_column_or_a_row():
    told = scoped('<th class="head stub">rule</th><th class="head number">EDP</th><th class="stub">mean</th><td class="number">0.2</td>')
    assert told == ('<th class="head stub" scope="col">rule</th><th class="head number" scope="col">EDP</th>'
                    '<th class="stub" scope="row">mean</th><td class="number">0.2</td>')


def test_a_head_that_says_so_itself_is_left_alone():
    html = '<th scope="row"><code>digits</code></th><th class="headline">words</th>'
    assert scoped(html) == html
