"""The two halves of the wire: what one packs the other reads, byte for byte."""

from __future__ import annotations

import json
import os
import struct

import pytest
from wire_bytes import BATCH, DOUBLE

from harness.core.program import CallPlan, Parameter, Program
from harness.protocol import frames, wire
from harness.sandbox import wire as layout


def through_a_pipe(data: bytes) -> tuple[int, int, bytes]:
    read, write = os.pipe()
    try:
        os.write(write, data)
        os.close(write)
        write = -1
        return layout.read_frame(read)
    finally:
        os.close(read)
        if write != -1:
            os.close(write)


def test_a_request_is_read_as_it_was_written() -> None:
    assert through_a_pipe(frames.pack_frame(layout.EVAL, 0xFFFFFFFF, b"abc")) == (layout.EVAL, 0xFFFFFFFF, b"abc")


@pytest.mark.parametrize("data", [b"", b"HRN1", b"XXXX" + bytes(12), frames.pack_frame(3, 1, b"abc")[:-1]])
def test_the_sandbox_stops_at_a_request_that_is_cut_or_strange(data: bytes) -> None:
    with pytest.raises(EOFError):
        through_a_pipe(data)


def test_a_reply_is_read_as_it_was_written() -> None:
    read, write = os.pipe()
    layout.write_frame(write, layout.ANSWER, 77, b"xyz")
    os.close(write)
    data = os.read(read, 100)
    os.close(read)
    size = frames.HEADER.size
    assert size == layout.HEADER.size == 16
    assert frames.parse_header(data[:size], sequence=77, expected=(layout.ANSWER,)) == (layout.ANSWER, 3)
    assert data[size:] == b"xyz"


def test_the_kinds_and_states_are_told_apart() -> None:
    kinds = [layout.LOAD, layout.START, layout.EVAL, layout.STOP]
    kinds += [layout.READY, layout.LOADED, layout.STARTED, layout.ANSWER, layout.FAULT, layout.ENDED]
    assert len(set(kinds)) == len(kinds)
    assert set(wire.STATUS) == {layout.RAISED, layout.WRONG_OUTPUT, layout.FORBIDDEN}
    assert layout.OK not in wire.STATUS
    assert layout.HAS_ECHO & layout.NO_GRADIENT == layout.NO_GRADIENT & layout.OMITTED == 0


def test_the_sandboxes_complaint_is_the_hosts() -> None:
    packed = layout.complaint("T" * 500, "é" * 9000, 1 << 40)
    got = wire.parse_fault(bytes([layout.FORBIDDEN]) + packed)
    assert got.status == "forbidden"
    assert got.type == "T" * layout.TYPE_CAP
    assert got.message == "é" * (layout.MESSAGE_CAP // 2)
    assert got.line == 0xFFFFFFFF


def test_batches_are_laid_out_as_the_sandbox_reads_them() -> None:
    payload = wire.pack_batches([BATCH, DOUBLE], echo=True, gpu=True, parts=[(1, 2), (3,)])
    assert int.from_bytes(payload[:2], "little") == 2
    at, head = 2, struct.Struct("<BBHIdd")
    for batch, width, code, sizes in ((BATCH, 4, layout.F32, (1, 2)), (DOUBLE, 8, layout.F64, (3,))):
        got_code, flags, zero, pairs, beta, progress = head.unpack_from(payload, at)
        assert (pairs, got_code, zero, beta, progress) == (3, code, 0, 0.1, 0.5)
        assert flags == layout.ECHO | layout.IN_PARTS | layout.ON_GPU
        at += head.size
        for vector in batch.tensors:
            assert payload[at : at + 3 * width] == vector.tobytes()
            at += 3 * width
        assert struct.unpack_from(f"<{1 + len(sizes)}I", payload, at) == (len(sizes), *sizes)
        at += 4 * (1 + len(sizes))
    assert at == len(payload)


def test_what_a_loss_does_not_take_is_not_sent() -> None:
    payload = wire.pack_batches([BATCH], sent=(0, 1, 4))
    head = struct.Struct("<BBHIdd").size
    assert payload[2 + head :] == b"".join(BATCH.tensors[place].tobytes() for place in (0, 1, 4))
    plan = CallPlan("loss", "function", ("reference_chosen_logps",), (("n", "rejected_lengths"),))
    program = Program("", guarded=True, plan=plan, name="", source="")
    document = json.loads(wire.pack_program(program))
    # The policy's, since their gradients are asked, and those that it takes.
    assert program.sent == (0, 1, 2, 5)
    assert [name for name, *_ in document["tensors"]] == [BATCH.contract.tensors[place].name for place in program.sent]


def test_a_request_holds_one_batch_or_more_and_not_too_many() -> None:
    for batches in ([], [plain_one] * 65536):
        with pytest.raises(ValueError, match="batches"):
            wire.pack_batches(batches)


plain_one = BATCH.take([0])


def test_the_program_crosses_as_json_that_names_nothing_of_the_host() -> None:
    plan = CallPlan("loss", "function", ("policy_chosen_logps",), (("b", "beta"),))
    program = Program("def loss(): ...", guarded=True, plan=plan, name="a name", source="the source", lines=(1,))
    document = json.loads(wire.pack_program(program))
    called = {"text", "guarded", "entry", "dialect", "positional", "keyword", "constants", "lifetime"}
    assert set(document) == called | {"dimensions", "scalars", "tensors"}
    assert document["scalars"] == ["beta", "progress"]
    assert document["tensors"][0] == ["policy_chosen_logps", [0], False, True]
    assert document["keyword"] == [["b", "beta"]]
    assert document["guarded"] is True
    assert document["constants"] == {}


def test_the_values_of_declared_parameters_cross_to_the_bit() -> None:
    plan = CallPlan("loss", "function", ("policy_chosen_logps",), parameters=(Parameter("tau", 0.1, 0.9),))
    program = Program("def loss(): ...", guarded=True, plan=plan, name="a name", source="the source")
    for value in (0.1, 0.30000000000000004, 0.9):
        assert json.loads(wire.pack_program(program.at({"tau": value})))["constants"] == {"tau": value}
    assert json.loads(wire.pack_program(program))["constants"] == {"tau": 0.5}
