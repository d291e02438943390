"""The checks as test classes: inherit, say how to make the thing, and pytest or unittest runs one test per rule."""

from __future__ import annotations

from pettingzoo import ParallelEnv

from octogym.cluster.backend import Backend
from octogym.testing import backend, parallel_env


class ParallelEnvMixin:
    """Tests of a parallel environment.

    ```python
    class TestMine(octogym.testing.ParallelEnvMixin):
        def make_env(self):
            return batching_v0.parallel_env(scenario="mine.toml", horizon=20)
    ```
    """

    seed = 0
    episodes = 3

    def make_env(self) -> ParallelEnv:
        """A new environment with a short horizon; must be picklable by cloudpickle together with this object."""
        raise NotImplementedError

    def test_spaces(self) -> None:
        parallel_env.check_spaces(self.make_env, self.seed)

    def test_determinism(self) -> None:
        parallel_env.check_determinism(self.make_env, self.seed, self.episodes)

    def test_other_process(self) -> None:
        parallel_env.check_other_process(self.make_env, self.seed, self.episodes)

    def test_ownership(self) -> None:
        parallel_env.check_ownership(self.make_env, self.seed)

    def test_ends(self) -> None:
        parallel_env.check_ends(self.make_env, self.seed)

    def test_absence(self) -> None:
        parallel_env.check_absence(self.make_env, self.seed)

    def test_bad_actions(self) -> None:
        parallel_env.check_bad_actions(self.make_env, self.seed)

    def test_accounting(self) -> None:
        parallel_env.check_accounting(self.make_env, self.seed)


class BackendMixin:
    """Tests of a backend."""

    seed = 0
    steps = 20

    def make_backend(self, num_envs: int) -> Backend:
        """A new backend; must be picklable by cloudpickle together with this object."""
        raise NotImplementedError

    def test_start_and_steps(self) -> None:
        backend.check_start_and_steps(self.make_backend, self.seed, self.steps)

    def test_determinism(self) -> None:
        backend.check_determinism(self.make_backend, self.seed, self.steps)

    def test_other_process(self) -> None:
        backend.check_other_process(self.make_backend, self.seed, self.steps)

    def test_alone(self) -> None:
        backend.check_alone(self.make_backend, self.seed, self.steps)

    def test_mask(self) -> None:
        backend.check_mask(self.make_backend, self.seed, self.steps)

    def test_accounting(self) -> None:
        backend.check_accounting(self.make_backend, self.seed, self.steps)

    def test_settings(self) -> None:
        backend.check_settings(self.make_backend, self.seed, self.steps)

    def test_snapshot(self) -> None:
        backend.check_snapshot(self.make_backend, self.seed, self.steps)
