import numpy as np
import pytest
import torch

from latentgeo.datasets import SentenceDataset, perturb, to_sentences
from latentgeo.datasets.sentences import UNKNOWN
from latentgeo.errors import InputError

KINDS = ("words-replaced", "words-unknown")


@pytest.fixture
def data():
    lines = [" ".join(f"w{(i * k) % 17}" for k in range(1, 3 + i % 8)) for i in range(1, 41)]
    return SentenceDataset.from_sentences(lines, length=12)


def changed(data, kind, level, seed=0):
    images = data.batch(slice(None))
    result = perturb(images, kind, level, seed=seed, indices=data.indices)
    assert torch.equal(images, data.batch(slice(None)))
    assert torch.equal(result.sum(dim=1), images.sum(dim=1))  # one word at each place, as before
    return result, (result != images).any(dim=1)[..., 0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_share_of_the_words_is_hit_and_the_end_never(data, kind):
    images = data.batch(slice(None))
    words = (data.tokens > UNKNOWN).sum(axis=1)
    for level in (0.0, 0.3, 0.5, 1.0):
        result, hit = changed(data, kind, level)
        assert torch.equal(result[:, 0], images[:, 0])
        if kind == "words-unknown":
            assert hit.sum(dim=1).tolist() == np.round(level * words).tolist()
            assert torch.equal(result[:, UNKNOWN, :, 0].bool(), hit)
        else:  # the word that comes may be the one that was there
            assert (hit.sum(dim=1) <= torch.from_numpy(np.round(level * words))).all()
            assert hit.sum() >= 0.8 * np.round(level * words).sum()
            assert not result[:, UNKNOWN].any()


def test_both_kinds_hit_the_same_words_and_higher_levels_hit_them_too(data):
    hits = {level: changed(data, "words-unknown", level)[1] for level in (0.2, 0.5, 0.8)}
    assert (hits[0.2] <= hits[0.5]).all()
    assert (hits[0.5] <= hits[0.8]).all()
    assert (changed(data, "words-replaced", 0.5)[1] <= hits[0.5]).all()


def test_words_come_from_the_whole_vocabulary(data):
    result, _ = changed(data, "words-replaced", 1.0)
    came = {word for line in to_sentences(result, data.vocabulary) for word in line.split()}
    assert came == set(data.vocabulary[2:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_meets_the_same_noise_in_every_batch_and_another_seed_another(data, kind):
    whole, _ = changed(data, kind, 0.5)
    order = [7, 2, 30]
    part = perturb(data.batch(order), kind, 0.5, seed=0, indices=data.indices[order])
    assert torch.equal(part, whole[order])
    assert not torch.equal(changed(data, kind, 0.5, seed=1)[0], whole)


def test_images_have_no_words():
    with pytest.raises(InputError, match=r"shape \(1, 8, 8\) are no sentences"):
        perturb(torch.rand(2, 1, 8, 8), "words-replaced", 0.5, seed=0, indices=[0, 1])
    with pytest.raises(InputError, match=r"expected a number from 0 to 1 \(share of the words\)"):
        perturb(torch.rand(2, 5, 8, 1), "words-unknown", 1.5, seed=0, indices=[0, 1])
