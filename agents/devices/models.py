"""Physics of household devices, vectorised: one array element per device, no loops.

Common to all: power is injection in kW (positive: feeds in; negative: consumes), energy in kWh, ``hours``
is the length of an ISP. ``baseline`` is the power of a device without activation in its present state;
``limits`` is the (low, high) injection that can be ordered of it, always around its baseline.

``limits`` takes a number of ISPs. With 1 it is the bare physical bound of the coming ISP. With more it is
what the device can sustain for so many ISPs in a row. Offers use that bound, because bids for later ISPs are
made before earlier ISPs are delivered.
"""

from dataclasses import dataclass

import numpy as np

from tandem_sim.grids.tolerances import SUM_ROUNDING_SHARE
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray

Limits = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Batteries:
    """Home batteries with ``0 <= stored_kwh <= energy_kwh`` (usable); power is measured at the meter."""

    energy_kwh: FloatArray
    power_kw: FloatArray
    charge_efficiency: FloatArray
    discharge_efficiency: FloatArray

    def baseline(self, stored_kwh: FloatArray, surplus_kw: FloatArray, hours: float) -> FloatArray:
        """Self-consumption: charge from the household's surplus, discharge into its deficit, never beyond."""
        low, high = self._bounds(stored_kwh, hours)
        power: FloatArray = np.minimum(np.maximum(-surplus_kw, low), high)
        return power

    def limits(self, stored_kwh: FloatArray, base_kw: FloatArray, hours: float, isps: int) -> Limits:
        """Injection that stored energy and room can sustain for ``isps`` ISPs, and always the baseline."""
        low, high = self._bounds(stored_kwh, hours * isps)
        return np.minimum(low, base_kw), np.maximum(high, base_kw)

    def move(self, stored_kwh: FloatArray, power_kw: FloatArray, hours: float) -> FloatArray:
        """Stored energy after one ISP: ``stored + eta_c * charged - discharged / eta_d``."""
        gained = np.maximum(-power_kw, 0.0) * self.charge_efficiency
        lost = np.maximum(power_kw, 0.0) / self.discharge_efficiency
        # Only rounding can leave the range: ``power_kw`` lies within ``limits(..., isps=1)``.
        moved = np.maximum(stored_kwh + (gained - lost) * hours, 0.0)
        stored: FloatArray = np.minimum(moved, self.energy_kwh)
        return stored

    def _bounds(self, stored_kwh: FloatArray, hours: float) -> Limits:
        room = (self.energy_kwh - stored_kwh) / (self.charge_efficiency * hours)
        fuel = stored_kwh * self.discharge_efficiency / hours
        return -np.minimum(self.power_kw, room), np.minimum(self.power_kw, fuel)


@dataclass(frozen=True)
class Vehicles:
    """Charging EVs that need ``left_kwh`` (at the meter) within ``left_isps``; 0 and <= 0 when away."""

    smart: BoolArray
    parking_isps: IntArray

    def baseline(
        self,
        left_kwh: FloatArray,
        left_isps: IntArray,
        limit_kw: FloatArray,
        hours: float,
        at_once: BoolArray | bool = False,
    ) -> FloatArray:
        """Full power at once, or spread evenly until departure where ``smart`` and not ``at_once``."""
        isps = np.where(self.smart & ~np.asarray(at_once), np.maximum(left_isps, 1), 1)
        power: FloatArray = -np.minimum(limit_kw, left_kwh / (isps * hours))
        return power

    def limits(
        self,
        left_kwh: FloatArray,
        left_isps: IntArray,
        limit_kw: FloatArray,
        base_kw: FloatArray,
        hours: float,
        isps: int,
    ) -> Limits:
        """Delay no more than full power can make up until departure; advance no more than is needed.

        Slack is the energy that full power until departure could charge beyond the need; a delay by d kW
        uses up ``d * hours`` of it per ISP.
        """
        span = np.clip(left_isps, 1, isps) * hours
        slack = limit_kw * np.maximum(left_isps, 0) * hours - left_kwh
        least = np.maximum(limit_kw - slack / span, 0.0)
        most = np.minimum(limit_kw, left_kwh / span)
        return np.minimum(-most, base_kw), np.maximum(-least, base_kw)


