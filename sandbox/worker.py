"""One fork: load the candidate, answer batches with values and gradients.

Covered: calling the candidate as its call plan says, gradients of the weighted sum of its values with
respect to the tensors that are differentiated, raw bytes out. Not covered: trust. The candidate shares this
process and can change all of it; the host judges nothing but the numbers, and checks them against each
other.
"""

from __future__ import annotations

import ctypes
import math
import struct
from typing import Any

import torch

from . import guards, wire

_DTYPES = {wire.F32: torch.float32, wire.F64: torch.float64}
_CODES = {torch.float32: wire.F32, torch.float64: wire.F64}
_FILENAME = "<candidate>"
_COUNT = struct.Struct("<I")
_BACKWARD = torch.autograd.Variable._execution_engine.run_backward  # noqa: SLF001 - see _pack


class _Self:
    """What DiscoPOP's method dialect gets as `self`: beta, and nothing else that means anything."""

    def __init__(self) -> None:
        self.beta = 0.05


class _WrongOutputError(Exception):
    """The candidate returned something that is no floating-point tensor."""


def work(requests: int, replies: int, program: dict[str, Any], sequence: int) -> None:
    """Load the program, say so, and answer EVAL frames until STOP."""
    try:
        call = _Loaded(program)
    except BaseException as error:  # noqa: BLE001 - the candidate may raise anything, SystemExit included
        wire.write_frame(replies, wire.FAULT, sequence, bytes([_status(error)]) + _complain(error))
        return
    wire.write_frame(replies, wire.STARTED, sequence)
    while True:
        kind, sequence, payload = wire.read_frame(requests)
        if kind != wire.EVAL:
            return
        wire.write_frame(replies, wire.ANSWER, sequence, _answer(call, memoryview(payload)))


class _Loaded:
    """The loss of a program, called with the arguments of its contract; and what a batch of that contract consists of.

    The text is compiled and run when this is made.
    """

    def __init__(self, program: dict[str, Any]) -> None:
        namespace = guards.namespace(program["guarded"])
        exec(compile(program["text"], _FILENAME, "exec", dont_inherit=True), namespace)  # noqa: S102 - the sandbox
        self._function: Any = namespace[program["entry"]]
        self._positional, self._keyword = program["positional"], program["keyword"]
        self._constants: dict[str, float] = program.get("constants", {})
        self._method = _Self() if program["dialect"] == "method" else None
        #: How many dimensions there are, the numbers' names, and for each tensor: its name, which dimensions it has,
        #: whether it holds whole numbers, and whether it is differentiated.
        self.dimensions: int = program["dimensions"]
        self.scalars: list[str] = program["scalars"]
        self.tensors: list[tuple[str, list[int], bool, bool]] = program["tensors"]
        self.head = wire.batch_struct(self.dimensions, len(self.scalars))

    def __call__(self, arguments: dict[str, Any]) -> Any:
        """What the candidate returns."""
        args = [arguments[name] for name in self._positional]
        if self._method is not None:
            self._method.beta = arguments["beta"]
            args.insert(0, self._method)
        return self._function(*args, **{own: arguments[name] for own, name in self._keyword}, **self._constants)


def _answer(call: _Loaded, payload: memoryview) -> bytes:
    out = []
    offset = 2
    for _ in range(int.from_bytes(payload[:2], "little")):
        answer, offset = _one(call, payload, offset)
        out.append(answer)
    return b"".join(out)


