"""The models of the study of latent spaces, on one net, and what controls them."""

from study import Model

MODELS = {"cae": Model("cae"), "dae": Model("dae"), "vae": Model("vae")}
CONTROLS = {
    # Without the last ReLU no latent value is cut off at zero: does that decide the ranks?
    "cae-linear": Model("cae", {"latent_activation": "linear"}),
    # The paper's VAE reconstructs as well as its CAE: does a weak divergence decide that?
    "vae-weak": Model("vae", {"kl_weight": 0.01, "kl_warmup": 0.0}),
}
ALL_MODELS = {
    **MODELS,
    # A latent tensor has more numbers than the images have dimensions, so that no encoder without
    # noise makes it follow the prior; without the norm it would shrink. Nor can a batch tell the
    # covariance that the encoder would first be trained to match.
    "aae": Model("aae", {"latent_norm": True}),
    "wae-mmd": Model("wae-mmd", {"latent_norm": True, "pretrain_steps": 0}),
    "wae-gan": Model("wae-gan", {"latent_norm": True, "pretrain_steps": 0}),
    "swae": Model("swae"),
}
ALL_CONTROLS = {
    **CONTROLS,
    # What the adversarial and Wasserstein ones are without their prior.
    "cae-squared": Model("cae", {"latent_activation": "linear", "likelihood": "squared"}),
}
#: What the decoder's output means, by backbone: the recipe's own, or a squared error.
LIKELIHOODS: dict[str, dict[str, str]] = {"sctc": {}, "maxpool": {"likelihood": "gaussian"}}
#: What each is but for its own term, and so beside which it is set; the others beside "cae".
CONTROL_OF = dict.fromkeys(("aae", "wae-mmd", "wae-gan", "swae"), "cae-squared")
