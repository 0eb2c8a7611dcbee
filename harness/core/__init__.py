"""What everything stands on: verdicts, errors, contracts, rules, profiles, files. It imports nothing above it."""
