"""Language models: asking one, what that costs, keeping what it said, and quoting it."""