@dataclass(frozen=True, kw_only=True)
class HeatPumps:
    """Heat pumps around their measured consumption, with the deviation theta (K) it causes indoors.

    ``d theta / dt = -theta / tau + COP * dp / C`` with dp the consumption above the measured one, solved
    exactly over an ISP: ``theta' = decay * theta + (1 - decay) * gain * dp``, ``decay = exp(-hours /
    tau)``, ``gain = COP * tau / C``. The thermostat adds ``-answer * theta`` to the measured consumption,
    within 0 and ``power_kw``: this is the rebound. Unclipped it shrinks theta by ``exp(-hours / recovery)``
    per ISP, so it never overshoots; clipped it acts less.
    """

    power_kw: FloatArray
    decay: FloatArray
    gain_k_per_kw: FloatArray
    answer_kw_per_k: FloatArray
    band_k: float

    @classmethod
    def build(
        cls,
        power_kw: FloatArray,
        cop: FloatArray,
        capacity_kwh_per_k: FloatArray,
        loss_h: FloatArray,
        recovery_h: float,
        band_k: float,
        hours: float,
    ) -> "HeatPumps":
        """Turn thermal constants (kWh/K, h) into those of one ISP."""
        decay = np.exp(-hours / loss_h)
        gain = cop * loss_h / capacity_kwh_per_k
        answer = (decay - np.exp(-hours / recovery_h)) / ((1 - decay) * gain)
        return cls(power_kw=power_kw, decay=decay, gain_k_per_kw=gain, answer_kw_per_k=answer, band_k=band_k)

    def baseline(self, theta_k: FloatArray, measured_kw: FloatArray) -> FloatArray:
        """Measured consumption, corrected by the thermostat for the present deviation."""
        wanted = measured_kw - self.answer_kw_per_k * theta_k
        power: FloatArray = -np.minimum(np.maximum(wanted, 0.0), self.power_kw)
        return power

    def limits(
        self,
        theta_k: FloatArray,
        measured_kw: FloatArray,
        running: BoolArray,
        base_kw: FloatArray,
        decay: FloatArray,
    ) -> Limits:
        """Injection that keeps theta inside the band after the ISPs over which ``decay`` is taken.

        A pump that is not ``running`` (outside the heating season) does not offer to heat more.
        """
        scale = 1.0 / ((1.0 - decay) * self.gain_k_per_kw)
        drift = decay * theta_k
        least = np.maximum(measured_kw - (self.band_k + drift) * scale, 0.0)
        most = np.minimum(measured_kw + (self.band_k - drift) * scale, self.power_kw)
        low = np.where(running, np.minimum(-most, base_kw), base_kw)
        return low, np.maximum(-least, base_kw)

    def move(self, theta_k: FloatArray, measured_kw: FloatArray, power_kw: FloatArray) -> FloatArray:
        """Deviation after one ISP at injection ``power_kw``."""
        excess = -power_kw - measured_kw
        theta: FloatArray = self.decay * theta_k + (1.0 - self.decay) * self.gain_k_per_kw * excess
        return theta


def spread(wanted_kw: FloatArray, group: IntArray, offer_kw: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Share the order of each group among its devices, in proportion to their offers.

    ``wanted_kw`` (G,) >= 0; ``group`` (M,) index into it; ``offer_kw`` (M,) >= 0. Returns the devices' shares
    (M,), with group sums ``min(wanted, offered)``, and the rest of each group's order (G,).
    """
    groups = len(wanted_kw)
    offered = np.bincount(group, offer_kw, groups)
    part = np.divide(wanted_kw, offered, out=np.ones(groups), where=offered > wanted_kw)
    shared: FloatArray = offer_kw * part[group]
    # An offer and an order for all of it differ by rounding: that is not a rest.
    wanting = wanted_kw > offered * (1.0 + SUM_ROUNDING_SHARE)
    return shared, np.where(wanting, wanted_kw - offered, 0.0)
