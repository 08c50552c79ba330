"""Tables on a narrow page: who gets room."""

from __future__ import annotations

import pytest

from book.extensions.stopwhensure.tables import room_for


@pytest.mark.parametrize(("text", "room"), [("97.7 %", None), ("EDP saved at 1.46 timesteps", "some-words"),
                                            ("a sentence " * 8, "many-words")])
def test_a_cell_gets_room_for_its_words(text, room):
    assert room_for(text) == room
