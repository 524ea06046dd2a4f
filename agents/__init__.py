"""Who acts: operators, aggregators, the household fleet; their messages and strategies."""
