"""Time to solve the DSOs' optimisation problems of one gate in other processes.

The operator states that the DSOs' blocks read at every gate of one ISP are recorded, and the blocks are run
on them again: in this process, and in worker processes that get the states pickled and return pickled
results.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from tandem_sim.experiments.studies.scaling.scale_world import WorldSize, opened
from tandem_sim.markets.coordination.block import Block, Party, View, Written
from tandem_sim.markets.schemes import SCHEMES
from tandem_sim.sim.scenario.sections import GateSettings

WORKERS = 2
REPEATS = 15
ISP = 52
"""The ISP whose programmes are measured: 13:00 local time, PV at work."""


@dataclass(frozen=True)
class BlockJob:
    """One problem of one DSO: scheme, number of the block, system, and the state that the block may read."""

    scheme: str
    block: int
    system: str
    view: View

    def solved(self) -> Written:
        """What the block writes."""
        return SCHEMES[self.scheme].blocks[self.block](self.system, self.view)

    def received(self) -> str:
        """No work: the time to send the job and its result."""
        return self.system


@dataclass(frozen=True, kw_only=True)
class Watched(Block):
    """A block that records its inputs as jobs, by gate."""

    block: Block
    scheme: str
    number: int
    jobs: dict[str, list[BlockJob]]

    @property
    def party(self) -> Party:
        """The party of the block."""
        return self.block.party

    @property
    def reads(self) -> tuple[str, ...]:
        """What the block reads."""
        return self.block.reads

    @property
    def writes(self) -> tuple[str, ...]:
        """What the block writes."""
        return self.block.writes

    def __call__(self, system: str, view: View) -> Written:
        """Record the input, and run the block."""
        self.jobs.setdefault(self.gate, []).append(BlockJob(self.scheme, self.number, system, view))
        return self.block(system, view)


def jobs_of(folder: Path, point: WorldSize, isp: int) -> dict[str, list[BlockJob]]:
    """Inputs of the DSOs' blocks for an ISP, by gate. The model runs until the gate of prequalification."""
    jobs: dict[str, list[BlockJob]] = {}
    with opened(folder, point) as (model, _):
        scheme = model.tso.scheme
        watched = tuple(
            Watched(name=block.name, gate=block.gate, block=block, scheme=scheme.name, number=k, jobs=jobs)
            for k, block in enumerate(scheme.blocks)
        )
        second, gates = model.calendar.seconds(isp), GateSettings()
        model.run_to(second - int(60 * gates.dso_clear), "dso_clear")
        for dso in model.dsos:
            dso.scheme = replace(scheme, steps=watched)
        model.run_through(second - int(60 * gates.prequalify))
        model.recorder.close()
    return jobs


def _ms(action: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    """Median of warm repetitions, ms of processor time unless `clock` is another."""
    action()
    times = []
    for _ in range(REPEATS):
        begin = clock()
        action()
        times.append(1000.0 * (clock() - begin))
    return median(times)


def compared(gate: str, jobs: Sequence[BlockJob], pool: Executor) -> dict[str, Any]:
    """A row for one gate: per problem the time to solve it, and to send it and its result; all in ms, kB.

    ``here``, ``pool`` and ``sent`` are elapsed times of all programmes together: solved one after the other,
    solved by the workers, and only sent to them. `break_even_ms` is the work of a programme from which on
    `WORKERS` save time: where what they save, ``work (1 - 1 / WORKERS)``, is what sending takes.
    """
    n = len(jobs)
    answers = [job.solved() for job in jobs]
    sent, back = ([pickle.dumps(x, protocol=5) for x in many] for many in (jobs, answers))
    work = _ms(lambda: [job.solved() for job in jobs]) / n
    pack, unpack = (
        _ms(lambda: [pickle.dumps(j, protocol=5) for j in jobs]) / n,
        _ms(lambda: [pickle.loads(b) for b in sent]) / n,
    )
    pack_answer, unpack_answer = (
        _ms(lambda: [pickle.dumps(a, protocol=5) for a in answers]) / n,
        _ms(lambda: [pickle.loads(b) for b in back]) / n,
    )
    by = partial(pool.map, chunksize=-(-n // WORKERS))
    sending = _ms(lambda: list(by(BlockJob.received, jobs)), time.perf_counter)
    return {
        "gate": gate,
        "programmes": n,
        "work_ms": work,
        "pickle_ms": pack,
        "unpickle_ms": unpack,
        "pickle_answer_ms": pack_answer,
        "unpickle_answer_ms": unpack_answer,
        "sent_kb": sum(map(len, sent)) / n / 1000.0,
        "answer_kb": sum(map(len, back)) / n / 1000.0,
        "here_ms": _ms(lambda: [job.solved() for job in jobs], time.perf_counter),
        "pool_ms": _ms(lambda: list(by(BlockJob.solved, jobs)), time.perf_counter),
        "sent_ms": sending,
        "break_even_ms": sending / n / (1.0 - 1.0 / WORKERS),
    }


def problems(folder: Path, point: WorldSize, isp: int = ISP) -> list[dict[str, Any]]:
    """A row per gate of one ISP of a world."""
    jobs = jobs_of(folder, point, isp)
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        return [
            {"load_scale": point.load_scale, **compared(gate, batch, pool)} for gate, batch in jobs.items()
        ]
