"""The precision of training does not change what an analysis says."""

import pytest


@pytest.fixture(scope="module")
def precision(load_benchmark):
    return load_benchmark("precision")


@pytest.mark.filterwarnings("ignore:.*has not learned")
def test_ranks_dimension_and_psnr_agree_within_the_seeds_spread(precision, tmp_path, monkeypatch):
    command = "precision.py --scale smoke --device cpu --models cae --runs"
    argv = [*command.split(), str(tmp_path / "runs"), "--out", str(tmp_path)]
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr(precision, "ProcessPoolExecutor", HereExecutor)
    precision.main()
    table = (tmp_path / "precision-cpu.md").read_text()
    rows = [row.split(" | ") for row in table.splitlines() if row.startswith("| cae")]
    assert "| cae | commonest rank S3, σ 0.1 |" in table
    assert {agree for *_, agree, _ in rows} == {"yes"}
    decibels = next(row for row in rows if row[1] == "PSNR, dB, σ 0")
    assert decibels[2] != decibels[3]  # it was another arithmetic

    trained = {each: each.stat().st_mtime_ns for each in tmp_path.rglob("model.safetensors")}
    assert len(trained) == 2 * precision.SCALES["smoke"].seeds
    monkeypatch.setattr("sys.argv", [*argv, "--train-only"])
    precision.main()
    assert all(each.stat().st_mtime_ns == then for each, then in trained.items())


class HereExecutor:
    """Stands in for processes, which would import everything anew."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    map = staticmethod(map)


def test_numbers_farther_apart_than_the_seeds_do_not_agree(precision):
    assert precision.agree([1.0, 3.0], [3.5, 4.0])
    assert not precision.agree([1.0, 3.0], [4.5, 4.5])
    assert precision.agree([7.0, 7.0], [7.0, 7.0])
    assert not precision.agree([7.0, 7.0], [7.0, 6.9])
