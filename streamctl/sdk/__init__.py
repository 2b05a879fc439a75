"""What a plugin may import from streamctl, and nothing more.

A protocol plugin subclasses :class:`~streamctl.sdk.plugin.ProtocolPlugin` and registers it
under the entry-point group ``streamctl.protocols`` with its kind as the name. Everything in
this package is used from the loop thread only, unless a docstring says otherwise.
"""
