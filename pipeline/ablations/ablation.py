"""Reruns parts of table 2: every distinct cell is trained once for each seed."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from components.retrieval_evaluator import evaluation
from components.retrieval_evaluator.frame_clips import FrameClips
from pipeline.ablations import parallel
from pipeline.ablations.data import ClipSet
from pipeline.ablations.tables import Cell, Table
from pipeline.ablations.trials import Measurement, Trials
from pipeline.configs import Preset
from pipeline.studies.study import Comparison, Row, Study


class Ablation:
    """Tables of one preset, measured with the same trials."""

    def __init__(
        self,
        tables: Sequence[Table],
        preset: Preset,
        trials: Trials,
        num_seeds: int,
        say: Callable[[str], None],
    ):
        """Plans the trainings.

        Args:
          tables: what to measure.
          preset: the settings of everything that a table does not vary.
          trials: trains and scores.
          num_seeds: trainings of each cell, S, with the seeds 1 to S.
          say: gets a line before each training, or after each where there are several at once.

        Raises:
          ValueError: there are no seeds, or a cell's settings do not go with the preset's.
        """
        if num_seeds < 1:
            raise ValueError(f"there are {num_seeds} seeds; give at least 1")
        self._tables = tables
        self._preset = preset
        self._trials = trials
        self._seeds = range(1, num_seeds + 1)
        self._say = say
        self._plan = self._distinct(cell for table in tables for cell in table.cells)
        self._measured = {
            trial: kept for trial in self._plan if (kept := trials.find(trial)) is not None
        }

    def run(self, data: ClipSet, command: str, jobs: int = 1) -> Iterator[Study]:
        """Trains what is missing; yields each table as soon as it is complete.

        Args:
          data: the clips, for the protocol's words.
          command: what trains one cell alone, but for the cell's own settings.
          jobs: trainings at once. With more than one, all tables are trained before the first
            is yielded.

        Raises:
          ValueError: there is too little to train or to score on.
          FloatingPointError: the loss of a training became NaN or infinite.
        """
        if jobs > 1:
            self._measure_at_once(jobs)
        for table in self._tables:
            rows = {cell.label: self._row(table, cell) for cell in table.cells}
            trials = [self._measured[trial] for trial in self._distinct(table.cells)]
            yield Study(
                name=table.name,
                title=table.title,
                paper=f"table 2{table.letter} of the MIL-NCE paper",
                setting=table.setting,
                protocol=self._protocol(table, data, len(trials)),
                rows=list(rows.values()),
                comparisons=[
                    Comparison(direction.claim, rows[direction.higher], rows[direction.lower])
                    for direction in table.directions
                ],
                seconds=sum(trial.seconds for trial in trials),
                log_axis=True,
                cores=max(trial.cores for trial in trials),
                command=command,
            )

    def _row(self, table: Table, cell: Cell) -> Row:
        return Row(
            series=cell.series,
            label=cell.label,
            num_pairs=None,
            measurements=[
                self._measure(trial, f"table 2{table.letter}, {cell.label}").metrics
                for trial in self._seeded(cell)
            ],
            x=cell.x,
            overrides=cell.overrides,
        )

    def _measure(self, trial: Preset, what: str) -> Measurement:
        if trial not in self._measured:
            number = self._plan.index(trial) + 1
            line = f"cell {number} of {len(self._plan)}: {what}, seed {trial.training.seed}"
            if self._measured:
                line += f", about {self._minutes_left():.0f} min left"
            self._say(line)
            self._measured[trial] = self._trials.measure(trial)
        return self._measured[trial]

    def _measure_at_once(self, jobs: int) -> None:
        missing = [trial for trial in self._plan if trial not in self._measured]
        for trial, measured in parallel.measure(self._trials, missing, jobs):
            self._measured[trial] = measured
            self._say(
                f"{len(self._measured)} of {len(self._plan)} trainings done, about "
                f"{self._minutes_left() / jobs:.0f} min left"
            )

    def _minutes_left(self) -> float:
        """Returns how long the rest takes, one after the other."""
        known = [measured.seconds for measured in self._measured.values()]
        return (len(self._plan) - len(known)) * sum(known) / len(known) / 60

    def _seeded(self, cell: Cell) -> list[Preset]:
        """Returns what a cell trains.

        Captions that are stored and not used decide nothing, so the ingest is the same for all.
        """
        preset = dataclasses.replace(cell.preset(self._preset), ingest=self._preset.ingest)
        return [
            dataclasses.replace(preset, training=dataclasses.replace(preset.training, seed=seed))
            for seed in self._seeds
        ]

    def _distinct(self, cells: Iterator[Cell] | Sequence[Cell]) -> list[Preset]:
        return list(dict.fromkeys(trial for cell in cells for trial in self._seeded(cell)))

    def _protocol(self, table: Table, data: ClipSet, num_trials: int) -> str:
        """Returns how a table was made, in paragraphs."""
        training, model = self._preset.training, self._preset.model
        num_train, num_test = data.num_clips()
        scored = FrameClips.from_config(data.test_files, self._preset.evaluation)
        seeds = "seed 1" if len(self._seeds) == 1 else f"seeds 1 to {len(self._seeds)}"
        negatives = "all" if training.num_negatives is None else training.num_negatives
        paragraphs = [
            table.how,
            f"What a row does not set is as follows: loss {training.loss}, "
            f"{training.num_candidates} candidates, {training.negatives} negatives, {negatives} of "
            f"the batch's; text model {model.text_model}; {model.backbone.upper()} at "
            f"{model.width:g} of its width; {training.steps:,} steps of {training.batch_size} "
            f"clips of {training.num_frames} frames at {training.frame_rate:g} a second and "
            f"{training.image_size} x {training.image_size} pixels, at a learning rate of "
            f"{training.learning_rate:g}; {seeds}.",
            f"Trained on {num_train:,} clips, scored on {num_test:,} {data.name}. "
            f"{evaluation.protocol_in_words(scored)} The time is the sum over the table's "
            f"{num_trials} trainings with their scoring, those that it shares with other tables "
            f"among them; of one that was interrupted, that of its last part.",
            f"The paper's R@10 on YouCook2 and MSR-VTT, after 500,000 steps on HowTo100M: "
            f"{table.published}.",
        ]
        return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
