"""The pairs of runs that answer ACAI's open questions: they differ in the critic alone."""

from measures.questions import digits_as_vectors
from measures.questions_tables import QUESTIONS
from study import Facts, Model, Run, train_settings

SAMPLES, TABULAR = QUESTIONS
MODELS = {SAMPLES: Model("vae"), TABULAR: Model("cae")}


def settings(run: Run) -> Facts:
    """Return the settings of training."""
    if run.group == SAMPLES:
        more: Facts = {"backbone": "acai"}
    else:
        more = {
            "backbone": "mlp",
            "data": digits_as_vectors("train"),
            "train_samples": None,
            "epochs": run.scale.vector_epochs,
        }
    options = _nets(run) | (_critic(run) if run.name == "with" else {})
    return train_settings(run, schedule="cosine", options=options) | more


def _nets(run: Run) -> Facts:
    scale = run.scale
    if run.group == SAMPLES:
        nets = {"depth": scale.depth, "latent_channels": scale.latent_channels}
        return nets | {"head": "dense", "kl_warmup": 0.0}
    nets = {"hidden": scale.vector_hidden, "latent_dim": scale.vector_latent}
    return nets | {"latent_activation": "linear", "likelihood": "squared-signed"}


def _critic(run: Run) -> Facts:
    """Return the options of the critic, as the paper has them."""
    scale = run.scale
    depth = scale.depth if run.group == SAMPLES else scale.vector_critic_depth
    weight, rate = scale.critic_weight, scale.learning_rate
    return {"critic_weight": weight, "critic_depth": depth, "critic_rate": rate}
