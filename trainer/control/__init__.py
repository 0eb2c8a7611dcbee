"""Rung 2: offline preference learning on control tasks (the MuJoCo suite of arXiv 2411.06568).

A reference policy follows a mediocre controller. Pairs of trajectories from the same start are ranked by their true
returns, and the policy is trained on them with the candidate, from the reference on. Its score is its return, between
the reference's (0) and an expert's (1). Each data seed is trained on several preference sets and at several betas.
"""
