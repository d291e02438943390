"""Room for policies that control the whole cluster: offloading and placement."""
