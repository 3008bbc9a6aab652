"""What the comparison of ranks takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reworld_agent.core.errors import UsageError
from reworld_agent.core.records import read_yaml
from reworld_agent.core.settings import Settings, setting
from reworld_agent.core.text import is_file_name, shown

SHIPPED = Path(__file__).with_name("planners.yaml")
LEAST = 3  # planners and drives: of fewer no rank says anything
_TRAINED = "{trained}"


@dataclass(frozen=True, kw_only=True)
class RanksSettings(Settings):
    """Planners that are scored and driven on the same drives.

    Raises:
        UsageError: the file of planners cannot be read, or needs weights that are not named.
    """

    planners: Path | None = setting(
        "file of planners: names, and the arguments that choose each (the shipped file: baselines, "
        "the shipped weights, planted bad habits)",
        None,
        exists="file",
        metavar="FILE.yaml",
    )
    trained: Path | None = setting(
        "folder of weights that {trained} in the file stands for",
        None,
        exists="folder",
        metavar="DIR",
    )
    split: str = setting("of the town, version 6", "town6_test")
    scenarios: int = setting("the split's first so many drives", 24, least=LEAST, most=2_000)
    resamples: int = setting("of the bootstrap", 2_000, least=100, most=1_000_000)
    seed: int = setting("of the bootstrap", 0, least=0)
    output_dir: Path = setting(
        "folder of all runs; one that was stopped goes on there",
        Path("outputs/ranks"),
        writes="folder",
        metavar="DIR",
    )

    @property
    def chosen(self) -> dict[str, tuple[str, ...]]:
        """Arguments by the name of each planner."""
        if self.planners is None:
            return self._listed(SHIPPED)[0]
        found, with_shipped = self._listed(self.planners)
        both = self._listed(SHIPPED)[0] if with_shipped else {}
        twice = sorted(set(both) & set(found))
        if twice:
            message = f"planners={shown(self.planners)}: {twice[0]} is a shipped planner too"
            raise UsageError(message, "name it otherwise")
        return both | found

    def _listed(self, file: Path) -> tuple[dict[str, tuple[str, ...]], bool]:
        """The planners of a file, and whether it takes the shipped ones too."""
        fix = "see benchmarks/ranks/planners.yaml"
        try:
            content = read_yaml(file)
        except (OSError, ValueError) as error:
            raise UsageError(f"planners={shown(file)} cannot be read: {error}", fix) from error
        listed = content.get("planners") if isinstance(content, dict) else None
        if not isinstance(listed, dict):
            raise UsageError(f"planners={shown(file)} has no table `planners`", fix)
        with_shipped = content.get("shipped", False)
        if not isinstance(with_shipped, bool) or set(content) - {"planners", "shipped"}:
            message = f"planners={shown(file)} may hold `planners` and `shipped: true`, no more"
            raise UsageError(message, fix)
        found = {}
        for name, words in listed.items():
            good = isinstance(words, list) and all(isinstance(word, str) for word in words)
            if not good or not is_file_name(str(name)):
                raise UsageError(f"planners={shown(file)}: {name} is no list of arguments", fix)
            found[str(name)] = tuple(self._filled(str(name), word) for word in words)
        return found, with_shipped

    def _filled(self, name: str, word: str) -> str:
        if _TRAINED not in word:
            return word
        if self.trained is None:
            raise UsageError(f"the planner {name} needs {_TRAINED}", "name it: trained=DIR")
        return word.replace(_TRAINED, str(self.trained.absolute()))

    def check(self) -> None:
        """See the class."""
        # the towns take a second to import, and --help needs none
        from reworld_agent.closed_loop.scenarios import require_split  # noqa: PLC0415

        require_split(self.split)
        if len(self.chosen) < LEAST:
            message = f"{len(self.chosen)} planners cannot be ranked"
            raise UsageError(message, f"name {LEAST} or more")
