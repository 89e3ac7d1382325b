import numpy as np
import pytest
import torch

from latentgeo.datasets import SentenceDataset, load, to_sentences
from latentgeo.datasets.sentences import SPECIAL, most_likely_tokens
from latentgeo.datasets.splits import split_of_name
from latentgeo.datasets.text import MULTI30K_FILES
from latentgeo.errors import InputError

SPLITS = ("train", "validation", "test")
LINES = ["a dog runs .", "a cat sleeps .", "a dog sleeps ."]


@pytest.fixture
def folder(tmp_path):
    """Return a folder of three texts, named as those of multi30k are."""
    (tmp_path / "train.lc.tok.en").write_text("a dog runs .\na dog sits .\n")
    (tmp_path / "val.lc.tok.en").write_text("a dog flies .\n")
    (tmp_path / "test_2016.lc.tok.en").write_text("a cat sits .\n")
    return tmp_path


def test_words_are_channels_and_places_are_rows():
    data = SentenceDataset.from_sentences(LINES, length=6)
    # By frequency, ties by the alphabet.
    assert data.vocabulary == (*SPECIAL, ".", "a", "dog", "sleeps", "cat", "runs")
    assert data.tokens.tolist()[0] == [3, 4, 7, 2, 0, -1]
    images = data.batch([0, 2])
    assert images.shape == (2, *data.shape) == (2, 8, 6, 1)
    assert images.dtype == torch.float32
    expected = torch.zeros(8, 6)
    for place, word in enumerate([3, 4, 7, 2, 0]):
        expected[word, place] = 1
    assert torch.equal(images[0, :, :, 0], expected)
    assert to_sentences(images, data.vocabulary) == [LINES[0], LINES[2]]


def test_a_subset_is_of_sentences_and_keeps_its_places():
    data = SentenceDataset.from_sentences([f"word{i} ." for i in range(20)], length=3)
    part = data.take(5, seed=1)
    assert isinstance(part, SentenceDataset)
    assert part.sentences() == [data.sentences()[place] for place in part.indices]
    images, indices = next(part.batches(2))
    assert indices.tolist() == part.indices[:2].tolist()
    assert to_sentences(images, part.vocabulary) == part.sentences()[:2]


def test_fingerprint_covers_words_tokens_and_length():
    data = SentenceDataset.from_sentences(LINES)
    again = SentenceDataset.from_sentences(LINES)
    renamed = SentenceDataset.from_sentences([line.replace("dog", "cow") for line in LINES])
    longer = SentenceDataset.from_sentences(LINES, length=30)
    assert data.fingerprint == again.fingerprint
    assert np.array_equal(data.tokens, renamed.tokens)
    assert len({data.fingerprint, renamed.fingerprint, longer.fingerprint}) == 3


def test_what_the_vocabulary_does_not_know_is_unknown_and_special_words_are_no_words():
    vocabulary = SentenceDataset.from_sentences(LINES).vocabulary
    data = SentenceDataset.from_sentences(["a <end> flies ."], vocabulary=vocabulary)
    assert data.sentences() == ["a <unk> <unk> ."]
    assert "<end>" not in SentenceDataset.from_sentences(["a <end> <unk>"]).vocabulary[2:]


def test_long_sentences_are_cut_and_counted():
    with pytest.warns(UserWarning, match="1 of the 3 sentences of 'user' .test. are longer than 3"):
        data = SentenceDataset.from_sentences(["a b c d", "a b c", "a b"], length=3)
    assert data.sentences() == ["a b c", "a b c", "a b"]
    assert data.tokens[1].tolist() == data.tokens[0].tolist()  # no room for the end token


@pytest.mark.parametrize(
    ("sentences", "options", "message"),
    [
        ([], {}, "expected a list of at least one sentence"),
        ("a dog", {}, "expected a list of at least one sentence"),
        (["a", " \t"], {}, "sentence 1 of 'user' is empty"),
        (["a"], {"length": 0}, "length is 0, expected at least 1"),
        (["a"], {"vocabulary": ["a", "b"]}, "vocabulary begins with .'a', 'b'., expected"),
        (["a"], {"vocabulary": [*SPECIAL, "a", "a"]}, "repeats the word 'a'"),
    ],
)
def test_sentences_that_cannot_be_used(sentences, options, message):
    with pytest.raises(InputError, match=message):
        SentenceDataset.from_sentences(sentences, **options)


