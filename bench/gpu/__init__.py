"""What has to be seen on a machine with a GPU: `bench/gpu/run.sh`."""
