"""Bottom-up: which building blocks are worth composing, before any whole network is searched.

The flow of SkyNet (arXiv 1909.09709): score each bundle alone (`alone`), search networks of one bundle a group
(`--sampler group-pso`), then try features on the front (`features`). docs/skynet.md.
"""
