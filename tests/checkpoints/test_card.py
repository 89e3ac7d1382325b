import pytest

from latentgeo.checkpoints import Card, read_card, write_card
from latentgeo.errors import InputError
from latentgeo.models import PosteriorLayout, Preprocessing


def test_a_card_comes_back_as_it_was_written(tmp_path):
    card = Card(
        name="vae",
        model="nets.py:VAE",
        arguments={"latent_dim": 10},
        weights="model.pt",
        layers=("encoder.block3",),
        image_shape=(1, 32, 32),
        preprocessing=Preprocessing(size=32, mean=(0.5,), std=(0.25,)),
        posterior=PosteriorLayout(layout="interleaved"),
    )
    path = write_card(tmp_path, card, comment="first\nsecond")
    assert path.read_text(encoding="utf-8").startswith("# first\n# second\nlatentgeo: 1\n")
    assert read_card(tmp_path) == card


def test_no_card_is_none_and_a_card_is_not_replaced_silently(tmp_path):
    assert read_card(tmp_path) is None
    write_card(tmp_path, Card(name="a"))
    with pytest.raises(InputError, match="exists already; edit it, or replace it with --force"):
        write_card(tmp_path, Card(name="b"))
    assert read_card(tmp_path).name == "a"
    write_card(tmp_path, Card(name="b"), force=True)
    assert read_card(tmp_path).name == "b"
    with pytest.raises(InputError, match="is no folder"):
        write_card(tmp_path / "missing", Card())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("latentgeo: 2", "is of version 2, this latentgeo reads version 1"),
        ("modle: a.py:b", "entry 'modle' is unknown; did you mean 'model'?"),
        ("preprocessing: {rang: [0, 1]}", "preprocessing.rang"),
        ("preprocessing: {range: [1, 0]}", "expected the lower end first"),
        ("- a list", "holds no entries"),
        ("1: 2", "holds no entries"),
        ("a: [", "is not valid YAML"),
        ("a: !!python/object/apply:os.system ['true']", "is not valid YAML"),
        ("[" * 5000, "is not valid YAML"),
    ],
)
def test_what_is_no_card_is_refused_in_one_line(tmp_path, text, message):
    (tmp_path / "latentgeo.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_card(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_huge_card_is_refused(tmp_path):
    (tmp_path / "latentgeo.yaml").write_text("#" * (1 << 20) + "\n\n", encoding="utf-8")
    with pytest.raises(InputError, match="a card is a page of text"):
        read_card(tmp_path)


def test_what_is_said_goes_before_what_is_written_entry_by_entry():
    card = Card(preprocessing=Preprocessing(size=32, range=(-1, 1)), encode="encoder")
    said = card.updated(Card.of(preprocessing={"interpolation": "bicubic"}, decode="decoder"))
    assert said.preprocessing == Preprocessing(size=32, range=(-1, 1), interpolation="bicubic")
    assert (said.encode, said.decode) == ("encoder", "decoder")


def test_a_new_mean_replaces_a_range_and_the_other_way_round():
    ranged = Card(preprocessing=Preprocessing(range=(-1, 1)))
    normalised = ranged.updated(Card.of(preprocessing={"mean": (0.5,), "std": (0.5,)}))
    assert normalised.preprocessing == Preprocessing(mean=(0.5,), std=(0.5,))
    back = normalised.updated(Card(preprocessing=Preprocessing(range=(-1, 1))))
    assert back.preprocessing == Preprocessing(range=(-1, 1))


def test_unknown_entries_are_refused():
    with pytest.raises(InputError, match="entry 'layer' is unknown; did you mean 'layers'"):
        Card.of(layer="x")