def _one(call: _Loaded, payload: memoryview, offset: int) -> tuple[bytes, int]:
    """Answer one batch; give the answer and the offset of the next batch."""
    code, flags, _, *numbers = call.head.unpack_from(payload, offset)
    offset += call.head.size
    sizes = numbers[: call.dimensions]
    device = "cuda" if flags & wire.ON_GPU else "cpu"

    def tensor(shape: list[int], dtype: torch.dtype) -> torch.Tensor:
        nonlocal offset
        begin, offset = offset, offset + math.prod(shape) * dtype.itemsize
        flat = torch.frombuffer(bytearray(payload[begin:offset]), dtype=dtype)
        whole = flat if len(shape) == 1 else flat.view(shape)
        return whole.to(device) if device == "cuda" else whole

    arguments: dict[str, Any] = dict(zip(call.scalars, numbers[call.dimensions :], strict=True))
    given, leaves = [], []
    for name, dimensions, whole, differentiated in call.tensors:
        value = tensor([sizes[d] for d in dimensions], torch.int64 if whole else _DTYPES[code])
        if differentiated:
            # As in training, what is differentiated is the result of a computation, and no leaf of the graph.
            leaves.append(value.requires_grad_())
            value = value.clone()
        given.append(value)
        arguments[name] = value
    weights = None
    if flags & wire.IN_PARTS:
        (count,) = _COUNT.unpack_from(payload, offset)
        offset += _COUNT.size
        rows = tensor([count], torch.int32)
        weights = rows.double().reciprocal_().to(_DTYPES[code]).repeat_interleave(rows)
    try:
        output = call(arguments)
        answer = _pack(output, sizes[0], leaves, weights)
    except BaseException as error:  # noqa: BLE001 - see work()
        return bytes([_status(error)]) + _complain(error), offset
    if flags & wire.ECHO:
        answer = answer[:3] + bytes([answer[3] | wire.HAS_ECHO]) + answer[4:] + b"".join(map(_raw, given))
    return answer, offset


def _pack(output: Any, rows: int, leaves: list[torch.Tensor], weights: torch.Tensor | None) -> bytes:
    """Pack shape, values and gradients."""
    if type(output) is not torch.Tensor:
        raise _WrongOutputError(f"it returned {_described(output)}, not a torch.Tensor")
    if output.dtype not in _CODES:
        raise _WrongOutputError(f"it returned a tensor of {str(output.dtype).removeprefix('torch.')}")
    shape, count = tuple(output.shape), output.numel()
    if len(shape) > wire.MAX_DIMENSIONS:
        raise _WrongOutputError(f"it returned a tensor of {len(shape)} dimensions")
    sizes = b"".join(min(n, 0xFFFFFFFF).to_bytes(4, "little") for n in shape)
    code = _CODES[output.dtype]
    if shape not in {(), (rows,)}:
        return wire.RESULT.pack(wire.OK, len(shape), code, wire.OMITTED, 0) + sizes
    gradients: list[torch.Tensor | None] = [None] * len(leaves)
    if output.requires_grad:
        # The engine itself: `torch.autograd.grad` with weights imports the whole of symbolic shapes at its first use.
        scale = torch.ones_like(output) if shape == () else _weights(output, weights)
        gradients = list(_BACKWARD((output,), (scale,), False, False, tuple(leaves), True, accumulate_grad=False))  # noqa: FBT003 - keep the graph, create a graph; then unused leaves are allowed
    # By identity: a comparison of a tensor with None takes as long as the backward pass.
    flags = wire.NO_GRADIENT if all(g is None for g in gradients) else 0
    head = wire.RESULT.pack(wire.OK, len(shape), code, flags, count) + sizes
    filled = [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(gradients, leaves, strict=True)]
    return head + _raw(output) + b"".join(map(_raw, filled))


def _described(output: Any) -> str:
    """What stands in the place of a tensor: its type, and for a few usual ones what is in it."""
    kind = type(output)
    if kind is not tuple and kind is not list:
        return "None" if output is None else kind.__name__
    inside = {type(part).__name__ for part in output}
    return f"a {kind.__name__} of {len(output)} ({', '.join(sorted(inside))})"


def _weights(output: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
    return torch.full_like(output, 1.0 / output.numel()) if weights is None else weights.to(output.dtype)


def _raw(tensor: torch.Tensor) -> bytes:
    flat = tensor if tensor.is_cpu and tensor.is_contiguous() else tensor.detach().cpu().contiguous()
    return ctypes.string_at(flat.data_ptr(), flat.nbytes)


def _status(error: BaseException) -> int:
    if isinstance(error, _WrongOutputError):
        return wire.WRONG_OUTPUT
    return wire.FORBIDDEN if isinstance(error, guards.Forbidden) else wire.RAISED


def _complain(error: BaseException) -> bytes:
    line, frame = 0, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == _FILENAME:
            line = frame.tb_lineno
        frame = frame.tb_next
    if isinstance(error, SyntaxError) and error.lineno:
        line = error.lineno
    try:
        message = str(error)
    except BaseException:  # noqa: BLE001 - its own __str__ may raise
        message = "(its text cannot be shown)"
    return wire.complaint(type(error).__name__, message, line)
