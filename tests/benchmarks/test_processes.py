"""The benchmark of processes, at sizes that take no time: the cost model is fitted right."""

import pytest


@pytest.fixture(scope="module")
def bench(load_benchmark):
    return load_benchmark("processes")


TERMS = 2e-3, 1e-4, 1e-5


def point(bench, batch, processes, threads=1, **more):
    known = {
        "title": "a net",
        "batch": batch,
        "processes": processes,
        "threads": threads,
        "layout": str(bench.Layout(processes, threads)),
        "sent": 1e-3 * (processes - 1),
        "bytes": {"gradients": 4_000_000},
        "peak": 2**30,
        "loss": 5.0,
    }
    return {**known, "seconds": bench.predict(known, TERMS), **more}


def points(bench):
    return [point(bench, batch, number) for batch in (8, 16, 32) for number in (1, 2)]


@pytest.mark.real_data
@pytest.mark.usefixtures("data_folder")
def test_a_step_is_timed_and_its_bytes_counted(bench):
    case = bench.Case("small", "mlp", 2, {"hidden": (8,), "latent_dim": 3})
    found = bench.measure(case, 4)
    assert found["seconds"] > 0
    assert found["sent"] == 0
    weights = 784 * 8 + 8 + 8 * 3 + 3 + 3 * 8 + 8 + 8 * 784 + 784
    assert found["bytes"] == {
        "features": 4 * 4 * 8,
        "latent gradients": 4 * 4 * 3,
        "logits": 4 * 4 * 784,
        "gradients": 4 * weights,
    }
    assert bench.measure(case, 4)["loss"] == found["loss"]


def test_the_fit_finds_what_the_points_are_made_of(bench):
    assert bench.fit(points(bench)) == pytest.approx(TERMS)


def test_the_table_says_how_far_off_the_model_is(bench):
    slower = [
        {**one, "seconds": 2 * one["seconds"]} if one["batch"] == 16 else one
        for one in points(bench)
    ]
    table = bench.to_table([*slower, point(bench, 8, 1, threads=2)], 1, (0.0, 0.0, 0.0))
    assert "o = 2.00 ms, c = 0.1000 ms an image, r = 0.0100 ms an image." in table
    assert (
        "| 16 | 2 processes, 1 thread each | 7.92 | 3.96 (not fitted) | -50% | 1.00 | 4.00 |"
        in table
    )
    assert "| 8 | 1 process, 2 threads each | 2.88 | – | – | – | – | 1024 |" in table


def test_the_best_is_kept_of_those_that_agree(bench):
    first, second = point(bench, 8, 1, seconds=2.0), point(bench, 8, 1, seconds=1.0)
    assert bench.best([first, second]) == [second]
    with pytest.raises(SystemExit, match=r"has loss 6\.0 in one, 5\.0 in"):
        bench.best([first, {**second, "layout": "other", "loss": 6.0}])
