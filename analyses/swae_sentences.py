"""Sentences: the stacked Wasserstein autoencoder beside its rivals, on the captions of multi30k.

    python analyses/swae_sentences.py                   # laptop: 3 seeds
    python analyses/swae_sentences.py --scale paper     # all captions, 5 seeds: a GPU
    python analyses/swae_sentences.py --scale smoke     # sentences of a small grammar

All stand on the same nets and see the same sentences as often. What is already there is kept and
what was interrupted goes on, so the same command finishes a study that was cut off.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture
from study_command import run_command
from study_runs import finish_run, for_each
from swae_sentences_tables import gather, to_markdown
from torch import Tensor

from latentgeo.checkpoints import open_checkpoint
from latentgeo.datasets import SentenceDataset, load
from latentgeo.datasets.sentences import to_sentence
from latentgeo.files import write_json, write_text
from latentgeo.metrics import (
    MeanInterval,
    TrigramModel,
    bootstrap_mean,
    exact_match,
    perplexity,
    token_accuracy,
)
from latentgeo.models import (
    Autoencoder,
    add_sentences,
    interpolate_sentences,
    reconstruct_sentences,
    sample_latents,
)
from latentgeo.models.sentences import codes_of, decode_tokens, latents_of
from latentgeo.provenance import provenance
from latentgeo.training import RunFolder

MEASURES = "sentences.json"
_BATCH = 128


@dataclass(frozen=True)
class Scale:
    """How large the study is; all of it is written into its results."""

    seeds: int
    epochs: int
    train_samples: int | None
    samples: int
    data: str | None = "multi30k"
    places: int = 20
    batch_size: int = 64
    learning_rate: float = 2e-3
    test_samples: int = 1000
    components: int = 10
    mixture_samples: int = 5000
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Variant:
    """A model of the study: its recipe and what differs from the recipe's defaults."""

    recipe: str
    options: dict[str, Any] = field(default_factory=dict)


SCALES = {
    "smoke": Scale(
        seeds=2,
        epochs=2,
        train_samples=None,
        samples=40,
        data=None,
        places=10,
        batch_size=32,
        test_samples=20,
        components=2,
        mixture_samples=100,
        options={"width": 16, "heads": 2, "place_width": 4, "latent_dim": 8},
    ),
    "laptop": Scale(seeds=3, epochs=2, train_samples=16_000, samples=5000),
    "paper": Scale(seeds=5, epochs=60, train_samples=None, samples=29_000, mixture_samples=29_000),
}
MODELS = {
    "ae": Variant("cae", {"latent_activation": "linear"}),
    "vae": Variant("vae"),
    "wae-mmd": Variant("wae-mmd", {"prior_weight": 100.0}),
    "wae-gan": Variant("wae-gan", {"prior_weight": 10.0}),
    "swae": Variant("swae", {"stage_dim": 64, "stage_hidden": (256, 256), "prior_weight": 3000.0}),
}

# What the printed interpolations and sums are of.
_WAYS = (
    ("a man in a blue shirt is standing on a ladder .", "two dogs are running in the grass ."),
    ("a little girl is playing in the water .", "a man is riding a bike down the street ."),
)
_SUMS = (
    ("a man is playing a guitar .", "a man is sitting .", "a woman is sitting ."),
    ("a dog runs through the grass .", "a dog is sitting .", "two dogs are sitting ."),
)
_PRINTED = 8


class Texts(NamedTuple):
    """What is trained on, and what is measured on."""

    train: SentenceDataset
    test: SentenceDataset


