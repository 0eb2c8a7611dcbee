"""Where workers run: on this host, or on the machines of a Ray cluster."""
