"""What OctoCross is measured against: other offloaders, OctoCross without one of its parts, and perfect knowledge.

All decide through the same sampler, at the same times, over the same edges and with the same executor
(`octogym.scheduler.offload`); only the matrix comes from elsewhere.
"""