@dataclass(frozen=True)
class Job:
    """One run."""

    name: str
    seed: int
    scale: Scale
    out: Path
    device: str

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.out / "runs" / f"seed-{self.seed}" / self.name


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 0 when done, 2 for input that cannot be used."""
    return run_command("swae-sentences", __doc__, SCALES, run_study, arguments)


def run_study(scale_name: str, scale: Scale, out: Path, *, workers: int, device: str) -> None:
    """Train every model at every seed, measure each, and set all side by side."""
    start = time.perf_counter()
    texts = texts_of(scale)
    jobs = [
        Job(name, seed, scale, out, device) for seed, name in product(range(scale.seeds), MODELS)
    ]
    for_each(finish, jobs, workers)
    by_model = {name: [_measured(job) for job in jobs if job.name == name] for name in MODELS}
    facts = provenance(
        scale=scale_name,
        **asdict(scale),
        workers=workers,
        models={name: asdict(variant) for name, variant in MODELS.items()},
        data_sha256={part: data.fingerprint for part, data in texts._asdict().items()},
        training_seconds=round(sum(_seconds(job) for job in jobs)),
        seconds_of_this_command=round(time.perf_counter() - start),
    )
    gathered = gather(by_model)
    bounds = real_perplexities(texts, scale)
    found = {"provenance": facts, "models": gathered, "real": bounds, "runs": by_model}
    study = out / "study"
    write_json(study / "study.json", found)
    write_text(study / "study.md", to_markdown(gathered, bounds, by_model, facts))
    print(f"study: {study / 'study.md'}")


def texts_of(scale: Scale) -> Texts:
    """Give the sentences of a scale: of its data set, or made up."""
    if scale.data is None:
        train, test = _made_up(scale)
    else:
        train, test = (load(scale.data, part, size=scale.places) for part in ("train", "test"))
    return Texts(train, test.take(min(scale.test_samples, len(test))))


def finish(job: Job) -> None:
    """Train and measure one run, unless that is done."""
    variant, scale = MODELS[job.name], job.scale
    texts = texts_of(scale)
    settings = {
        "data": texts.train if scale.data is None else scale.data,
        "size": None if scale.data is None else scale.places,
    }
    finish_run(
        variant.recipe,
        job.folder,
        backbone="text",
        options={**scale.options, **variant.options},
        epochs=scale.epochs,
        batch_size=scale.batch_size,
        learning_rate=scale.learning_rate,
        schedule="cosine",
        gradient_clip=5.0,
        train_samples=scale.train_samples,
        seed=job.seed,
        device=job.device,
        progress=False,
        **settings,
    )
    if not (job.folder / MEASURES).exists():
        model = open_checkpoint(job.folder)
        write_json(job.folder / MEASURES, measure(model, texts, scale, job.seed))


def measure(model: Autoencoder, texts: Texts, scale: Scale, seed: int) -> dict[str, Any]:
    """Measure reconstructions and samples of a model, and let it speak.

    Parameters
    ----------
    model : Autoencoder
        Trained.
    texts : Texts
        The sentences.
    scale : Scale
        How many samples are drawn.
    seed : int
        Seeds the draws and the bootstrap.

    Returns
    -------
    dict
        JSON-ready.
    """
    tokens = decode_tokens(model, _draw(model, texts, scale, seed)).numpy()
    codes = ("latent", "code") if model.config.recipe == "swae" else ("latent",)
    return {
        "reconstruction": {code: reconstruction(model, texts.test, code, seed) for code in codes},
        "samples": {
            **perplexities(tokens, texts, seed),
            "distinct": len({tuple(row) for row in tokens.tolist()}) / len(tokens),
        },
        "said": {
            "samples": [to_sentence(row, texts.test.vocabulary) for row in tokens[:_PRINTED]],
            "reconstructions": _reconstructions(model, texts.test, codes[-1]),
            "interpolations": [
                interpolate_sentences(model, *ends, code=code)
                for ends in _ends(texts, scale)
                for code in codes
            ],
            "arithmetic": [
                {
                    "asked": list(asked),
                    "code": code,
                    "said": add_sentences(model, *asked, code=code),
                }
                for asked in _asked(texts, scale)
                for code in codes
            ],
        },
    }


def reconstruction(
    model: Autoencoder, test: SentenceDataset, code: str, seed: int
) -> dict[str, dict[str, float]]:
    """Measure how many tokens, and how many sentences, come back from a code."""
    right, whole = [], []
    for clean, _ in test.batches(_BATCH):
        said = decode(model, latents_of(model, codes_of(model, clean, code), code))
        right.append(token_accuracy(said, clean))
        whole.append(exact_match(said, clean))
    return {
        "token_accuracy": _interval(bootstrap_mean(torch.cat(right).numpy(), seed=seed)),
        "exact_match": _interval(bootstrap_mean(torch.cat(whole).numpy(), seed=seed)),
    }


@torch.no_grad()
def decode(model: Autoencoder, latents: Tensor) -> Tensor:
    """Decode latents to sentences on the CPU."""
    return model.decode(latents).cpu()


def perplexities(tokens: NDArray[Any], texts: Texts, seed: int) -> dict[str, dict[str, float]]:
    """Measure samples by trigrams: those of the samples on real sentences, and the reverse."""
    words = len(texts.test.vocabulary)
    reverse = TrigramModel(words).fit(tokens)
    forward = TrigramModel(words).fit(texts.train.tokens)
    return {
        "reverse_perplexity": _interval(perplexity(reverse, texts.test.tokens, seed=seed)),
        "perplexity": _interval(perplexity(forward, tokens, seed=seed)),
    }


def real_perplexities(texts: Texts, scale: Scale) -> dict[str, dict[str, float]]:
    """Give what as many real sentences reach in the place of samples."""
    count = min(scale.samples, len(texts.train))
    reverse = perplexities(texts.train.take(count, seed=0).tokens, texts, 0)["reverse_perplexity"]
    forward = perplexities(texts.test.tokens, texts, 0)["perplexity"]
    return {"reverse_perplexity": reverse, "perplexity": forward}


def _draw(model: Autoencoder, texts: Texts, scale: Scale, seed: int) -> Tensor:
    """Draw latents of the prior; without one, of a Gaussian mixture fitted to the latents."""
    if model.config.recipe != "cae":
        return sample_latents(model, scale.samples, seed=seed)
    part = texts.train.take(min(scale.mixture_samples, len(texts.train)), seed=seed)
    codes = torch.cat([codes_of(model, images) for images, _ in part.batches(_BATCH)])
    mixture = GaussianMixture(scale.components, reg_covar=1e-4, random_state=seed)
    drawn, _ = mixture.fit(codes.double().numpy()).sample(scale.samples)
    return latents_of(model, torch.from_numpy(drawn).float())


def _reconstructions(model: Autoencoder, test: SentenceDataset, code: str) -> list[list[str]]:
    real = test.sentences()[:_PRINTED]
    back = reconstruct_sentences(model, real, code=code)
    return [list(pair) for pair in zip(real, back, strict=True)]


def _ends(texts: Texts, scale: Scale) -> tuple[tuple[str, str], ...]:
    first, last, *_ = texts.test.sentences()
    return _WAYS if scale.data == "multi30k" else ((first, last),)


def _asked(texts: Texts, scale: Scale) -> tuple[tuple[str, str, str], ...]:
    first, second, third, *_ = texts.test.sentences()
    return _SUMS if scale.data == "multi30k" else ((first, second, third),)


def _made_up(scale: Scale) -> Texts:
    """Make the sentences of a small grammar, of which a fifth is kept for the test."""
    parts = (
        ("a", "the", "one"),
        ("dog", "man", "girl", "horse"),
        ("runs", "sits", "sleeps", "jumps"),
        ("in the", "near the", "on a"),
        ("street .", "field .", "park ."),
    )
    lines = [" ".join(words) for words in product(*parts)]
    everything = SentenceDataset.from_sentences(lines, length=scale.places, name="made-up")
    order = everything.take(len(lines), seed=0)
    held = len(lines) // 5
    return Texts(_slice(order, slice(held, None), "train"), _slice(order, slice(held), "test"))


def _slice(data: SentenceDataset, part: slice, split: str) -> SentenceDataset:
    return replace(data, images=data.images[part], indices=data.indices[part], split=split)


def _measured(job: Job) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((job.folder / MEASURES).read_text(encoding="utf-8"))
    return found


def _seconds(job: Job) -> float:
    text = RunFolder(job.folder).provenance.read_text(encoding="utf-8")
    return float(json.loads(text)["seconds"])


def _interval(found: MeanInterval) -> dict[str, float]:
    return {name: float(value) for name, value in found._asdict().items()}


if __name__ == "__main__":
    sys.exit(main())
