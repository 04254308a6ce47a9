#![doc = include_str!("../README.md")]

#[cfg(feature = "testing")]
pub mod conformance;
pub mod delivery;
pub mod domain;
pub mod gateway;
pub mod memory;
mod named;
pub mod ports;
