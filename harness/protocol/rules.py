"""The rules of the wire: what is found when a candidate is loaded and called in its sandbox.

These faults can end a check at any moment, whichever property was being tested.
"""

from __future__ import annotations

from harness.core.rules import Rule
from harness.core.verdict import Severity

RAISED_ON_LOAD = Rule(
    id="W201",
    name="fails-to-load",
    severity=Severity.ERROR,
    summary="The candidate raises an exception while it is loaded.",
    why="Everything outside the functions runs once, before the first call. When that fails there is no "
    "function to ask. Most often a name is misspelt, or a constant is computed from arguments that do not "
    "exist yet.",
    fix="Move the computation into the loss function, and check the names that the top level uses.",
    before="SCALE = 1.0 / beta  # beta is an argument: it is not known here\ndef loss(pc, pr, rc, rr, beta): ...",
    after="def loss(pc, pr, rc, rr, beta):\n    scale = 1.0 / beta",
)
RAISED_ON_CALL = Rule(
    id="W202",
    name="raises",
    severity=Severity.ERROR,
    summary="The loss raises an exception on ordinary input.",
    why="A trainer that meets an exception stops, and the hours before it are lost. Every batch of four "
    "vectors of equal length is ordinary input, whatever its size: the last batch of an epoch is often "
    "shorter than the others.",
    fix="Make the function work for the printed batch, and assume nothing about the batch size.",
    before="weights = torch.linspace(0.5, 1.0, 10)  # ten pairs, always?\nreturn -weights * F.logsigmoid(beta * rho)",
    after="weights = torch.linspace(0.5, 1.0, rho.shape[0])\nreturn -weights * F.logsigmoid(beta * rho)",
)
TIME_LIMIT = Rule(
    id="W203",
    name="time-limit",
    severity=Severity.ERROR,
    summary="The candidate does not answer in time.",
    why="A loss is called at every step of a training run. One that loops without an end, or whose work "
    "grows with the values it is given, stalls the run; the sandbox is killed from outside when its time "
    "is up.",
    fix="Replace loops over values or pairs by tensor operations, and give every loop a fixed, small bound.",
    before="while x.abs().max() > 1:\n    x = x * 0.999999",
    after="x = x / x.abs().clamp(min=1.0)",
)
MEMORY_LIMIT = Rule(
    id="W204",
    name="memory-limit",
    severity=Severity.ERROR,
    summary="The candidate uses more memory than the sandbox has.",
    why="A loss of B pairs needs a few vectors of B numbers. A table, or a product over all pairs of a large "
    "batch, takes the memory that the model needs.",
    fix="Keep intermediate results at a size proportional to the batch.",
    before="grid = torch.linspace(-50, 50, 10**9)\nreturn torch.interp(rho, grid, f(grid))",
    after="return f(rho)",
)
SANDBOX_DIED = Rule(
    id="W205",
    name="sandbox-died",
    severity=Severity.ERROR,
    summary="The candidate exits, crashes or kills the process that it runs in.",
    why="A process that ends gives no answer, and no answer is never taken for a good one. In a trainer the "
    "same call would end the training run.",
    fix="Return a tensor on every path, and call nothing that ends the process.",
    before="if rho.isnan().any():\n    sys.exit(0)",
    after="# nothing: keep the values finite, and return them",
)
FORGED_ANSWER = Rule(
    id="W206",
    name="forged-answer",
    severity=Severity.ERROR,
    summary="The sandbox answers with bytes that are no valid frame.",
    why="Answers cross a pipe as frames with a fixed layout, and the trusted side checks every one. Bytes "
    "that break the layout can only come from code that found the pipe and wrote to it.",
    fix="Return the values from the function, and write to no file descriptor.",
    before='os.write(1, b"accepted")',
    after="return -F.logsigmoid(beta * rho)",
)
OUTPUT_FLOOD = Rule(
    id="W207",
    name="output-flood",
    severity=Severity.ERROR,
    summary="The candidate prints more than the sandbox keeps.",
    why="A loss is called thousands of times. What it prints each time fills logs and disks, and slows the "
    "training down.",
    fix="Remove the print statements.",
    before="while True:\n    print(rho)",
    after="return -F.logsigmoid(beta * rho)",
)
FORBIDDEN_OPERATION = Rule(
    id="W208",
    name="forbidden-operation",
    severity=Severity.ERROR,
    summary="The candidate tries an operation at run time that the policy refuses.",
    why="Some ways out of the restricted subset show only when the code runs: an attribute reached through a "
    "format string, a name built from pieces. The guards inside the sandbox refuse them, and the container "
    "stands behind the guards.",
    fix="Use plain tensor operations in place of the named one.",
    before='"{0.__class__}".format(pc)',
    after="beta * rho",
)
WRONG_OUTPUT = Rule(
    id="W209",
    name="wrong-output",
    severity=Severity.ERROR,
    summary="The loss returns something that is no floating-point tensor.",
    why="A trainer calls backward() on the result, so it has to be one tensor of real floating-point numbers "
    "that depends on the inputs. Tuples, Python numbers, integers and None cannot be trained with.",
    fix="Return one floating-point tensor: a value per pair, of shape (B,), or one scalar.",
    before="return loss, {'margin': rho.mean()}",
    after="return loss",
)
ANSWERS_CHANGED = Rule(
    id="W210",
    name="answers-changed",
    severity=Severity.ERROR,
    summary="The loss answers a batch of its training differently when it is asked again later.",
    why="While a policy is trained, batches from earlier steps are asked once more. A loss whose answers have "
    "changed by then keeps a memory that the properties did not find, or waits for the training to show itself: "
    "what was judged is not what was trained with.",
    fix="Let the answer depend on the arguments alone; what has to change during training follows `progress`.",
    before="CALLS.append(1)\nscale = 1.0 if len(CALLS) < 10_000 else -1.0",
    after="scale = 1.0 - 0.5 * progress",
)

WIRE_RULES: tuple[Rule, ...] = (
    RAISED_ON_LOAD,
    RAISED_ON_CALL,
    TIME_LIMIT,
    MEMORY_LIMIT,
    SANDBOX_DIED,
    FORGED_ANSWER,
    OUTPUT_FLOOD,
    FORBIDDEN_OPERATION,
    WRONG_OUTPUT,
    ANSWERS_CHANGED,
)
