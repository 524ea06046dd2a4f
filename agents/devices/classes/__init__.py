"""Classes of device: one module each, and the registry that lists them.

A module holds the physics of its class (``DeviceGroup``) and declares it (``DeviceClass``). To add a class,
write such a module, add it to ``registry.CLASSES``, and test it with
``tandem_sim.agents.devices.contract.check_device``. Look next at ``tandem_sim.agents.devices.device``.
"""
