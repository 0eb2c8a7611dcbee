"""The search in the other contract: what a proposer is told of it, what it begins with, and ways to ask."""

from __future__ import annotations

#: What such losses are for, for the first sentence of a conversation.
PURPOSE = "classifying images"
WORDS = """The loss is a plain Python function:

def loss(logits, targets):
    ...

- logits has shape (N, C): what the network says of N examples and C classes, before any softmax. targets has shape \
(N,): the number of each example's right class, whole numbers from 0 to C - 1.
- It returns N values, one for each example, or their mean. Smaller is better, and gradients flow into the logits.
- torch, F (torch.nn.functional) and math are there. No files, no randomness, no state, no device names, no hooks.
- Values and gradients have to be finite for logits from -100 to 100, ties and certainty included: use F.log_softmax \
and torch.logsumexp in place of log and exp, and torch.where on arguments that are safe on both sides.
- It has to depend on all logits and on the targets, push the right class up where all logits are equal, and be \
smaller where the network is sure and right than where it is sure and wrong. Examples and classes have no order.
- It works for any N and C. It need not be convex or pointwise; floats are constants in the body."""
#: The losses that a search begins with, the baseline first.
BURN_IN = ("cross_entropy", "label_smoothing", "squared_error")
#: As `templates.TEMPLATES`, where the words of the preference contract would make no sense.
TEMPLATES = {
    "bold": (
        "Propose a loss of a kind that is not in the list above: another function of the probabilities, margins "
        "between the right class and the others, or a statistic of the batch. A small change of a known loss is of no "
        "use here."
    ),
    "refine": (
        "Take the best loss above and change one thing about it that its numbers show to be wrong: how it treats what "
        "is right already, what is surely wrong, or how sure it wants the network to be. Name it as parent."
    ),
    "diagnose": (
        "Look at the numbers first: does the best loss fit the images that it learns from and fail on others, or does "
        "it not even fit those? Then propose a loss against that weakness."
    ),
}
