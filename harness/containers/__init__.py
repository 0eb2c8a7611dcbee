"""The container engine: finding it, asking it for containers, and holding them to what was asked."""
