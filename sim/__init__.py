"""Time and bookkeeping: calendar, clock, message bus, world, run, recorder and audit."""