def test_the_likeliest_words_end_at_the_first_end_token():
    images = torch.full((2, 4, 5, 1), 0.1)
    for place, word in enumerate([2, 3, 0, 2, 2]):
        images[0, word, place] = 0.6
    images[1] = 0
    images[1, 3, 0] = 0.9
    assert most_likely_tokens(images).tolist() == [[2, 3, 0, -1, -1], [3, -1, -1, -1, -1]]
    with pytest.raises(InputError, match=r"shape \(2, 4, 5, 1\), expected \(b, 3, T, 1\)"):
        to_sentences(images, [*SPECIAL, "a"])


def test_a_folder_holds_a_text_for_each_split(folder):
    parts = {split: load(folder, split) for split in SPLITS}
    assert parts["test"].sentences() == ["a <unk> sits ."]
    assert parts["validation"].sentences() == ["a dog <unk> ."]
    # The words are those of the training sentences, so one model takes all three.
    assert len({part.vocabulary for part in parts.values()}) == 1
    assert {part.shape for part in parts.values()} == {(7, 24, 1)}
    with pytest.warns(UserWarning, match="2 of the 2 sentences"):
        assert load(folder, "train", size=3).shape == (7, 3, 1)


def test_a_file_is_parted_by_its_lines(tmp_path):
    lines = [f"sentence {i} ." for i in range(60)]
    path = tmp_path / "lines.txt"
    path.write_text("\n".join([*lines, *lines[:5]]))
    parts = {split: load(path, split) for split in SPLITS}
    assert sum(len(part) for part in parts.values()) == 65
    assert len(parts["train"]) > 40
    frozen = ["test", "train", "train", "validation"]
    assert [split_of_name(line) for line in lines[:4]] == frozen
    before = parts["train"].sentences()
    path.write_text("\n".join(["a new one .", *lines]))
    assert set(before) - {"a new one ."} <= set(load(path, "train").sentences())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a dog\n\nruns\n", "line 2 of text .* is empty: expected one sentence per line"),
        (b"a dog\ncaf\xe9\n", "is not UTF-8: line 2 holds the byte 0xe9"),
        (b" \n", "is empty: expected one sentence per line"),
        (b"a dog\n", "is empty .train 1, validation 0, test 0."),
    ],
)
def test_texts_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(path)


def test_windows_lines_and_a_mark_of_the_byte_order(tmp_path):
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbfa dog\r\na cat\r\n")
    (tmp_path / "val.txt").write_text("a dog")
    (tmp_path / "test.txt").write_text("a dog")
    assert load(tmp_path, "train").sentences() == ["a dog", "a cat"]


def test_missing_and_doubled_files(folder):
    with pytest.raises(InputError, match="is not known"):
        load(folder / "nothing.txt")
    (folder / "train.lc.tok.de").write_text("ein hund\n")
    with pytest.raises(InputError, match=r"has 2 files whose name begins with 'train'"):
        load(folder)
    (folder / "train.lc.tok.de").unlink()
    (folder / "val.lc.tok.en").unlink()
    with pytest.raises(InputError, match=r"has 0 files whose name begins with 'val' \(none\)"):
        load(folder, "train")


def test_a_list_of_names_beside_images_is_no_text(folder):
    (folder / "faces").mkdir()
    with pytest.raises(InputError, match="holds no images"):
        load(folder)


@pytest.mark.real_data
def test_captions_are_as_their_info_says(data_folder):
    test = load("multi30k", "test", root=data_folder, size=40)
    assert len(test) == 1000
    assert test.shape == (2002, 40, 1)
    assert test.sentences()[2].startswith("a girl in karate uniform")
    assert (data_folder / "multi30k" / MULTI30K_FILES["test"].name).stat().st_size == 63_307
