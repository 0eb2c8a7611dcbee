"""The supervised rung: a network for images learns classes with the candidate, and is scored on images it never saw.

The embedded task is scikit-learn's digits with two layers of convolutions, seconds on a CPU. The paper's case study
(arXiv 2406.08414) is the same code with other settings: CIFAR-10, ResNet-18, five epochs, on files of the user's.
"""
