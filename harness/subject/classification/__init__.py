"""The supervised contract, `loss(logits, targets)`, told in the words of the preference wire.

Sandbox and oracle know one kind of batch. So N examples of C classes cross the wire as N C "pairs" (`batch`), and the
program that the sandbox gets has a few lines of ours behind the candidate's, which turn them back (`adapter`).
`classifier` is the handle that the properties ask, `facts` what is told of an accepted loss.
"""
