"""What images are made of; a package so that it is found wherever the harness is installed."""
