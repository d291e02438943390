"""rtgym's period, where it is installed: the peer for steps in real time."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import Any

import gymnasium
import numpy as np

from benchmarks._speed.result import Skip


def rtgym_periods(period_s: float, steps: int) -> list[float]:
    """Seconds between the returns of rtgym's step() around a device that does nothing.

    Raises:
        Skip: rtgym is not installed.
    """
    try:
        import rtgym
    except ModuleNotFoundError:
        raise Skip("rtgym is not installed") from None
    config = rtgym.DEFAULT_CONFIG_DICT.copy()
    config.update(
        interface=_nothing(rtgym),
        time_step_duration=period_s,
        start_obs_capture=period_s * 0.9,
        time_step_timeout_factor=1.0,
        ep_max_length=steps + 10,
        act_buf_len=1,
        wait_on_done=False,
    )
    env = gymnasium.make("real-time-gym-ts-v1", config=config)
    env.reset()
    returned = []
    for _ in range(steps + 1):
        env.step(np.zeros(1, np.float32))
        returned.append(time.monotonic())
    env.close()
    return [float(second - first) for first, second in pairwise(returned)]


def _nothing(rtgym: Any) -> Any:
    class Nothing(rtgym.RealTimeGymInterface):  # type: ignore[misc]
        """A device without a device."""

        def get_observation_space(self) -> gymnasium.spaces.Tuple:
            return gymnasium.spaces.Tuple((gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32),))

        def get_action_space(self) -> gymnasium.spaces.Box:
            return gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

        def get_default_action(self) -> np.ndarray:
            return np.zeros(1, np.float32)

        def send_control(self, control: np.ndarray) -> None:
            """Nothing is sent."""

        def reset(self, seed: int | None = None, options: Any = None) -> tuple[list[np.ndarray], dict[str, Any]]:
            return [np.zeros(1, np.float32)], {}

        def get_obs_rew_terminated_info(self) -> tuple[list[np.ndarray], float, bool, dict[str, Any]]:
            return [np.zeros(1, np.float32)], 0.0, False, {}

    return Nothing
