from itertools import permutations

import numpy as np
import pytest

from latentgeo.metrics import (
    clustering_accuracy,
    clustering_error,
    matched_clustering_error,
    name_clusters,
)


def test_each_cluster_is_named_by_its_surest_point():
    probabilities = [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.3, 0.1, 0.6], [0.8, 0.15, 0.05]]
    assert name_clusters(probabilities, [4, 2, 7, 5]).tolist() == [4, 2, 7]


def test_by_majority_one_odd_point_does_not_name_a_cluster():
    # The surest point of the first cluster is of another class than the rest of it; nothing's
    # likeliest cluster is the third.
    probabilities = [[0.9, 0.1, 0.0], [0.6, 0.3, 0.1], [0.6, 0.2, 0.2], [0.1, 0.9, 0.0]]
    labels = [4, 2, 2, 7]
    assert name_clusters(probabilities, labels).tolist() == [4, 7, 2]
    assert name_clusters(probabilities, labels, rule="majority").tolist() == [2, 7, 2]


def test_several_clusters_may_share_a_class():
    validation = np.eye(4)
    names = name_clusters(validation, [0, 0, 1, 1])
    test = np.eye(4)[[0, 1, 2, 3, 3]]
    assert clustering_error(test, [0, 0, 1, 1, 0], names) == pytest.approx(0.2)


def best_by_trial(clusters, labels, count):
    errors = []
    for names in permutations(range(count)):
        errors.append(np.mean(np.array(names)[clusters] != labels))
    return min(errors)


@pytest.mark.parametrize("seed", range(4))
def test_matching_is_the_best_of_all_permutations(seed):
    rng = np.random.default_rng(seed)
    clusters, labels = rng.integers(0, 5, 60), rng.integers(0, 5, 60)
    found = matched_clustering_error(clusters, labels)
    assert found == pytest.approx(best_by_trial(clusters, labels, 5))


def test_matching_does_not_depend_on_the_numbering():
    rng = np.random.default_rng(0)
    clusters, labels = rng.integers(0, 6, 80), rng.integers(0, 4, 80)
    renumbered = rng.permutation(6)[clusters]
    found = matched_clustering_error(clusters, labels)
    assert matched_clustering_error(renumbered, labels) == found
    assert matched_clustering_error(labels, labels) == 0


def test_clusters_beyond_the_classes_count_as_wrong():
    assert matched_clustering_error([0, 0, 1, 2], [0, 0, 0, 1]) == 0.25


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"probabilities have shape \(3,\)"):
        name_clusters([1, 2, 3], [1, 2, 3])
    with pytest.raises(ValueError, match=r"names have shape \(2,\), expected \(3,\)"):
        clustering_error(np.eye(3), [0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match=r"clusters have shape \(2,\) and labels \(3,\)"):
        matched_clustering_error([0, 1], [0, 1, 2])


def test_accuracy_is_what_matching_leaves_right_with_an_interval():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 500)
    clusters = np.where(rng.random(500) < 0.8, (labels + 1) % 4, rng.integers(0, 6, 500))
    mean, low, high = clustering_accuracy(clusters, labels, seed=0)
    assert mean == pytest.approx(1 - matched_clustering_error(clusters, labels))
    # The bootstrap of a share is binomial.
    reach = 1.96 * np.sqrt(mean * (1 - mean) / 500)
    assert (low, high) == pytest.approx((mean - reach, mean + reach), abs=0.006)
