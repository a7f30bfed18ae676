"""Tests of the installation, the devices and the data of a config."""
