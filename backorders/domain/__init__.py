"""The ground: plain frozen values in, plain values out. No ORM, settings, clock or network."""
