"""The trusted handle on a sandbox: `batch -> losses, gradients`. There is no second way to run a candidate."""
