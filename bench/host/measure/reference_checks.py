"""What each cell of a round computed, held against the reference on its runtime: a cell that differs has diverged."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from bench.host.measure.cell import CellState
from bench.host.measure.plan import Plan
from bench.host.measure.probe import Probe
from bench.host.results import parity
from bench.host.results.parity import Finding
from bench.host.results.records import Cell
from bench.host.system.progress import Progress


class ReferenceChecks:
    """The checks of one round. ``states``: its cells as far as they have come, filled by the round.

    ``reference_cells``: references of an earlier round, for cells whose reference is not in this one.
    """

    def __init__(
        self,
        plan: Plan,
        states: Mapping[Cell, CellState],
        reference_cells: Mapping[Cell, CellState],
        progress: Progress,
    ) -> None:
        self.plan, self.states, self.reference_cells, self.progress = plan, states, reference_cells, progress

    def check_gradients(self, runtime: str) -> None:
        """The gradients of the first document on a runtime, before any step."""
        self._against_reference(
            [cell for cell in self._alive() if cell[1] == runtime],
            lambda reference, state: parity.compare_gradients(
                parity.unpack(reference.started["gradients"]),
                parity.unpack(state.started["gradients"]),
                reference.started["shapes"],
            ),
        )

    def check_lead(self, step: int) -> None:
        """The losses of the last of the steps that lead in, which is this one of the training run."""
        self._against_reference(
            self._alive(),
            lambda reference, state: parity.compare_losses(
                reference.leads[len(state.leads) - 1 :][:1], state.leads[-1:], first_step=step
            ),
        )

    def check_losses(self, turn: int, probe: Probe | None) -> None:
        """A turn's losses, those of its repeats that are probed, and the validation loss where it is due."""
        step = self.plan.settings.numbers[turn - 1]
        self._against_reference(
            self._alive(),
            lambda reference, state: parity.compare_losses(
                reference.losses[turn - 1 : turn], state.losses[turn - 1 : turn], first_step=step
            ),
        )
        if probe is not None:
            self._check_repeats(step, probe)
        if step % (self.plan.config.get("validate_every") or step + 1) == 0:
            self._against_reference(
                self._alive(),
                lambda reference, state: parity.compare_losses(
                    reference.validations[-1:], state.validations[-1:], first_step=step
                ),
            )

    def _check_repeats(self, step: int, probe: Probe) -> None:
        """Each repeat's loss comes of all the work of those before it in its chain."""

        def compare(reference: CellState, state: CellState) -> Finding:
            expected, repeated = probe.of(reference.repeated, True), probe.of(state.repeated, False)
            finding = parity.compare_losses(expected[: len(repeated)], repeated, first_step=step)
            reason = finding.reason and f"in a repeat of it on other documents, {finding.reason}"
            return dataclasses.replace(finding, first_step=None, reason=reason)

        references = self.references()
        cells = [cell for cell in self._alive() if cell[0] not in references]
        self._against_reference([cell for cell in cells if probe.of(self.states[cell].repeated, False)], compare)

    def check_parameters(self, step: int) -> None:
        """The weights as they were told last, after this step."""
        what = "final parameters" if step == self.plan.settings.numbers[-1] else f"parameters after step {step}"
        self._against_reference(
            self._alive(),
            lambda reference, state: parity.compare_parameters(
                parity.unpack(reference.weights[len(state.weights) - 1]), parity.unpack(state.weights[-1]), what
            ),
        )

    def check_samples(self) -> None:
        """Each cell's probabilities at the places of the reference's samples."""
        self._against_reference(
            [cell for cell in self._alive() if "along" in self.states[cell].drawn],
            lambda reference, state: parity.compare_samples(
                reference.drawn,
                state.drawn,
                vocabulary=reference.started["shapes"]["wte"][0],
                block_size=reference.started["shapes"]["wpe"][0],
            ),
        )

    def reference(self, cell: Cell) -> CellState | None:
        """The reference that a cell is held against: of this round, or of the one in which references were measured."""
        key = (self.plan.engines[cell[0]].reference, cell[1])
        return self.states.get(key, self.reference_cells.get(key))

    def references(self) -> set[str]:
        """The rows that others are proven by."""
        return {subject.reference for subject in self.plan.engines.values()}

    def _against_reference(self, cells: list[Cell], compare: Callable[[CellState, CellState], Finding]) -> None:
        """Judge each cell against the reference on its runtime; without one, nothing can be proven."""
        for cell in cells:
            state, reference = self.states[cell], self.reference(cell)
            if reference is None or reference.status not in ("ok", "diverged"):
                state.end("failed", "no reference to compare with on this runtime")
            else:
                state.judge(compare(reference, state))
                if state.status == "diverged":
                    self.progress.say(f"{cell[0]} on {cell[1]} DIVERGED: {state.reason}")

    def _alive(self) -> list[Cell]:
        return [cell for cell, state in self.states.items() if state.status == "ok"]
