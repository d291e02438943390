"""Federation: more pipelines that learn together, episodes until the reward is there, bytes per round.

    python benchmarks/fcpo/federation.py [--json FILE] [--quick]

`scale-2n` has n pipelines of two agents each; with one pipeline there is nobody to federate with (the paper's Fig. 14
calls that "off"). Agents aggregate every second update. Published settings, episodes of 100 steps.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks._fcpo import trained
from benchmarks._fcpo.curves import blocks_to, by_seed, final, smooth
from benchmarks._study.report import Said, arguments, band, figure, interval, table, verdict, write
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.fed.config import FedConfig

PIPELINES = (1, 2, 4, 8, 16)


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "", runs=5, episodes=60).parse_args(argv)
    pipelines: tuple[int, ...] = PIPELINES
    if options.quick:
        options.runs, options.episodes, pipelines = 2, 4, (1, 2)
    say, rewards, results = Said(), {}, {}
    published = FcpoSettings()
    settings = replace(published, iagent=replace(published.iagent, steps_growth=0))
    for name, federated, count in [(f"{n} pipelines" if n > 1 else "1 pipeline (off)", n > 1, n) for n in pipelines] + [
        (f"{pipelines[-1]} pipelines, each alone", False, pipelines[-1])
    ]:
        _, history = trained.fcpo(
            f"federation-{count}-{federated}",
            range(options.runs),
            options.episodes,
            settings,
            f"scale-{2 * count}",
            federated=federated,
            fed=FedConfig(fraction=1.0),
        )
        reward = by_seed(history, "reward")
        episodes = blocks_to(reward)
        results[name] = {
            "episodes_to_95": episodes.tolist(),
            "final_reward": final(reward).tolist(),
            "on_time_share": by_seed(history, "on_time_share")[:, -10:].mean(1).tolist(),
            "rounds": by_seed(history, "rounds")[:, -1].tolist(),
        }
        rewards[name] = reward
        say(f"{name}: {interval(episodes.tolist())} episodes to 95 %")
    # Each ends elsewhere: how long until they are where agents that learn alone end tells who is faster.
    alone = final(rewards[list(rewards)[-1]])
    for name, reward in rewards.items():
        results[name]["episodes_to_lone_level"] = blocks_to(reward, end=alone).tolist()
    print(table(("federation", "episodes to 95 % of its own final reward", "to 95 % of that of lone agents",
                 "final reward", "on time at the end, %"), [
        (name, interval(r["episodes_to_95"]), interval(r["episodes_to_lone_level"]), interval(r["final_reward"], 1, 3),
         interval(r["on_time_share"], 100))
        for name, r in results.items()
    ]))  # fmt: skip
    if options.json is not None:
        shown = {k: v for k, v in vars(options).items() if k not in ("json", "quick")}
        write(options.json, "federation", options.quick, shown, results, _verdicts(results))
        _plot(options.json.with_suffix(".png"), {name: smooth(reward) for name, reward in rewards.items()})
    return 0


def _verdicts(results: dict[str, dict[str, list[float]]]) -> list[dict[str, object]]:
    names = list(results)
    alone, together = results[names[-1]], results[names[-2]]
    lines = []
    for key, level in (("episodes_to_lone_level", "where lone agents end"), ("episodes_to_95", "where each ends")):
        faster = 1 - float(np.nanmean(together[key]) / np.nanmean(alone[key]))
        claim = f"faster convergence by federation ({names[-2]} against {names[-1]}; episodes to 95 % of {level})"
        lines.append(verdict(claim, "20 %", f"{100 * faster:.0f} %", faster >= 0.2))
    finals = [float(np.mean(results[name]["final_reward"])) for name in names[:-1]]
    if len(finals) == len(PIPELINES):
        gains = np.diff(finals)
        largest = names[1 + int(np.argmax(gains))]
        lines.append(verdict("largest gain of federation from 4 to 8 pipelines, then diminishing", "4 to 8",
                             f"largest gain at {largest}; final rewards {', '.join(f'{f:.3f}' for f in finals)}",
                             int(np.argmax(gains)) == 2))  # fmt: skip
    return lines


def _plot(file: Path, curves: dict[str, np.ndarray]) -> None:
    pyplot = figure()
    fig, ax = pyplot.subplots(figsize=(7, 4.2))
    for name, values in curves.items():
        band(ax, np.arange(1, values.shape[1] + 1), values, name)
    ax.set_xlabel("episodes of 100 s")
    ax.set_ylabel("reward (Eq. 1)")
    ax.legend(fontsize=8)
    fig.tight_layout()
    fig.savefig(file, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
