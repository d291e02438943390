"""What a node says of its machine when it greets the host: software, power mode, disk, throttling; for people."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Dict, Optional

from octogym.device_node.link import load_zmq
from octogym.version import __version__

#: A Jetson's power mode, and how often an x86 core was throttled since it started.
_POWER_MODE = "/var/lib/nvpmodel/status"
_THROTTLED = "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
_GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
UNKNOWN = "not known"


def about() -> Dict[str, str]:
    """Texts by name; "not known" where this hardware does not tell."""
    zmq = load_zmq()
    return {
        "octogym": __version__,
        "python": platform.python_version(),
        "pyzmq": zmq.__version__,
        "libzmq": zmq.zmq_version(),
        "system": platform.system() + " " + platform.machine(),
        "disk_free_gb": _disk(),
        "power_mode": _first_line(_POWER_MODE) or UNKNOWN,
        "governor": _first_line(_GOVERNOR) or UNKNOWN,
        "throttled": _first_line(_THROTTLED) or UNKNOWN,
    }


def _first_line(path: str) -> Optional[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.readline().strip()[:100]
    except (OSError, UnicodeDecodeError):
        return None


def _disk() -> str:
    try:
        return "%.1f" % (shutil.disk_usage(os.path.expanduser("~")).free / 1e9)
    except OSError:
        return UNKNOWN
