"""The offloading problem over any backend; `octogym.envs.offload_v0` is its public face."""
