"""What a seller can offer: groups of households in an area, units and large loads on transmission.

`portfolio` defines the protocol and its kinds. Look next at `parties.aggregator`. A further kind of
resource implements `portfolio.Portfolio`.
"""
