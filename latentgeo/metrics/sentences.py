"""How many words of sentences come back."""

from torch import Tensor


def token_accuracy(images: Tensor, clean: Tensor) -> Tensor:
    """Return the share of each sentence's tokens that are likeliest where they should be.

    Higher is better, 1 is best. Words and the end token count, blank places do not. It is no
    metric. It does not change under an increasing function of all channels of a place.

    Parameters
    ----------
    images : torch.Tensor of shape (b, V, T, 1)
        What a model makes of sentences: probabilities or logits of each word at each place.
    clean : torch.Tensor of shape (b, V, T, 1)
        The sentences, one-hot, 0 where blank.

    Returns
    -------
    torch.Tensor of shape (b,)
        float64, in [0, 1].

    Raises
    ------
    ValueError
        When the shapes differ, or a sentence is blank altogether.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import token_accuracy
    >>> clean = torch.eye(4)[[0, 2, 1]].T[None, :, :, None]
    >>> token_accuracy(clean, clean)
    tensor([1.], dtype=torch.float64)
    """
    right, there = _right(images, clean)
    return right.sum(dim=1).double() / there.sum(dim=1)


def exact_match(images: Tensor, clean: Tensor) -> Tensor:
    """Mark of which sentences every token comes back: 1 or 0; see `token_accuracy`.

    Takes and raises what `token_accuracy` does.

    Returns
    -------
    torch.Tensor of shape (b,)
        float64, 0 or 1; the mean is the share of sentences that come back whole.

    Examples
    --------
    >>> import torch
    >>> from latentgeo.metrics import exact_match
    >>> clean = torch.eye(4)[[0, 2, 1]].T[None, :, :, None]
    >>> exact_match(clean, clean)
    tensor([1.], dtype=torch.float64)
    """
    right, there = _right(images, clean)
    return (right == there).all(dim=1).double()


def _right(images: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
    if images.shape != clean.shape or images.ndim != 4 or images.shape[3] != 1:
        raise ValueError(
            f"images and clean have shapes {tuple(images.shape)} and {tuple(clean.shape)}, "
            "expected one shape (b, V, T, 1)"
        )
    tokens, there = clean[..., 0].argmax(dim=1), clean[..., 0].amax(dim=1) > 0
    if not there.any(dim=1).all():
        raise ValueError("a sentence of clean is blank, expected at least one token in each")
    return (images[..., 0].argmax(dim=1) == tokens) & there, there
