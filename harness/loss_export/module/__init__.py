"""A loss that the harness promoted. Read README.md first: importing it runs a candidate's own code in this process."""
