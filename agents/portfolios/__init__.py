"""What a seller can offer: device groups of households in an area, units and large loads on transmission.

`portfolio` defines the protocol, `households` and `transmission` implement it. Look next at
`parties.aggregator`. A further kind of resource implements `portfolio.Portfolio` in a module of its own.
"""
