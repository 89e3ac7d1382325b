"""What a machine has no memory for is refused before it is read, at every door."""

import numpy as np
import pytest
import torch
from PIL import Image

import latentgeo
from latentgeo.datasets import load
from latentgeo.errors import InputError

COUNT = 40
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8), dtype=np.uint8)
LATENTS = np.random.default_rng(1).standard_normal((COUNT, 4, 3, 3)).astype(np.float32)


class Items(torch.utils.data.Dataset):
    def __len__(self):
        return COUNT

    def __getitem__(self, place):
        return torch.from_numpy(IMAGES[place])[None] / 255, 0


def table():
    pandas = pytest.importorskip("pandas")
    names = [f"pixel{place}" for place in range(64)]
    return pandas.DataFrame(IMAGES.reshape(COUNT, 64), columns=names)


def in_features():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Array2D((8, 8), "uint8")})
    return datasets.Dataset.from_dict({"image": list(IMAGES)}, features=features)


def write_folder(place):
    place.mkdir()
    for number, image in enumerate(IMAGES):
        Image.fromarray(image).save(place / f"{number}.bmp")


FILES_OF_IMAGES = {
    "folder": write_folder,
    "images.npy": lambda place: np.save(place, IMAGES),
    "images.npz": lambda place: np.savez(place, x=IMAGES),
    "images.csv": lambda place: table().to_csv(place, index=False),
    "images.parquet": lambda place: table().to_parquet(place),
    "saved": lambda place: in_features().save_to_disk(place),
}
IN_MEMORY = {
    "array": lambda: IMAGES,
    "tensor": lambda: torch.from_numpy(IMAGES),
    "data set": Items,
    "loader": lambda: torch.utils.data.DataLoader(Items(), batch_size=8),
    "table": table,
    "features": in_features,
}


def write_netcdf(place):
    xarray = pytest.importorskip("xarray")
    xarray.DataArray(LATENTS, dims=["sample", "c", "h", "w"], name="latents").to_netcdf(place)


def write_zarr(place):
    import zarr

    zarr.save_array(str(place), LATENTS)


def write_columns(place):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame(LATENTS.reshape(COUNT, -1)).rename(columns="z{}".format).to_parquet(place)


def write_tensors(place):
    from safetensors.numpy import save_file

    save_file({"latents": LATENTS}, place)


FILES_OF_LATENTS = {
    "z.npy": lambda place: np.save(place, LATENTS),
    "z.npz": lambda place: np.savez(place, latents=LATENTS),
    "z.pt": lambda place: torch.save(torch.from_numpy(LATENTS), place),
    "z.safetensors": write_tensors,
    "z.nc": write_netcdf,
    "z.zarr": write_zarr,
    "z.parquet": write_columns,
}


@pytest.fixture
def narrow(monkeypatch):
    """Leave a thousand bytes of memory."""
    for module in ("datasets.sources", "foreign.room", "measures.room"):
        monkeypatch.setattr(f"latentgeo.{module}.physical_memory", lambda: 1000)


@pytest.mark.parametrize("name", FILES_OF_IMAGES)
def test_images_in_files(name, tmp_path, narrow):
    FILES_OF_IMAGES[name](tmp_path / name)
    with pytest.raises(InputError, match=r"GiB|room for 1000"):
        load(tmp_path / name, split="all")


@pytest.mark.parametrize("name", IN_MEMORY)
def test_images_in_memory(name, narrow):
    model = latentgeo.wrap(lambda x: x.reshape(len(x), -1)[:, :4], None, image_shape=(1, 8, 8))
    with pytest.raises(InputError, match=f"{COUNT} .* take"):
        latentgeo.analyze(model, data=IN_MEMORY[name](), samples=COUNT, progress=False)


@pytest.mark.parametrize("name", FILES_OF_LATENTS)
def test_latents_in_files(name, tmp_path, narrow):
    FILES_OF_LATENTS[name](tmp_path / name)
    with pytest.raises(InputError, match=r"GiB|room for 1000"):
        latentgeo.analyze_arrays(str(tmp_path / name), samples=COUNT)


def test_latents_in_memory(narrow):
    with pytest.raises(InputError, match=f"{COUNT} latents .* GiB"):
        latentgeo.analyze_arrays(LATENTS, samples=COUNT)
