"""Tolerances: how close two numbers must be to count as equal, and below what a number counts as zero.

The one place for them, for all layers. Each has its unit in its name and its reason below it. ``SHARE`` is a
share of the quantity compared, and ``MW_OR_PU2`` applies to flows in MW and to squared voltages in p.u.**2.
Thresholds that are rules of a market or of a strategy stand where those are.
"""

# Power and money

NEGLIGIBLE_MW = 1e-9
"""Power below this counts as zero: it is not called, sets no price and does not fill a limit. A need within
this of a sum of bids equals that sum. Rounding of sums over thousands of bids stays below it; the step of a
product is far above."""
NEGLIGIBLE_KW = 1e-6
"""Power of a connection below this counts as zero: it is no activation and needs no substitution."""
NEGLIGIBLE_TRADE_KW = 1e-3
"""A trade of curtailment below this is not made. HiGHS keeps limits within 1e-7, and LV connections have
several kW."""
NEGLIGIBLE_EUR = 1e-9
"""A payment below this is a rounding error."""
EQUAL_MW = 1e-6
"""Two quantities within this are equal: far below the tick of any product, and above what HiGHS leaves."""
EQUAL_PRICE_EUR_PER_MWH = 1e-4
"""Prices within this are equal. Larger than the cost step that orders bids of equal price."""
NEGLIGIBLE_FIGURE = 1e-9
"""A figure of a printed table below this in size is shown as zero: it is a rounding error."""

# Limits of grids

LIMIT_TOLERANCE_SHARE = 1e-6
"""A limit counts as broken when it is exceeded by more than this share of it."""
LV_LIMIT_TOLERANCE_PU = 1e-7
"""A limit of a low-voltage feeder exceeded by less is kept (p.u. of voltage or of rated current)."""
ROW_TOLERANCE_MW_OR_PU2 = 1e-9
"""A constraint exceeded by less counts as kept: a hundredth of what the solver allows."""
AT_LIMIT_MW_OR_PU2 = 1e-8
"""An optimum within this of a limit is at the limit. HiGHS leaves less than this of a binding constraint (it
allows 1e-7 of a scaled one, and ends some orders of magnitude below)."""
BEYOND_LIMIT_MW_OR_PU2 = 1e-6
"""A soft limit exceeded by more counts as broken, and its dual is its penalty. HiGHS leaves a limit that is
exceeded by less than 1e-7 as it is, together with the dual found there."""
SOLVER_SLACK_MW_OR_PU2 = 1e-7
"""Added to limits moved to a state that the solver has reached: it reaches it within its own tolerance."""
VOLTAGE_ROUNDING_PU2 = 1e-7
"""A squared voltage this close to its band stands at the edge of the band: the solver brings it no closer,
and the next market must not buy for the rest."""
CHANGE_TOLERANCE_MW = 1e-6
"""An area may miss a feasible change of its injection by this, at the penalty of unserved need. HiGHS finds
the ends of the feasible range within 1e-7 of each limit, and may find no point that keeps all limits and has
exactly such an end."""

# Margins that a check keeps because its model errs

MOL_FLOW_MARGIN_SHARE = 1e-3
"""Share of a flow limit kept free when a DSO lowers bounds in MOL validation, so that the power flow accepts
the bounds."""
MOL_VOLTAGE_MARGIN_PU2 = 2e-4
"""The same margin on squared voltages."""
AC_WORSENING_SHARE = 5e-4
"""Share of an AC limit by which bids may worsen a baseline that has no room. Without it no MW could be
called, because every activation moves the voltage that a current depends on."""
AC_SEARCH_MARGIN_SHARE = 1e-4
"""Share of an AC limit kept free for what the search for the worst activation may miss. Cuts keep twice this,
so that the iteration ends."""
NEGLIGIBLE_EFFECT_SHARE = 1e-7
"""A bid that moves an AC limit by less than this share of it stays as it is in the search for the worst."""
NEGLIGIBLE_RISE_SHARE = 5e-5
"""A further point of that search is tried only if it promises to raise the excess by more than this share of
the limit."""

# Costs and prices of optimisation problems

TIE_STEP_EUR_PER_MWH = 1e-6
"""Cost step between bids of equal price, so that the solver serves them in their order."""
EQUAL_PRICE_TRADE_EUR_PER_MWH = 1e-7
"""Added to the cost of an up and a down bid of equal price, so that they do not trade with each other."""
EQUAL_COST_SHARE = 1e-9
"""A chord of a cost function within this share of the cost is the function: one linear segment."""
PENALTY_RISE_EUR_PER_H = 1e-3
"""Penalties that rise by more without a seller show that limits cannot be kept without this seller."""
CANCELLED_CHARGES_SHARE = 1e-3
"""Charges whose sum is below this share of the sum of their sizes cancel out: they say nothing on shares."""
BEST_RESPONSE_GAIN_EUR_PER_H = 1e-9
"""A strategy prefers another offer only for a higher gain: smaller differences are rounding errors."""
GAME_GAIN_EUR_PER_H = 1e-6
"""A player of a game changes its move only for a higher gain: profits carry the solver's tolerance."""
MARKET_POWER_GAIN_EUR_PER_H = 1e-3
"""The same in the analysis of market power, where a lower gain is no reason to change a bid."""

# Power flows

POWER_FLOW_MISMATCH_PU = 1e-8
"""Mismatch at which Newton-Raphson stops: the default of pandapower (MVA over base power)."""
SET_POINT_TOLERANCE_PU2 = 1e-9
"""A squared voltage within this of its set-point is held."""
LV_VOLTAGE_CONVERGED_PU = 1e-11
"""Change of voltages at which the three-phase fixed point stops."""
LV_VOLTAGE_ACCEPTED_PU = 1e-6
"""A three-phase power flow whose last change is below this has a solution."""
LV_ADJOINT_CONVERGED_SHARE = 1e-13
"""Change at which the adjoint of that fixed point stops, as a share of the largest weight of a current."""
ENVELOPE_CONVERGED_KW = 1e-3
"""Change of the sum of limits, per user, at which the iteration of an operating envelope stops."""
ENVELOPE_CONVERGED_PU = 1e-5
"""Largest excess of a limit at which that iteration stops."""

# Data of low-voltage feeders

NEGLIGIBLE_CURRENT_SHARE = 1e-3
"""A branch that carries less than this share of the current of every port is no section."""
EQUAL_CURRENT_SHARE = 1e-5
"""Sections are equal where their shares differ by no more, and their currents without load by no more than
this share of the rating."""
ZERO_RATING_PU = 1e-9
"""A rating up to this (p.u. of the feeder's base) is zero: it lets no current through, and a loading in
percent of it has no meaning."""
ZERO_VK0_PERCENT = 1e-8
"""A zero-sequence short-circuit voltage up to this is not given; the positive-sequence one replaces it, as in
pandapower."""

# Models of devices

FLEET_TOLERANCE_KWH_OR_K = 1e-6
"""Largest error of an energy balance, and largest excess of a temperature band, in a fleet of households."""

# Audit of a run

AUDIT_TOLERANCE_PU = 1e-6
"""Largest difference of voltages between the fast and the reference power flow."""
FLOW_TOLERANCE_MW = 1e-5
"""Largest residual of the power balance of a converged power flow."""
POWER_TOLERANCE_KW = 1e-6
"""Largest difference between powers of connections that must agree."""
MONEY_TOLERANCE_EUR = 1e-6
"""Largest difference between amounts of money that must agree."""
SUM_ROUNDING_SHARE = 1e-9
"""Share of a sum by which the order of its terms may change it."""
