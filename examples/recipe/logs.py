"""Where a run's numbers go: a CSV file, and TensorBoard or a progress bar where they are asked for."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tqdm import tqdm

from examples.recipe.checkpoints import written
from examples.recipe.options import Options
from examples.recipe.state import State

SHOWN = {"loss": "loss", "AP": "AP", "student_rho": "rho A", "teacher_rho": "rho B", "teacher_share": "B decides"}


class Log:
    """One run's log; `bar` shows progress, `tensorboard` writes events beside the CSV file."""

    def __init__(self, folder: Path, *, bar: bool = False, tensorboard: bool = False) -> None:
        self.folder, self.shown = folder, bar
        self.rows: list[dict[str, float]] = []
        self.bar: Any = None
        self.last: dict[str, str] = {}
        self.tensorboard, self.events = tensorboard, None

    def begin(self, state: State, options: Options) -> None:
        """Go on where the state is: later lines of a run that was killed are written again."""
        self.rows = list(state.rows)
        if self.shown:
            self.bar = tqdm(total=options.steps, initial=state.step, unit="step", dynamic_ncols=True)
        if self.tensorboard:
            from torch.utils.tensorboard import SummaryWriter

            self.events: Any = SummaryWriter(str(self.folder), purge_step=state.step)

    def add(self, row: dict[str, float], mine: bool) -> None:
        """One more line; only one of several processes writes."""
        if not mine:
            return
        self.rows.append(row)
        text = io.StringIO()
        names = list(dict.fromkeys(name for each in self.rows for name in each))
        table = csv.DictWriter(text, names)
        table.writeheader()
        table.writerows(self.rows)
        written(self.folder / "log.csv", lambda beside: beside.write_text(text.getvalue(), encoding="utf-8"))
        if self.bar is not None:
            self.last |= {said: f"{row[name]:.2f}" for name, said in SHOWN.items() if name in row}
            self.bar.update(int(row["step"]) - self.bar.n)
            self.bar.set_postfix(self.last)
        if self.events is not None:
            for name, value in row.items():
                self.events.add_scalar(name, value, int(row["step"]))
            self.events.flush()

    def end(self) -> None:
        """Close what was opened."""
        for each in (self.bar, self.events):
            if each is not None:
                each.close()
