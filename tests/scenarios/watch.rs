//! The proxy's second phase: crashes, recoveries, stops from elsewhere, devices that vanish.
