//! Polling against devices in this process.
