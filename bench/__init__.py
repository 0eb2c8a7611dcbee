"""Every number about speed that the documentation states, as a script: see README.md in this folder."""
