import numpy as np
import pytest

from latentgeo.datasets import ImageDataset
from latentgeo.errors import InputError
from latentgeo.objectives import UNLABELLED, Supervision
from latentgeo.training.labels import known_labels


def images(labels):
    labels = None if labels is None else np.asarray(labels)
    count = 40 if labels is None else len(labels)
    return ImageDataset.from_array(np.zeros((count, 4, 4), np.uint8), labels, name="marked")


def balanced(classes=4, each=10):
    return np.arange(classes * each) % classes


def test_all_labels_are_seen_without_a_number():
    data = images(balanced())
    assert np.array_equal(known_labels(data, Supervision(4), 0), data.labels)


@pytest.mark.parametrize(("number", "counts"), [(8, [2, 2, 2, 2]), (10, [2, 2, 3, 3])])
def test_as_many_of_each_class_as_can_be(number, counts):
    data = images(balanced())
    known = known_labels(data, Supervision(4, number), 0)
    seen = known != UNLABELLED
    assert seen.sum() == number
    assert np.array_equal(known[seen], data.labels[seen])
    assert sorted(np.bincount(known[seen], minlength=4)) == counts


def test_the_seed_chooses():
    first, again, other = (
        known_labels(images(balanced()), Supervision(4, 8), seed) for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("labels", "supervision", "message"),
    [
        (None, Supervision(4), "data 'marked' have no labels, which this variant learns from"),
        (balanced(5), Supervision(4), "labels up to 4, but the number of categories is 4; set cat"),
        (balanced(), Supervision(4, 3), "labels is 3, fewer than the 4 classes; expected at least"),
        (balanced(3), Supervision(4, 8), "class 3 of 'marked' has 0 training images, but 2 labels"),
        ([0] * 30 + [1], Supervision(2, 8), "class 1 of 'marked' has 1 training images, but 4"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_in_one_line(labels, supervision, message):
    with pytest.raises(InputError) as caught:
        known_labels(images(labels), supervision, 0)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
