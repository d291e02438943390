"""Room for the host side of the bridge to real devices: sessions, keys, fault injection and `BridgeBackend`."""
