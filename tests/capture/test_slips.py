"""A name that was nearly a field's is a slip, whatever the kind of the slip; another word is a name of its own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reson_jupyter.config import TrainingConfig, fields_like
from reson_jupyter.config.slips import slip_of
from reson_jupyter.errors import ConfigError
from reson_jupyter.session import Session

FIELDS = ("batch_size", "img_size", "num_rounds", "local_epochs", "learning_rate")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("batch_sise", "batch_size"),  # another letter
        ("img_sise", "img_size"),
        ("img_szie", "img_size"),  # two swapped
        ("im_size", "img_size"),  # one dropped
        ("imgg_size", "img_size"),  # one added
        ("mg_size", "img_size"),
        ("img_siz", "img_size"),
        ("img_sizee", "img_size"),
        ("Batch_Size", "batch_size"),
        ("targte", "target"),
        ("stroe", "store"),
    ],
)
def test_one_letter_is_a_slip_wherever_it_stands(name: str, meant: str) -> None:
    session = Session()
    with pytest.raises(ConfigError, match=f"did you mean '{meant}'"):
        session.configure(**{name: 64})
    assert session.training.extra == {}


def test_a_training_config_refuses_the_same() -> None:
    with pytest.raises(ConfigError, match="did you mean 'batch_size'"):
        TrainingConfig(batch_sise=64)


@pytest.mark.parametrize("name", ["patch_size", "batch", "momentum", "nome", "hidden_size", "beam_size", "dropout", "batch_norm"])
def test_another_word_is_a_name_of_its_own(name: str) -> None:
    session = Session()
    session.configure(**{name: 3})
    assert session.training.extra == {name: 3}


@given(st.sampled_from(FIELDS), st.data())
def test_a_letter_in_place_of_another_is_always_told(field: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(field) - 1))
    letter = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz_").filter(lambda one: one != field[place]))
    assert slip_of(field[:place] + letter + field[place + 1 :], FIELDS) == field


def test_fields_are_found_by_a_part_of_their_names() -> None:
    assert fields_like("batch", FIELDS) == ["batch_size"] and fields_like("size", FIELDS) == ["batch_size", "img_size"]
    assert fields_like("bat", FIELDS) == []
