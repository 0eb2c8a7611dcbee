"""Language models: asking one, what that costs, keeping what it said, and quoting it.

`endpoint` is the only place that speaks to one. Who asks is elsewhere: `llm_judge` for verdicts on answers, `discover`
for losses.
"""
