"""What a person touches: scenarios, the command line, KPIs and plots."""
