"""What passes from the parent to its worker processes. Imports nothing heavy."""

import dataclasses
from pathlib import Path

from family import recipe


@dataclasses.dataclass(frozen=True)
class Job:
    """One checkpoint to train into `out/run.name`; a fine-tune starts from `out/base`."""

    family: recipe.Recipe
    run: recipe.Run
    seed: int
    out: Path

    @property
    def folder(self) -> Path:
        """Where the checkpoint goes."""
        return self.out / self.run.name

    @property
    def digest(self) -> str:
        """What the checkpoint is, in sixteen characters."""
        return recipe.digest(self.family, self.run, self.seed)

    @property
    def is_base(self) -> bool:
        """Whether this is the checkpoint that all others start from."""
        return self.run.name == self.family.base.name
